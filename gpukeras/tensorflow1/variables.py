"""Variables of TensorFlow 1's programs, their scopes and first values; derivatives and printing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakValueDictionary

from .. import backend as K
from .. import initializers
from ..backend.session import Group
from ..backend.updates import Update
from ..graph import Apply, Tensor, apply, gradients, made_inside, topological
from ..graph.substitute import substitute
from ..ops import broadcasting, control
from ..utils.generic_utils import to_list
from .functions import as_tensor

AUTO_REUSE = "AUTO_REUSE"
TRUNCATED = 0.87962566103423978
"""The standard deviation of normal numbers within two standard deviations, by which TensorFlow divides."""


# Variables -------------------------------------------------------------------------------------------------------
class _OfVariables(type):
    """Makes `Variable` a name for variables of K: to make one, and to ask whether something is one."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return K.is_variable(instance)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return new_variable(*args, **kwargs)


class Variable(metaclass=_OfVariables):
    """`tf.Variable(3.)` makes a variable of K; `isinstance(x, tf.Variable)` says whether x is one."""


def new_variable(initial_value: Any, trainable: bool = True, collections: Any = None, validate_shape: bool = True,
                 caching_device: Any = None, name: str | None = None, variable_def: Any = None, dtype: Any = None,
                 **kwargs: Any) -> Any:
    """A variable with a first value: a number, an array, a tensor, or a function that makes one of them."""
    value = initial_value() if callable(initial_value) and not K.is_tensor(initial_value) else initial_value
    whole = as_tensor(value, dtype)
    found: Any = K.variable(K.eval(whole), dtype=dtype or whole.dtype, name=name)
    found.trained_by_owner = trainable  # a layer that keeps it in an attribute has a weight in it
    return found


class Scope:
    """Where `get_variable` is at work: the beginning of names, and whether variables that are there are taken again."""

    def __init__(self, name: str, reuse: Any, initializer: Any) -> None:
        self.name, self.reuse, self.initializer = name, reuse, initializer
        self.original_name_scope = f"{name}/" if name else ""

    def reuse_variables(self) -> None:
        """From now on variables are taken again."""
        self.reuse = True


_scopes = [Scope("", False, None)]
_variables: WeakValueDictionary[str, Any] = WeakValueDictionary()


@contextmanager
def variable_scope(name_or_scope: Any = None, default_name: str | None = None, values: Any = None,
                   initializer: Any = None, reuse: Any = None, **kwargs: Any) -> Iterator[Scope]:
    """Around the making of variables, whose names begin with the scope's. A scope may be entered again."""
    outer = _scopes[-1]
    if isinstance(name_or_scope, Scope):
        name = name_or_scope.name
    else:
        own = name_or_scope or default_name or ""
        name = f"{outer.name}/{own}" if outer.name else own
    _scopes.append(Scope(name, reuse or outer.reuse, initializer or outer.initializer))
    try:
        with K.name_scope(name.rpartition("/")[2] or "scope"):
            yield _scopes[-1]
    finally:
        _scopes.pop()


def get_variable(name: str, shape: Any = None, dtype: Any = None, initializer: Any = None, regularizer: Any = None,
                 trainable: bool = True, **kwargs: Any) -> Any:
    """The variable of this name in the scope: a new one, or in a scope that reuses variables the one that is there,
    as long as anything holds it.

    >>> with variable_scope('doc'):
    ...     w = get_variable('w', [2], initializer=initializers.Zeros())
    >>> with variable_scope('doc', reuse=True):
    ...     print(get_variable('w') is w)
    True
    """
    scope = _scopes[-1]
    whole = f"{scope.name}/{name}" if scope.name else name
    known = _variables.get(whole)
    if scope.reuse and known is not None:
        return known
    if known is not None or scope.reuse and scope.reuse != AUTO_REUSE:
        raise ValueError(f"Variable {whole} {'already exists' if known is not None else 'does not exist'}: see reuse "
                         "of tf.variable_scope")
    value: Any = initializer or scope.initializer or initializers.glorot_uniform()
    value = value() if isinstance(value, type) or value in _INITIALIZERS.values() else value
    drawn = value([int(n) for n in shape] if isinstance(shape, (list, tuple)) else [int(shape)]) \
        if callable(value) and not K.is_tensor(value) else value
    made = _variables[whole] = new_variable(drawn, trainable, dtype=dtype or "float32")
    made.name = f"{whole}:0"  # whatever K.name_scope is open
    return made


