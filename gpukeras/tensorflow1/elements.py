"""TensorFlow's functions of single elements, its reductions, dtypes and simple tensors."""

from __future__ import annotations

from collections.abc import Callable
from math import log, pi
from typing import Any

from .. import backend as K
from ..graph import apply, dtype_name
from ..graph.spec import dtype_named
from ..ops import broadcasting
from ..ops import elementwise as e
from ..ops.reduce import Scan
from .functions import as_tensor, lengths, sizes


def reduction(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A reduction in TensorFlow's words."""
    def reduce(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None,
               keep_dims: bool = False, reduction_indices: Any = None) -> Any:
        return fn(as_tensor(input_tensor), axis=reduction_indices if axis is None else axis,
                  keepdims=keepdims or keep_dims)
    return reduce


def elementwise(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A function of one or two tensors; a number beside a tensor takes its dtype."""
    def apply(*args: Any, name: str | None = None, **kwargs: Any) -> Any:
        given = [*args, *kwargs.values()]
        beside = any(K.is_tensor(a) for a in given)
        return fn(*(a if beside and not isinstance(a, (list, tuple)) else as_tensor(a) for a in given))
    return apply


def constant(value: Any, dtype: Any = None, shape: Any = None, name: str | None = None) -> Any:
    """A tensor that never changes: of whole numbers int32, of others floats, unless `dtype` says another."""
    return K.constant(value, dtype=dtype or as_tensor(value).dtype, shape=shape)


def convert_to_tensor(value: Any, dtype: Any = None, name: str | None = None, preferred_dtype: Any = None,
                      dtype_hint: Any = None) -> Any:
    """Tensors as they are, all else as a constant."""
    return as_tensor(value, None if dtype is None else dtype_name(dtype))


def cast(x: Any, dtype: Any, name: str | None = None) -> Any:
    """The tensor in another dtype."""
    return K.cast(as_tensor(x), dtype)


def one_hot(indices: Any, depth: Any, on_value: Any = None, off_value: Any = None, axis: Any = None, dtype: Any = None,
            name: str | None = None) -> Any:
    """`on_value` at the index and `off_value` elsewhere, along a new axis.

    >>> K.eval(one_hot([1, 0], 2, axis=0)).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    hot = K.one_hot(K.cast(as_tensor(indices), "int32"), int(depth))
    on, off = 1.0 if on_value is None else on_value, 0.0 if off_value is None else off_value
    if (on, off) != (1.0, 0.0):
        hot = hot * (on - off) + off
    if axis not in (None, -1, K.ndim(hot) - 1):
        order = list(range(K.ndim(hot) - 1))
        order.insert(axis, K.ndim(hot) - 1)
        hot = K.permute_dimensions(hot, order)
    return K.cast(hot, dtype or dtype_of(on_value)) if dtype or on_value is not None else hot


def dtype_of(value: Any) -> str:
    """The dtype of a value as a tensor."""
    return str(as_tensor(value).dtype)


def running(kind: str) -> Callable[..., Any]:
    """`tf.cumsum` ('sum') or `tf.cumprod` ('prod')."""
    def accumulated(x: Any, axis: int = 0, exclusive: bool = False, reverse: bool = False,
                    name: str | None = None) -> Any:
        t = as_tensor(x)
        t = K.reverse(t, axis) if reverse else t
        found = apply(Scan(kind, axis % K.ndim(t), exclusive), t)
        return K.reverse(found, axis) if reverse else found
    return accumulated


def extreme(fn: Callable[..., Any]) -> Callable[..., Any]:
    """`tf.argmax` or `tf.argmin`."""
    def place(input: Any, axis: Any = None, name: str | None = None, dimension: Any = None,
              output_type: Any = "int64") -> Any:
        return K.cast(fn(as_tensor(input), dimension if axis is None else axis), output_type or "int64")
    return place


def roll(input: Any, shift: Any, axis: Any, name: str | None = None) -> Any:
    """Elements moved along axes; what leaves at one end comes in at the other.

    >>> K.eval(roll([1., 2., 3.], 1, 0)).tolist()
    [3.0, 1.0, 2.0]
    """
    x = as_tensor(input)
    pairs = zip(shift, axis) if isinstance(axis, (list, tuple)) else [(shift, axis)]
    for by, a in pairs:
        length, before = sizes(x)[a % K.ndim(x)], (slice(None),) * (a % K.ndim(x))
        cut = -by % length
        x = K.concatenate([x[(*before, slice(cut, None))], x[(*before, slice(None, cut))]], a)
    return x


def count_nonzero(input_tensor: Any = None, axis: Any = None, keepdims: bool = False, dtype: Any = "int64",
                  name: str | None = None, keep_dims: bool = False) -> Any:
    """How many elements are not 0."""
    there = K.cast(K.not_equal(as_tensor(input_tensor), 0), dtype)
    return K.sum(there, axis, keepdims or keep_dims)


def _divide(a: Any, b: Any) -> Any:
    """As Python 2 divides: whole numbers to the whole number below."""
    whole = all(dtype_of(v).startswith(("int", "uint")) for v in (a, b))
    return a // b if whole else a / b


def _divide_no_nan(a: Any, b: Any) -> Any:
    """a / b, and 0 where b is 0."""
    none = K.equal(b, 0)
    return K.where(none, 0.0, a / K.where(none, 1.0, b))


def lgamma(x: Any) -> Any:
    """The logarithm of the absolute value of the gamma function, by Stirling's series from 5 on, to which smaller
    numbers are brought by the recurrence, and those below 1/2 by the reflection.

    >>> round(float(K.eval(lgamma(K.constant(5.)))), 3)
    3.178
    """
    low = K.less(x, 0.5)
    y = K.where(low, 1.0 - x, x)
    small = K.less(y, 5.0)
    steps = K.where(small, y * (y + 1.0) * (y + 2.0) * (y + 3.0) * (y + 4.0), 1.0)
    y = K.where(small, y + 5.0, y)
    part = 1.0 / (y * y)
    series = (1 / 12 - part * (1 / 360 - part * (1 / 1260 - part / 1680))) / y
    above = (y - 0.5) * K.log(y) - y + 0.5 * log(2 * pi) + series - K.log(steps)
    angle = pi * K.where(low, x - K.stop_gradient(K.round(x)), 0.5)
    return K.where(low, log(pi) - K.log(K.abs(K.sin(angle))) - above, above)


def digamma(x: Any) -> Any:
    """The derivative of `lgamma`.

    >>> round(float(K.eval(digamma(K.constant(1.)))), 4)
    -0.5772
    """
    return K.gradients(lgamma(x), [x])[0]


def _is_finite(x: Any) -> Any:
    return e.logical_not(e.logical_or(e.is_nan(x), e.is_inf(x)))


DTYPES = {name: dtype_named(name) for name in (
    "bfloat16", "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32",
    "uint64", "bool")}
DTYPES |= {"half": DTYPES["float16"], "double": DTYPES["float64"]}
ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b, "subtract": lambda a, b: a - b, "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b, "truediv": lambda a, b: a / b, "realdiv": lambda a, b: a / b, "div": _divide,
    "floordiv": lambda a, b: a // b, "floor_div": lambda a, b: a // b, "mod": lambda a, b: a % b,
    "floormod": lambda a, b: a % b, "div_no_nan": _divide_no_nan, "divide_no_nan": _divide_no_nan,
    "scalar_mul": lambda a, b: a * b, "negative": lambda a: -a, "reciprocal": lambda a: 1.0 / a,
    "logical_and": K.logical_and, "logical_or": K.logical_or, "logical_not": K.logical_not,
    "logical_xor": e.logical_xor, "square": K.square, "sqrt": e.sqrt, "rsqrt": lambda a: 1.0 / e.sqrt(a),
    "abs": K.abs, "sign": K.sign, "round": K.round, "floor": K.floor, "ceil": K.ceil, "rint": e.rint, "exp": K.exp,
    "expm1": K.expm1, "log": K.log, "log1p": K.log1p, "pow": lambda a, b: a ** b, "sin": K.sin, "cos": K.cos,
    "tan": K.tan, "asin": e.arcsin, "acos": e.arccos, "atan": e.arctan, "atan2": e.arctan2, "sinh": K.sinh,
    "cosh": K.cosh, "tanh": K.tanh, "atanh": lambda a: (K.log1p(a) - K.log1p(-a)) * 0.5, "erf": K.erf,
    "erfc": lambda a: 1.0 - K.erf(a), "maximum": K.maximum, "minimum": K.minimum, "equal": K.equal,
    "not_equal": K.not_equal, "greater": K.greater, "greater_equal": K.greater_equal, "less": K.less,
    "less_equal": K.less_equal, "sigmoid": K.sigmoid, "log_sigmoid": lambda a: -K.softplus(-a),
    "softplus": K.softplus, "softsign": K.softsign, "squared_difference": lambda a, b: K.square(a - b),
    "is_nan": K.is_nan, "is_inf": K.is_inf, "is_finite": _is_finite, "lgamma": lgamma, "digamma": digamma}
NAMES: dict[str, Any] = {
    **DTYPES, **{f"dtypes.{name}": d for name, d in DTYPES.items()}, "as_dtype": lambda t: dtype_named(dtype_name(t)),
    "cast": cast, "dtypes.cast": cast, "constant": constant, "convert_to_tensor": convert_to_tensor,
    "one_hot": one_hot, "roll": roll, "manip.roll": roll,
    "zeros": lambda shape, dtype=None, name=None: K.constant(0.0, dtype, lengths(shape)),
    "ones": lambda shape, dtype=None, name=None: K.constant(1.0, dtype, lengths(shape)),
    "zeros_like": lambda tensor=None, dtype=None, name=None, optimize=True, input=None: K.zeros_like(
        as_tensor(tensor if tensor is not None else input), dtype),
    "ones_like": lambda tensor=None, dtype=None, name=None, optimize=True, input=None: K.ones_like(
        as_tensor(tensor if tensor is not None else input), dtype),
    "range": lambda start, limit=None, delta=1, dtype="int32", name=None: K.arange(start, limit, delta, dtype),
    "broadcast_to": lambda input, shape, name=None: broadcasting.broadcast_to(as_tensor(input), shape),
    "to_float": lambda x, name=None: cast(x, "float32"), "to_double": lambda x, name=None: cast(x, "float64"),
    "to_int32": lambda x, name=None: cast(x, "int32"), "to_int64": lambda x, name=None: cast(x, "int64"),
    **{f"nn.{name}": elementwise(ELEMENTWISE[name]) for name in ("log_sigmoid", "sigmoid", "softplus", "softsign",
                                                                 "tanh")}}
for _name, _fn in (
        *((name, elementwise(fn)) for name, fn in ELEMENTWISE.items()),
        *((f"reduce_{name}", reduction(getattr(K, name)))
          for name in ("sum", "mean", "max", "min", "prod", "any", "all", "logsumexp")),
        ("reduce_std", reduction(K.std)), ("reduce_variance", reduction(K.var)), ("count_nonzero", count_nonzero),
        ("cumsum", running("sum")), ("cumprod", running("prod")), ("argmax", extreme(K.argmax)),
        ("argmin", extreme(K.argmin))):
    NAMES[f"math.{_name}"] = _fn
    if _name not in ("reduce_std", "reduce_variance"):
        NAMES[_name] = _fn
NAMES |= {"mul": NAMES["multiply"], "sub": NAMES["subtract"], "neg": NAMES["negative"], "arg_max": NAMES["argmax"],
          "arg_min": NAMES["argmin"], **{f"debugging.{name}": NAMES[name] for name in ("is_nan", "is_inf",
                                                                                       "is_finite")}}
