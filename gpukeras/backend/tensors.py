"""Making tensors and variables, and reading and writing values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..device import as_host, new_array, own_value
from ..graph import OPERATORS, Placeholder, Tensor, Variable, apply, dtype_name, known_as
from ..graph import constant as graph_constant
from ..graph.static_shape import plain_shape
from ..ops import broadcasting, control, convert, philox, random
from ..ops import shape as shapes
from .settings import floatx, name_in_graph
from .updates import Update


def variable(value: Any, dtype: str | None = None, name: str | None = None, constraint: Any = None) -> Variable:
    """A variable with an initial value: a number, an array, a sparse matrix of SciPy, or a tensor, which is evaluated.

    >>> get_value(variable([[1, 2], [3, 4]])).dtype.name
    'float32'
    """
    sparse = hasattr(value, "toarray")
    if isinstance(value, Tensor):
        value = eval(value)
    elif sparse:
        value = value.toarray()
    v = Variable(value, dtype_name(dtype or floatx()), name_in_graph(name, "Variable"), constraint)
    v._keras_shape = v.shape
    v.is_listed = True
    v._is_sparse = sparse  # type: ignore[attr-defined]
    return v


def constant(value: Any, dtype: str | None = None, shape: Sequence[int] | None = None,
             name: str | None = None) -> Tensor:
    """A tensor that never changes. The last of its numbers fills what is left of `shape`, of which some sizes may be
    tensors if there is one number only.

    >>> eval(constant([1, 2], shape=(2, 2))).tolist()
    [[1.0, 2.0], [2.0, 2.0]]
    """
    dtype = dtype_name(dtype or floatx())
    if shape is not None and any(isinstance(n, Tensor) for n in shape):
        return _filled(value, dtype, list(shape))
    array = np.asarray(as_host(value), dtype)
    if shape is not None:
        missing = int(np.prod(shape)) - array.size
        if missing > 0 and array.size > 1:
            array = np.pad(array.reshape(-1), (0, missing), mode="edge")
        array = np.full(shape, array) if array.size == 1 else array.reshape(tuple(shape))
    t = graph_constant(array, array.dtype.name)
    t.name = name_in_graph(name, "Const")
    return t


def _filled(value: Any, dtype: str, shape: list[Any]) -> Tensor:
    """A number everywhere, in a shape that is known when the program runs."""
    axes = [1] * len(shape)
    whole = constant(value, dtype, [1 if isinstance(n, Tensor) else n for n in shape])
    for axis, size in enumerate(shape):
        if isinstance(size, Tensor):
            ends = (convert.as_tensor(n, "int32") for n in (0, size, 1))
            steps = shapes.reshape(apply(shapes.Range(), *ends), [*axes[:axis], -1, *axes[axis + 1:]])
            whole = whole + convert.cast(broadcasting.zeros_like(steps), dtype)
    return whole


def placeholder(shape: Sequence[int | None] | int | None = None, ndim: int | None = None, dtype: str | None = None,
                sparse: bool = False, name: str | None = None) -> Placeholder:
    """A tensor whose value is fed later. None stands for a dimension that may vary. With `sparse` it is to be fed with
    sparse matrices of SciPy, which any placeholder takes; the tensor is dense all the same.

    >>> placeholder((None, 3)).shape, placeholder(ndim=2).shape
    ((None, 3), (None, None))
    """
    if shape is None:
        if ndim is None:
            raise ValueError("placeholder needs a shape or ndim")
        shape = (None,) * ndim
    dims = plain_shape((shape,) if isinstance(shape, int) else shape)
    p = Placeholder(dims, dtype_name(dtype or floatx()), name_in_graph(name, "Placeholder"))
    p._keras_shape = dims
    p._is_sparse = sparse  # type: ignore[attr-defined]
    return p


def is_placeholder(x: Any) -> bool:
    """True for tensors made by `placeholder`."""
    return isinstance(x, Placeholder)


def is_tensor(x: Any) -> bool:
    """True for tensors of this backend."""
    return isinstance(x, Tensor)


def is_keras_tensor(x: Any) -> bool:
    """True for the output of a layer (or an Input); ValueError for what is no tensor at all."""
    if not isinstance(x, Tensor):
        raise ValueError(f"expected a symbolic tensor, got {type(x).__name__}: {x!r}")
    return hasattr(x, "_keras_history")


def is_sparse(tensor: Any) -> bool:
    """Whether `placeholder` or `variable` made the tensor for sparse matrices. Its values are dense here."""
    return getattr(tensor, "_is_sparse", False)


def to_dense(tensor: Any) -> Any:
    """The tensor itself, or for one that `is_sparse` another with the same values that isn't."""
    return control.identity(tensor) if is_sparse(tensor) else tensor


