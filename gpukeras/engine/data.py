"""What users hand to fit, evaluate and predict, checked and brought into one form: lists of arrays."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import backend as K
from .. import device
from ..utils.messages import unknown_name, warn
from .sparse import SparseRows, is_sparse_matrix

Arrays = list[Any]


def standardize_data(data: Any, names: Sequence[str], shapes: Sequence[Any] | None = None,
                     check_batch_axis: bool = True, exception_prefix: str = "",
                     hint: Callable[[int, Any, Any], str] | None = None) -> Arrays:
    """The data as one array for each name, at least 2-D, with the expected shapes.

    Takes an array, a list (of arrays, or of numbers for a single name), a dict by name, a pandas DataFrame or
    Series, a sparse matrix of SciPy. Raises ValueError naming what was expected and what came, and ending with what
    `hint` says of the place in the list, the shape that came and the one expected.
    """
    what = f"Error when checking model {exception_prefix}" if exception_prefix else "Error when checking the data"
    if not names:
        if data is not None and hasattr(data, "__len__") and len(data):
            raise ValueError(f"{what}: expected no data, but got {brief(data)}")
        return []
    if data is None:
        return [None] * len(names)
    if len(names) == 1 and isinstance(data, (list, tuple)):
        data = _one_or_list(data, shapes[0] if shapes is not None else None)
    arrays = [_as_array(x, name, what) for x, name in zip(_by_name(data, names, what), names)]
    if shapes is not None:
        arrays = [_with_last_axis(x, shape, exception_prefix == "target") for x, shape in zip(arrays, shapes)]
        for i, (x, name, shape) in enumerate(zip(arrays, names, shapes)):
            wrong = _complaint(x, name, shape, check_batch_axis)
            if wrong:
                ending = hint(i, x.shape, shape) if hint else ""
                raise ValueError(f"Error when checking {exception_prefix or 'data'}: {wrong}{'.' if ending else ''}"
                                 f"{ending}")
    return arrays


def _with_last_axis(x: Any, shape: Any, is_target: bool) -> Any:
    """Targets for each step or pixel, labels say, that lack the last axis of length 1: with it, as in newer Keras. One
    number for each sample: as a vector, where one is expected."""
    if x is None or shape is None or isinstance(x, SparseRows):
        return x
    if len(shape) == 1 and len(x.shape) == 2 and x.shape[1] == 1:
        return x[:, 0]
    if not is_target or shape[-1] != 1 or len(x.shape) != len(shape) - 1:
        return x
    same = all(want in (None, have) for have, want in zip(x.shape[1:], shape[1:-1]))
    return x[..., None] if same else x


def _one_or_list(data: Any, shape: Any) -> Any:
    """What a list means to a model with one input (or output): one array in a list, or the rows of the array. Of
    nested lists it is what has the expected shape."""
    if len(data) != 1 or hasattr(data[0], "shape") or not isinstance(data[0], (list, tuple)):
        return data
    try:
        whole, inner = np.asarray(data), np.asarray(data[0])
    except ValueError:  # rows of different lengths: said with the name of the input later
        return data

    def fits(x: Any) -> bool:
        have = x.shape if x.ndim > 1 else (*x.shape, 1)
        return len(have) == len(shape) and all(b in (None, a) for a, b in zip(have[1:], shape[1:]))
    return [inner if shape is not None and fits(inner) and not fits(whole) else whole]


def _by_name(data: Any, names: Sequence[str], what: str) -> list[Any]:
    if isinstance(data, Mapping) and not hasattr(data, "values_list"):
        missing = [n for n in names if n not in data]
        if missing:
            raise ValueError(f'{what}: No data provided for "{missing[0]}". Need data for each key in: {list(names)}; '
                             f"got keys {list(data)}")
        return [data[n] for n in names]
    if isinstance(data, (list, tuple)):
        if len(data) == len(names) and (len(names) > 1 or hasattr(data[0], "shape") or np.ndim(data[0]) > 0):
            return list(data)
        if len(names) == 1 and data and not hasattr(data[0], "shape"):
            return [data]
        if data and hasattr(data[0], "shape"):
            came = ", ".join(str(getattr(x, "shape", type(x).__name__)) for x in data[:4])
            came += ", ..." if len(data) > 4 else ""
            raise ValueError(f"{what}: the list of Numpy arrays that you are passing to your model is not the size the "
                             f"model expected. Expected to see {len(names)} array(s) ({', '.join(names)}), but instead "
                             f"got a list of {len(data)} with shapes {came}. For many samples of one input, pass one "
                             "array: np.array(the_list)")
        raise ValueError(f"{what}: the model expects a list of {len(names)} arrays ({', '.join(names)}), but got a "
                         f"list of {len(data)}: {brief(data)}")
    if len(names) > 1:
        raise ValueError(f"{what}: The model expects {len(names)} arrays ({', '.join(names)}), but only received one "
                         f"array. Found: {brief(data)}")
    return [data]


def array_of_rows(x: Any) -> np.ndarray:
    """Nested lists as an array; ValueError where rows differ in length."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Creating an ndarray from ragged")  # what NumPy 1.23 said instead
        try:
            return np.asarray(x)
        except UserWarning as warning:
            raise ValueError(str(warning)) from None