def assign(ref: Any, value: Any, validate_shape: Any = None, use_locking: Any = None, name: str | None = None) -> Any:
    """An update for functions, layers and sessions: the variable becomes the value."""
    return K.update(ref, value)


def assign_add(ref: Any, value: Any, use_locking: Any = None, name: str | None = None) -> Any:
    """An update: the variable grows by the value."""
    return K.update_add(ref, value)


def assign_sub(ref: Any, value: Any, use_locking: Any = None, name: str | None = None) -> Any:
    """An update: the variable shrinks by the value."""
    return K.update_sub(ref, value)


def assign_moving_average(variable: Any, value: Any, decay: Any, zero_debias: bool = True,
                          name: str | None = None) -> Any:
    """An update: the variable becomes decay * variable + (1 - decay) * value. NotImplementedError for `zero_debias`,
    which takes variables beside it."""
    if zero_debias:
        raise NotImplementedError("assign_moving_average: give zero_debias=False, as Keras does")
    return K.moving_average_update(variable, value, decay)


_awaited: list[tuple[list[Any], list[Apply]]] = []
"""What is to be computed before, and what has been made since that was said."""


@contextmanager
def control_dependencies(control_inputs: Any) -> Iterator[None]:
    """Around what is computed after others: where a tensor that a function of TensorFlow makes inside is computed,
    these updates are carried out too. What is made inside sees the new values, what was made before the old ones.

    >>> v = K.variable(1.)
    >>> with control_dependencies([assign_add(v, 2.)]):
    ...     later = waiting(v * 10.)
    >>> [float(K.eval(later)) for _ in range(2)]
    [30.0, 50.0]
    """
    parts = [p for x in control_inputs or () for p in (x.parts if isinstance(x, Group) else [x])]
    tensors = [as_tensor(p) for p in parts if isinstance(p, (Tensor, Update))]
    with made_inside() as nodes:
        _awaited.append((tensors, nodes))
        try:
            yield
        finally:
            _awaited.pop()


def awaited() -> list[Any]:
    """What is to be computed with what is made now."""
    return [t for tensors, _ in _awaited for t in tensors]


def waiting(made: Tensor) -> Tensor:
    """A tensor as it is after what `control_dependencies` says."""
    for tensors, nodes in _awaited:
        inside = set(nodes)
        before = {t: t for node in topological([made]) if node not in inside for t in node.outputs}
        new = {node.inputs[1]: node.outputs[0] for node in control.assigned_in(tensors)}
        made = control.after(substitute(made, {**before, **new}), tensors) if tensors else made
    return made


def group(*inputs: Any, name: str | None = None) -> Group:
    """Updates and tensors as one operation for a session."""
    parts = [p for x in inputs for p in (x if isinstance(x, list) else [x])]
    return Group([p for x in [*parts, *awaited()] for p in (x.parts if isinstance(x, Group) else [x])])


# First values ----------------------------------------------------------------------------------------------------
def _initializer(kind: Any, names: Sequence[str], **defaults: Any) -> Callable[..., Any]:
    """A maker of one of Keras's initializers from TensorFlow's arguments in their order, with TensorFlow's defaults."""
    def make(*args: Any, dtype: Any = None, partition_info: Any = None, **kwargs: Any) -> Any:
        return kind(**{**defaults, **dict(zip(names, args)), **kwargs})
    return make


def _scaled(scale: float, mode: str) -> Callable[..., Any]:
    def make(seed: int | None = None, dtype: Any = None) -> Any:
        return variance_scaling(scale, mode, seed=seed)
    return make


def variance_scaling(scale: float = 1.0, mode: str = "fan_in", distribution: str = "truncated_normal",
                     seed: int | None = None, dtype: Any = None) -> Any:
    """Random numbers with a variance of scale / fan; those of 'truncated_normal' have it after they are cut off."""
    if distribution == "untruncated_normal":
        raise NotImplementedError("variance_scaling_initializer: 'untruncated_normal' is not available here")
    normal = distribution in ("normal", "truncated_normal")
    return initializers.VarianceScaling(scale / TRUNCATED ** 2 if normal else scale, mode,
                                        "normal" if normal else distribution, seed)