def shape(x: Any) -> Tensor:
    """The shape as an int32 vector, part of the graph.

    >>> eval(shape(constant([[1., 2., 3.]]))).tolist()
    [1, 3]
    """
    return shapes.shape_of(convert.as_tensor(x))


def int_shape(x: Any) -> tuple[int | None, ...]:
    """The shape as far as it is known, as a tuple of ints and None."""
    known = getattr(x, "_keras_shape", None)
    shape = x.shape if known is None else known
    return tuple.__getitem__(shape, slice(None)) if isinstance(shape, tuple) else tuple(shape)  # plain ints and None


def ndim(x: Any) -> int:
    """The number of axes."""
    return len(x.shape)


def dtype(x: Any) -> str:
    """The dtype's name."""
    return str(x.dtype)


def get_variable_shape(x: Variable) -> tuple[int | None, ...]:
    """The shape of a variable."""
    return int_shape(x)


def count_params(x: Any) -> int:
    """The number of elements of a variable."""
    return int(np.prod(x.shape))


def eval(x: Any) -> Any:
    """The value of a variable, or of a tensor that depends on no placeholder: an array, or a number of NumPy's if the
    shape is (). An update is carried out, and gives the variable's new value.

    >>> float(eval(constant(2.) * 3))
    6.0
    """
    if isinstance(x, Variable):
        return own_value(x.array)
    if isinstance(x, Update):
        return x.run()
    if not isinstance(x, Tensor):
        return np.asarray(x)
    if x.const is not None:
        return np.array(x.const)[()]
    from ..compiler import Function
    return Function([], [x], control.assignments([x]), name="eval")([])[0]


OPERATORS.update(evaluate=eval)


def get_value(x: Any, on_device: bool = False) -> Any:
    """A copy of a variable's value (NumPy's number, if it has no axes) on the host, or with `on_device` where it lies.
    """
    if on_device and isinstance(x, Variable):
        return new_array(x.array, x.dtype)
    return eval(x)


def batch_get_value(ops: Sequence[Any]) -> list[np.ndarray]:
    """The values of several variables."""
    return [get_value(x) for x in ops]


def set_value(x: Variable, value: Any) -> None:
    """Gives a variable a value; programs see it at their next step."""
    x.write(value)


def batch_set_value(tuples: Sequence[tuple[Variable, Any]]) -> None:
    """Gives several variables values: a list of (variable, value)."""
    for x, value in tuples:
        x.write(value)


def zeros(shape: Sequence[int], dtype: str | None = None, name: str | None = None) -> Any:
    """A variable full of zeros; a tensor, where sizes in `shape` are tensors."""
    if any(isinstance(n, Tensor) for n in shape):
        return constant(0.0, dtype, shape)
    return variable(np.zeros(tuple(shape)), dtype, name)


def ones(shape: Sequence[int], dtype: str | None = None, name: str | None = None) -> Any:
    """A variable full of ones; a tensor, where sizes in `shape` are tensors."""
    if any(isinstance(n, Tensor) for n in shape):
        return constant(1.0, dtype, shape)
    return variable(np.ones(tuple(shape)), dtype, name)