def _as_array(x: Any, name: str, what: str) -> Any:
    if x is None:
        return None
    if type(x).__name__ in ("DataFrame", "Series"):
        x = x.values
    if K.is_tensor(x):
        if not x.is_known():
            raise ValueError(f"{what}: what is given for '{name}' is a tensor that has no values yet: {x!r}. Give an "
                             "array; or build the model on the tensor, by Input(tensor=...), and compile it with "
                             "target_tensors=")
        x = np.asarray(x)
    x = device.adopt(x)
    if is_sparse_matrix(x):
        x = SparseRows(x) if len(x.shape) == 2 else x.toarray()
    if not (hasattr(x, "shape") and hasattr(x, "dtype")):
        if isinstance(x, (str, bytes)) or not hasattr(x, "__len__"):
            raise TypeError(f"{what}: data for '{name}' should be a Numpy array, or list/dict of Numpy arrays. "
                            f"Found: {brief(x)}")
        try:
            x = array_of_rows(x)
        except ValueError:
            raise ValueError(f"{what}: the rows given for '{name}' differ in length, so they make no array. Pad "
                             "them: x = keras.preprocessing.sequence.pad_sequences(x)") from None
    kind = getattr(x.dtype, "kind", "f")
    if kind == "O":
        x = _from_objects(x, name, what)
    elif kind not in "biuf":
        raise ValueError(f"{what}: data for '{name}' must be numbers, but its dtype is {x.dtype} ({brief(x)}). "
                         + _numbers_hint(x, what))
    if len(x.shape) > 1:
        return x
    if not device.is_device_array(x):
        x = np.asarray(x)  # an HDF5 data set can't be given a new axis
    return x[:, None] if x.ndim == 1 else x[None, None]


def _from_objects(x: Any, name: str, what: str) -> np.ndarray:
    try:
        return np.array(x.tolist(), dtype="float64") if x.ndim == 1 else x.astype("float64")
    except (ValueError, TypeError):
        first = x.reshape(-1)[0]
        if not isinstance(first, (list, tuple, np.ndarray)):
            column = next((i for i in range(x.shape[-1]) for v in x[..., i].reshape(-1) if isinstance(v, str)), None)
            where = "" if x.ndim < 2 or column is None else f" in column {column}"
            raise ValueError(f"{what}: the array for '{name}' has dtype object, and its elements{where} are no numbers"
                             f": {brief(x)}. Encode text as numbers: {_encode(x, what)}") from None
        pictures = np.ndim(first) > 1
        raise ValueError(f"{what}: the array for '{name}' has dtype object (shape {x.shape}): it is made of "
                         f"{'arrays of different shapes' if pictures else 'rows of different lengths'}. "
                         + ("Bring pictures to one size: keras.preprocessing.image.load_img(path, target_size=(224, "
                            "224))" if pictures else
                            "Pad them: x = keras.preprocessing.sequence.pad_sequences(x)")) from None


