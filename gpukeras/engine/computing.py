"""The part of a layer that knows in which dtype it computes: inputs are cast to it, and weights are read in it."""

from __future__ import annotations

from typing import Any

from .. import backend as K
from ..graph import HALVES, is_float, weights_read_as
from ..graph.static_shape import plain_shape
from ..utils.generic_utils import has_arg, parameters_of
from ..utils.identity import is_built_in
from .node import has_declared_axes, history_of, to_list
from .policy import Policy, described, global_policy, own_policy


class Computing:
    """What `Layer` knows of policies. A layer with none (`_policy` is None) computes in whatever its inputs have, as in
    Keras 2.0.9; after a layer that has one it takes the one of floatx, so that mixed precision ends there."""

    dtype: str | None
    _policy: Policy | None = None
    _given_dtype: str | None = None
    _autocast = True
    """Whether inputs are cast to the layer's dtype."""
    _keeps_dtype = False
    """Whether an output may have another dtype than the layer's: that of a function, or of a layer inside."""
    _reads_declared = False
    """Whether `call` and `build` are to know inputs by the axes that layers declared, if their values have others."""
    _inputs_as_read: tuple[Any, ...] = ()

    def _take_policy(self, kwargs: dict[str, Any]) -> None:
        """Finds the layer's policy from the constructor's keywords."""
        dtype = kwargs.get("dtype")
        self._policy = own_policy(dtype)
        self._autocast = self._autocast and kwargs.get("autocast", True)
        self._given_dtype = dtype if isinstance(dtype, str) and is_float(dtype) else None
        if self._policy is not None and (dtype is None or not isinstance(dtype, str) or is_float(dtype)
                                         or dtype.startswith("mixed_")):  # else it is that of whole numbers to be fed
            self.dtype = self._policy.variable_dtype

    @property
    def dtype_policy(self) -> Policy:
        """The layer's own policy, else what its dtype says, else the global one."""
        if self._policy is not None:
            return self._policy
        given = self._given_dtype or self.dtype
        return Policy(given) if given else global_policy()

    @property
    def compute_dtype(self) -> str:
        """The dtype that inputs and weights have in `call`."""
        return self.dtype_policy.compute_dtype

    @property
    def _compute_dtype(self) -> str:
        """`compute_dtype`, by the name of TensorFlow 2.1 to 2.3."""
        return self.compute_dtype

    @property
    def variable_dtype(self) -> str:
        """The dtype that weights are kept in."""
        return self.dtype_policy.variable_dtype

    def _dtype_config(self) -> dict[str, Any]:
        """What the layer's config says of its dtype."""
        if self._policy is not None:
            return {"dtype": described(self._policy)}
        return {} if self.dtype is None else {"dtype": self.dtype}

    def _uses_policy(self) -> bool:
        """Whether outputs have the dtype of a policy."""
        return self._policy is not None

    def _join(self, inputs: list[Any]) -> None:
        """Takes a policy if the layer has none and an input comes from a layer with one."""
        makers = (history_of(x) for x in inputs) if self._policy is None and self._autocast else ()
        if any(made is not None and made.layer._uses_policy() for made in makers):
            self._policy = Policy(self._given_dtype or K.floatx())

    def _compute(self: Any, inputs: Any, **kwargs: Any) -> Any:
        """The result of `call` on inputs and weights in the layer's dtype."""
        tensors = to_list(inputs)
        self._join(tensors)
        dtype = None if self._policy is None else self._policy.compute_dtype
        before = self._inputs_as_read
        read = self._by_values(inputs) if any(map(has_declared_axes, tensors)) else inputs
        if dtype is not None and self._autocast:
            read = _cast(read, dtype)
        if read is not inputs:
            inputs, self._inputs_as_read = read, tuple(to_list(read))
        try:
            with weights_read_as(dtype if dtype != self.variable_dtype else None):
                result = self.call(inputs, **_with_phase(self.call, kwargs))
        finally:
            self._inputs_as_read = before
        own = is_built_in(type(self).call)
        return _cast(result, dtype) if dtype in HALVES and own and not self._keeps_dtype else result

    def _knows_declared(self: Any) -> bool:
        """Whether inputs have the axes that were declared, as in Keras: layers of this package do better without."""
        return self._reads_declared or not self._is_of_package()

    def _by_values(self: Any, inputs: Any) -> Any:
        """The inputs for `call`, with the axes that it is to know."""
        if self._knows_declared():
            return inputs
        found = [K.identity(x) if has_declared_axes(x) else x for x in to_list(inputs)]
        return found if isinstance(inputs, (list, tuple)) else found[0]

    def _shapes_read(self: Any, inputs: Any) -> list[tuple[int | None, ...]]:
        """The shapes of the inputs, with the axes that `call` is to know."""
        return [plain_shape(x.shape) if has_declared_axes(x) and not self._knows_declared() else K.int_shape(x)
                for x in to_list(inputs)]

    def _as_called(self: Any, inputs: Any) -> Any:
        """The inputs of the call at work, for these if they are what `call` was given in their place."""
        met = any(x is read for x in to_list(inputs) for read in self._inputs_as_read)
        return self._inputs_at_work if met and self._inputs_at_work else inputs


def _with_phase(call: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    """The keywords for a `call`. As in newer Keras, `training` may be said of any layer, and a `call` that insists on
    it gets it whether or not it was said."""
    if "training" in kwargs:
        takes = has_arg(call, "training", accept_all=True)
        return kwargs if takes else {name: value for name, value in kwargs.items() if name != "training"}
    parameter = parameters_of(call).get("training")
    insists = parameter is not None and parameter.default is parameter.empty
    return {**kwargs, "training": None} if insists else kwargs


def _cast(value: Any, dtype: str) -> Any:
    """The value with all tensors of floats in it in this dtype."""
    if isinstance(value, (list, tuple)):
        return type(value)(_cast(v, dtype) for v in value)
    return K.cast(value, dtype) if K.is_tensor(value) and is_float(value.dtype) and value.dtype != dtype else value


def in_single(x: Any) -> Any:
    """A tensor of 16-bit floats in float32; others as they are."""
    return K.cast(x, "float32") if K.dtype(x) in HALVES else x