def eye(size: int | Sequence[int], dtype: str | None = None, name: str | None = None) -> Variable:
    """A variable holding the identity matrix, of so many rows, or rows and columns."""
    rows, columns = np.broadcast_to(size, 2)
    return variable(np.eye(int(rows), int(columns)), dtype, name)


def is_variable(x: Any) -> bool:
    """Whether it is a variable."""
    return isinstance(x, Variable)


@known_as("zeros_like")
def zeros_like(x: Any, dtype: str | None = None, name: str | None = None) -> Tensor:
    """Zeros of a tensor's shape."""
    return broadcasting.zeros_like(convert.as_tensor(x), dtype)


@known_as("ones_like")
def ones_like(x: Any, dtype: str | None = None, name: str | None = None) -> Tensor:
    """Ones of a tensor's shape."""
    return broadcasting.ones_like(convert.as_tensor(x), dtype)


def identity(x: Any, name: str | None = None) -> Tensor:
    """A new tensor with the same value."""
    return control.identity(convert.as_tensor(x))


def random_uniform_variable(shape: Sequence[int], low: float, high: float, dtype: str | None = None,
                            name: str | None = None, seed: int | None = None) -> Variable:
    """A variable drawn from [low, high) with `seed`, or with a seed drawn from NumPy's global state."""
    values = philox.uniform(int(np.prod(shape)), _variable_seed(seed))
    return variable((values * np.float32(high - low) + np.float32(low)).reshape(tuple(shape)), dtype, name)


def random_normal_variable(shape: Sequence[int], mean: float, scale: float, dtype: str | None = None,
                           name: str | None = None, seed: int | None = None) -> Variable:
    """A normal variable drawn with `seed`, or with a seed drawn from NumPy's global state."""
    values = philox.normal(int(np.prod(shape)), _variable_seed(seed))
    return variable((values * np.float32(scale) + np.float32(mean)).reshape(tuple(shape)), dtype, name)


def _variable_seed(seed: int | None) -> int:
    return int(np.random.randint(1_000_000_000)) if seed is None else int(seed)


@known_as("random_normal")
def random_normal(shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: str | None = None,
                  seed: int | None = None) -> Tensor:
    """Normal random numbers, new at each run. `shape` may hold tensors, such as `K.shape(x)[0]`."""
    return random.draw("normal", shape, dtype_name(dtype or floatx()), seed) * stddev + mean


@known_as("random_uniform")
def random_uniform(shape: Any, minval: float = 0.0, maxval: float = 1.0, dtype: str | None = None,
                   seed: int | None = None) -> Tensor:
    """Uniform random numbers in [minval, maxval), new at each run; whole ones if `dtype` is an integer's."""
    dtype = dtype_name(dtype or floatx())
    if dtype.startswith(("int", "uint")):
        if int(maxval) <= int(minval):
            raise ValueError(f"random_uniform: whole numbers need maxval > minval, got {minval} and {maxval}")
        share = random.draw("uniform", shape, "float64", seed)
        return convert.cast(share * (int(maxval) - int(minval)), dtype) + int(minval)
    return random.draw("uniform", shape, dtype, seed) * (maxval - minval) + minval


def random_binomial(shape: Any, p: float = 0.0, dtype: str | None = None, seed: int | None = None) -> Tensor:
    """1 with probability p, else 0; new at each run."""
    if isinstance(p, (int, float)) and 0 <= p <= 1:
        drawn = random.keep(shape, 1 - p, seed)  # a ninth of the time
    else:
        drawn = random.draw("uniform", shape, "float32", seed) < p
    return convert.cast(drawn, dtype_name(dtype or floatx()))


@known_as("truncated_normal")
def truncated_normal(shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: str | None = None,
                     seed: int | None = None) -> Tensor:
    """Normal random numbers within two standard deviations of the mean, new at each run."""
    return random.draw("truncated", shape, dtype_name(dtype or floatx()), seed) * stddev + mean