def _numbers_hint(x: Any, what: str) -> str:
    """The line that turns an array of something else into numbers."""
    if x.dtype.kind not in "SU":
        return "Turn it into numbers first"
    try:
        x.reshape(-1)[:100].astype("float64")
    except ValueError:
        return f"Encode text as numbers: {_encode(x, what)}"
    return "Read the numbers out of the text: x.astype('float32')"


def _encode(x: Any, what: str) -> str:
    if what.endswith("target"):
        return "names, y = np.unique(y, return_inverse=True)"
    if len(x.shape) > 1:
        return "table = pandas.get_dummies(table) makes columns of 0 and 1"
    return "keras.preprocessing.text.Tokenizer, then pad_sequences"


def _complaint(x: Any, name: str, shape: Any, check_batch_axis: bool) -> str | None:
    """What is wrong with the shape of an array, or None."""
    if x is None or shape is None:
        return None
    if len(x.shape) != len(shape):
        return (f"expected {name} to have {len(shape)} dimensions, shape {tuple(shape)}, but got array with shape "
                f"{tuple(x.shape)}")
    for i, (have, want) in enumerate(zip(x.shape, shape)):
        if (i > 0 or check_batch_axis) and want is not None and have != want:
            return f"expected {name} to have shape {tuple(shape)} but got array with shape {tuple(x.shape)}"
    return None


def brief(x: Any) -> str:
    """A value on one line, cut short."""
    about = f"array of shape {tuple(x.shape)}, dtype {x.dtype}: " if hasattr(x, "shape") else ""
    text = about + " ".join(repr(x).split())
    return text if len(text) <= 120 else text[:120] + "..."