_INITIALIZERS: dict[str, Any] = {
    "zeros": _initializer(initializers.Zeros, ()), "ones": _initializer(initializers.Ones, ()),
    "constant": _initializer(initializers.Constant, ("value",)),
    "random_normal": _initializer(initializers.RandomNormal, ("mean", "stddev", "seed"), stddev=1.0),
    "truncated_normal": _initializer(initializers.TruncatedNormal, ("mean", "stddev", "seed"), stddev=1.0),
    "random_uniform": _initializer(initializers.RandomUniform, ("minval", "maxval", "seed"), minval=0.0, maxval=1.0),
    "orthogonal": _initializer(initializers.Orthogonal, ("gain", "seed")), "variance_scaling": variance_scaling,
    "glorot_uniform": _initializer(initializers.glorot_uniform, ("seed",)), "glorot_normal": _scaled(1.0, "fan_avg"),
    "he_uniform": _initializer(initializers.he_uniform, ("seed",)), "he_normal": _scaled(2.0, "fan_in"),
    "lecun_uniform": _initializer(initializers.lecun_uniform, ("seed",)), "lecun_normal": _scaled(1.0, "fan_in")}


# Derivatives -----------------------------------------------------------------------------------------------------
def derivatives(ys: Any, xs: Any, grad_ys: Any = None, name: str = "gradients", colocate_gradients_with_ops: Any = None,
                gate_gradients: Any = None, aggregation_method: Any = None, stop_gradients: Any = None,
                unconnected_gradients: Any = "none") -> list[Any]:
    """The derivatives of the sum of all ys by each x, None for one that they do not depend on; with `grad_ys` those of
    the sum of ys * grad_ys. Nothing flows through the tensors of `stop_gradients`."""
    if grad_ys is None and stop_gradients is None:
        return K.gradients(ys, xs)
    tensors, wanted, fixed = to_list(ys), to_list(xs), [] if stop_gradients is None else to_list(stop_gradients)
    seeds = [None] * len(tensors) if grad_ys is None else to_list(grad_ys)
    return [_added([gradients(y, [x], broadcasting.broadcast_like(as_tensor(1.0 if g is None else g, y.dtype), y),
                              fixed)[0] for y, g in zip(tensors, seeds)]) for x in wanted]


def _added(terms: list[Any]) -> Any:
    there = [t for t in terms if t is not None]
    return sum(there[1:], start=there[0]) if there else None


def global_norm(t_list: Any, name: str | None = None) -> Any:
    """The Euclidean norm of all elements of several tensors.

    >>> float(K.eval(global_norm([3., [4.]])))
    5.0
    """
    return K.sqrt(_added([K.sum(K.square(as_tensor(t))) for t in t_list if t is not None]))


def clip_by_global_norm(t_list: Any, clip_norm: Any, use_norm: Any = None, name: str | None = None) -> Any:
    """The tensors, scaled down so that their norm together is `clip_norm` at most, and the norm that it was."""
    norm = global_norm(t_list) if use_norm is None else as_tensor(use_norm)
    scale = clip_norm / K.maximum(norm, clip_norm)
    return [None if t is None else as_tensor(t) * scale for t in t_list], norm


def clip_by_norm(t: Any, clip_norm: Any, axes: Any = None, name: str | None = None) -> Any:
    """A tensor, scaled down where its norm over some axes is above `clip_norm`."""
    x = as_tensor(t)
    total = K.sum(K.square(x), axes, keepdims=True)
    there = K.greater(total, 0)
    norm = K.where(there, K.sqrt(K.where(there, total, K.ones_like(total))), total)
    return x * clip_norm / K.maximum(norm, clip_norm)


# Printing -------------------------------------------------------------------------------------------------------
def print_data(input_: Any, data: Any, message: str | None = None, first_n: int | None = None,
               summarize: int | None = None, name: str | None = None) -> Any:
    """The input; whenever it is computed, the message and the values of the tensors in `data` are printed."""
    return apply(control.Print(message or ""), as_tensor(input_), *map(as_tensor, data))


NAMES: dict[str, Any] = {
    "Variable": Variable, "get_variable": get_variable, "variable_scope": variable_scope, "AUTO_REUSE": AUTO_REUSE,
    "get_variable_scope": lambda: _scopes[-1], "Tensor": Tensor, "assign": assign, "assign_add": assign_add,
    "assign_sub": assign_sub,
    "moving_averages.assign_moving_average": assign_moving_average,
    "group": group, "no_op": lambda name=None: group(), "tuple": lambda tensors, name=None, control_inputs=None:
    list(tensors), "control_dependencies": control_dependencies, "gradients": derivatives,
    "global_norm": global_norm, "linalg.global_norm": global_norm, "clip_by_global_norm": clip_by_global_norm,
    "clip_by_norm": clip_by_norm, "Print": print_data,
    **{f"{name}_initializer": make for name, make in _INITIALIZERS.items()},
    **{f"initializers.{name}": make for name, make in _INITIALIZERS.items()}}
