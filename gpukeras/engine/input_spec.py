"""What a layer asks of its inputs, and the errors when they do not fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .. import backend as K
from .hints import source_hint
from .node import source_of, to_list

if TYPE_CHECKING:
    from .layer import Layer


class InputSpec:
    """What one input must be: dtype, rank (exact, least, most), whole shape, or the size of some axes.

    None, in a shape or for a field, means anything goes. `axes` maps an axis (may be negative) to its size.
    """

    def __init__(self, dtype: str | None = None, shape: Sequence[int | None] | None = None,
                 ndim: int | None = None,
                 max_ndim: int | None = None, min_ndim: int | None = None,
                 axes: Mapping[int, int | None] | None = None) -> None:
        self.dtype = dtype
        self.shape = shape
        self.ndim = ndim if shape is None else len(shape)
        self.max_ndim = max_ndim
        self.min_ndim = min_ndim
        self.axes = dict(axes or {})

    def __repr__(self) -> str:
        said = {k: v for k, v in vars(self).items() if v is not None and v != {}}
        return f"InputSpec({', '.join(f'{k}={v!r}' for k, v in said.items())})"

    def complaint(self, x: Any, shape: Sequence[int | None] | None = None) -> str | None:
        """What is wrong with tensor `x` (of another `shape` than it says), as "expected ..., found ...", or None."""
        shape, rank = K.int_shape(x) if shape is None else shape, K.ndim(x)
        if self.ndim is not None and rank != self.ndim:
            return f"expected ndim={self.ndim}, found ndim={rank}"
        if self.max_ndim is not None and rank > self.max_ndim:
            return f"expected max_ndim={self.max_ndim}, found ndim={rank}"
        if self.min_ndim is not None and rank < self.min_ndim:
            return f"expected min_ndim={self.min_ndim}, found ndim={rank}"
        if self.dtype is not None and K.dtype(x) != self.dtype:
            return f"expected dtype={self.dtype}, found dtype={K.dtype(x)}"
        for axis, size in self.axes.items():
            if not -rank <= int(axis) < rank:
                return f"expected an axis {axis}, found ndim={rank}"
            if size is not None and shape[int(axis)] not in (size, None):
                return f"expected axis {axis} of the input to have size {size}, found {shape[int(axis)]}"
        if self.shape is not None and any(a != b for a, b in zip(self.shape, shape) if None not in (a, b)):
            return f"expected shape={tuple(self.shape)}, found shape={shape}"
        return None


def check_inputs(layer: Layer, inputs: Any) -> None:
    """Raises ValueError naming `layer` unless `inputs` are tensors that fit its `input_spec`."""
    tensors = to_list(inputs)
    for x in tensors:
        if not K.is_tensor(x) and hasattr(x, "inbound_nodes"):
            raise ValueError(f"Layer '{layer.name}' was called with the layer '{x.name}', which isn't a symbolic tensor"
                             f". Call that layer too: {type(x).__name__}(...)(tensor).")
        if not K.is_tensor(x):
            raise ValueError(f"Layer '{layer.name}' was called with an input that isn't a symbolic tensor "
                             f"but a {type(x).__name__}: {_line(x)}. Layers take the result of Input() or of "
                             "another layer; to compute on arrays use model.predict, or wrap them: "
                             "K.constant(array).")
    if not layer.input_spec:
        return
    specs = layer.input_spec if isinstance(layer.input_spec, (list, tuple)) else [layer.input_spec]
    if len(specs) != len(tensors):
        came = ", ".join(f"{K.int_shape(x)}{source_of(x)}" for x in tensors)
        raise ValueError(f"Layer '{layer.name}' expects {len(specs)} inputs, but it received {len(tensors)}: "
                         f"{came}.")
    for i, (x, shape, spec) in enumerate(zip(tensors, layer._shapes_read(tensors), specs)):
        wrong = spec.complaint(x, shape) if spec is not None else None
        if wrong:
            raise ValueError(f"Input {i} is incompatible with layer '{layer.name}': {wrong} "
                             f"(input of shape {shape}{source_of(x)}).{_hint(x, spec)}")


def _hint(x: Any, spec: InputSpec) -> str:
    asked = spec.ndim or spec.min_ndim
    return source_hint(x, K.ndim(x), asked) if asked and asked != K.ndim(x) else ""


def _line(x: Any) -> str:
    text = " ".join(repr(x).split())
    return text if len(text) <= 80 else text[:80] + "..."