def check_all_given(xs: Sequence[Any], ys: Sequence[Any], inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Raises ValueError, naming them, if there is None among the arrays for inputs and outputs."""
    missing = [f"{what} '{name}'" for what, arrays, names in (("input", xs, inputs), ("output", ys, outputs))
               for x, name in zip(arrays, names) if x is None]
    if missing:
        hint = "; compile gives a loss to the outputs that are to have targets" if len(outputs) > 1 else ""
        raise ValueError(f"Data is missing: None was given for {', '.join(missing)}. The model needs inputs "
                         f"{list(inputs)} and targets {list(outputs)}{hint}")


def cut_to_first(inputs: list[Any]) -> list[Any]:
    """Inputs for a prediction, which Keras 2 makes for as many samples as the first one has, with a warning where
    another has more."""
    if not inputs or any(x is None for x in inputs):
        return inputs
    rows = inputs[0].shape[0]
    if all(x.shape[0] <= rows for x in inputs):
        return inputs
    warn(f"predict got {[x.shape[0] for x in inputs]} samples for its inputs: the first {rows} of each are used")
    return [x[:rows] for x in inputs]


def check_lengths(inputs: Sequence[Any], targets: Sequence[Any], weights: Sequence[Any] | None = ()) -> None:
    """Raises ValueError unless all arrays have the same number of samples. None counts 0 samples; among `weights` it
    means that all are 1."""
    lengths = []
    given = None if weights is None else [w for w in weights if w is not None]
    arrays: Sequence[Any] | None
    for what, arrays in (("input arrays (x)", inputs), ("target arrays (y)", targets), ("sample_weight arrays", given)):
        found = [0] if arrays is None else [0 if a is None else a.shape[0] for a in arrays]
        if len(set(found)) > 1:
            raise ValueError(f"All {what} should have the same number of samples. Got array shapes: "
                             f"{[None if a is None else a.shape for a in arrays or ()]}")
        lengths.append(found[0] if found else None)
    x, y, w = lengths
    if y is not None and x is not None and x != y:
        hint = (f"y has {y // x} rows for each of x: write to_categorical(y) once, or y.reshape(len(x), -1)"
                if x and y > x and y % x == 0 else
                f"Row i of y belongs to row i of x. To leave the rest out: x[:{min(x, y)}], y[:{min(x, y)}]")
        raise ValueError(f"Input arrays should have the same number of samples as target arrays. Found {x} input "
                         f"samples and {y} target samples. {hint}")
    if w is not None and y is not None and w != y:
        raise ValueError(f"Sample_weight arrays should have the same number of samples as target arrays. Got {y} "
                         f"target samples and {w} weights.")
    shapes = [a.shape for a in (*(inputs if x == 0 and inputs is not None else ()),
                                *(targets if y == 0 and targets is not None else ())) if a is not None]
    if shapes:
        raise ValueError(f"There is no data: the arrays have 0 samples. Got array shapes: {shapes}")


def check_batches(xs: Sequence[Any], shapes: Sequence[Any], names: Sequence[str], batch_size: int | None,
                  part: str = "") -> None:
    """Raises ValueError if batches would not have the size that an input's batch shape fixes."""
    for x, shape, name in zip(xs, shapes, names):
        fixed = None if shape is None else shape[0]
        if x is None or not batch_size or fixed is None:
            continue
        if min(batch_size, x.shape[0]) != fixed or x.shape[0] % fixed:
            raise ValueError(f"Input '{name}' has the batch shape {tuple(shape)}, so every batch must have {fixed} "
                             f"samples: give batch_size={fixed}, and a multiple of {fixed} samples. Found batch_size="
                             f"{batch_size} and {x.shape[0]} samples{part}")


def fed_part(value: Any, names: Sequence[str], fed: Sequence[str]) -> Any:
    """A list with an entry for every output, cut down to the outputs that take targets; anything else as it is.

    Entries of outputs without a loss are left out, None among them.
    """
    if not isinstance(value, (list, tuple)) or len(fed) == len(names) or len(value) != len(names):
        return value
    if not any(v is None for v in value) and not all(hasattr(v, "shape") for v in value):
        return value  # rows of one output, as lists
    return [v for v, name in zip(value, names) if name in fed]


def spread(value: Any, names: Sequence[str], what: str) -> list[Any]:
    """Something given once, as a list, or as a dict by output name, as a list with one entry for each output."""
    if value is None or (hasattr(value, "__len__") and len(value) == 0):
        return [None] * len(names)
    if len(names) == 1:
        if isinstance(value, list) and len(value) == 1:
            return value
        if isinstance(value, dict) and names[0] in value:
            return [value[names[0]]]
        return [value]
    if isinstance(value, list):
        if len(value) != len(names):
            raise ValueError(f"Provided `{what}` was a list of {len(value)} elements, but the model has {len(names)} "
                             f"outputs. You should provide one `{what}` array per model output.")
        return value
    if isinstance(value, dict):
        for key in value:
            if isinstance(key, str) and key not in names:
                warn(f"{unknown_name(f'output in {what}', key, names)} It is left out.")
        return [value.get(name) for name in names]
    raise TypeError(f"The model has several outputs, so `{what}` should be either a list or a dict by output name. "
                    f"Provided: {brief(value)}")


def standardize_weights(y: Any, sample_weight: Any = None, class_weight: Any = None,
                        sample_weight_mode: str | None = None) -> Any:
    """One weight for each sample (or time step, in 'temporal' mode); None if all are 1.

    `sample_weight` wins over `class_weight`, a dict from class to weight.
    """
    if sample_weight_mode not in (None, "temporal"):
        raise ValueError(f'sample_weight_mode should be None or "temporal", got {sample_weight_mode!r}')
    temporal = sample_weight_mode == "temporal"
    if temporal and len(y.shape) < 3:
        raise ValueError(f"sample_weight_mode='temporal' needs outputs with a time axis (at least 3 dimensions), but "
                         f"the targets have shape {y.shape}")
    if class_weight is not None and not isinstance(class_weight, dict):
        warn(f"class_weight must be a dict from class to weight, such as {{0: 1., 1: 5.}}; "
                      f"{brief(class_weight)} is left out.")
    if sample_weight is not None:
        sample_weight = device.adopt(sample_weight)
        if not device.is_device_array(sample_weight):
            sample_weight = np.asarray(sample_weight)
        want = 2 if temporal else 1
        if sample_weight.ndim != want:
            more = "" if temporal else "; weights for single time steps need compile(sample_weight_mode='temporal')"
            raise ValueError(f"Found a sample_weight array with shape {sample_weight.shape}; expected {want} "
                             f"dimension(s){more}")
        if tuple(y.shape[:want]) != sample_weight.shape:
            raise ValueError(f"Found a sample_weight array with shape {sample_weight.shape} for targets with shape "
                             f"{y.shape}: it needs one weight for each {'time step' if temporal else 'sample'}")
        return sample_weight
    if isinstance(class_weight, dict):
        return _class_weights(y, class_weight)
    return None


def whole_weights(y: Any, sample_weight: Any = None, class_weight: Any = None,
                  sample_weight_mode: str | None = None) -> Any:
    """A weight for each sample, or time step in the mode 'temporal': those given, or ones."""
    weights = standardize_weights(y, sample_weight, class_weight, sample_weight_mode)
    return np.ones(y.shape[:1 if sample_weight_mode is None else 2], K.floatx()) if weights is None else weights


def _class_weights(y: Any, class_weight: dict[Any, float]) -> np.ndarray:
    if len(y.shape) > 2:
        raise ValueError(f"class_weight needs one class for each sample, but the targets have shape {y.shape}; use "
                         "sample_weight instead")
    y = device.as_host(y)
    classes = y.argmax(axis=1) if y.shape[1] > 1 else np.reshape(y, y.shape[0])
    present, place = np.unique(classes, return_inverse=True)
    missing = [c for c in present.tolist() if c not in class_weight]
    if missing:
        raise ValueError(f"class_weight must contain all classes in the data. The classes {missing[:20]} exist in the "
                         f"data but not in class_weight, which has {list(class_weight)[:20]}.")
    return np.asarray([class_weight[c] for c in present.tolist()], dtype="float64")[place.reshape(-1)]


def warn_of_nan(arrays: Sequence[Any], names: Sequence[str]) -> bool:
    """Warns if float data holds NaN: a loss of it is NaN from the first step on. True if there was any."""
    found = False
    for x, name in zip(arrays, names):
        if not (isinstance(x, np.ndarray) or device.is_device_array(x)) or x.dtype.kind != "f":
            continue
        isnan = np.isnan if isinstance(x, np.ndarray) else device.xp.isnan
        with np.errstate(all="ignore"):
            suspicious = isnan(x.sum())  # one pass and no array; infinities may sum to NaN too
        if suspicious and isnan(x).any():
            found = True
            rows = int(isnan(x.reshape(len(x), -1)).any(axis=1).sum())
            warn(f"The data for '{name}' contains NaN in {rows} of {len(x)} samples: the loss will be NaN. Replace or "
                 "drop these rows, both of x and of y: np.nan_to_num(x), or keep = ~np.isnan(x).any(axis=1); x[keep].")
    return found


def make_batches(size: int, batch_size: int) -> list[tuple[int, int]]:
    """(start, stop) of each batch; the last may be smaller.

    >>> make_batches(5, 2)
    [(0, 2), (2, 4), (4, 5)]
    """
    return [(start, min(size, start + batch_size)) for start in range(0, size, batch_size)]


def shuffle_batches(index: np.ndarray, batch_size: int) -> np.ndarray:
    """Whole batches in random order, rows in order within each; a smaller last batch stays last."""
    full = len(index) // batch_size * batch_size
    head = index[:full].reshape(-1, batch_size)
    np.random.shuffle(head)
    return np.append(head.reshape(-1), index[full:])
