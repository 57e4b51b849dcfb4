"""The symbolic graph: tensors, ops, derivatives. No computation happens on this floor."""

from ..device import HALVES
from .composed import ComposedOp, differentiate
from .frozen import frozen
from .gradients import gradients, topological
from .naming import forget, known_as, name_of, named, scope
from .op import MIX, REDUCE, ROW, Call, ExpandedOp, Flow, Op, ViewOp
from .spec import Shape, Spec, broadcast_shapes, canonical_axes, dtype_name, is_float, merge_dtypes, size_of
from .tensor import (
    OPERATORS,
    Apply,
    Placeholder,
    Tensor,
    Variable,
    apply,
    as_read,
    constant,
    made_inside,
    origin,
    ruled,
    weights_read_as,
)

__all__ = [
    "HALVES", "MIX", "OPERATORS", "REDUCE", "ROW", "Apply", "Call", "ComposedOp", "ExpandedOp", "Flow", "Op",
    "Placeholder", "Shape", "Spec", "Tensor", "Variable", "ViewOp", "apply", "as_read", "broadcast_shapes",
    "canonical_axes", "constant", "differentiate", "dtype_name", "forget", "frozen", "gradients", "is_float",
    "known_as", "made_inside", "merge_dtypes", "name_of", "named", "origin", "ruled", "scope", "size_of", "topological",
    "weights_read_as",
]
