"""The names of TensorFlow that programs for Keras use beside Keras: what works on tensors, by K; and switches of
devices, sessions and messages, which have nothing to switch here.

`named('nn.relu')` is the object called `tensorflow.nn.relu`. What has no equal here is not named, and so refused.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import SimpleNamespace
from typing import Any

from .. import activations
from .. import backend as K
from ..backend.session import GRAPH, REGISTERED, Graph, RegisterGradient
from ..device import NAME
from ..graph import naming
from ..graph.static_shape import AllDimensions, plain_shape
from ..ops import selection
from . import arrays, checkpoints, elements, functions, images, loops, losses, metrics, nets, summaries, variables
from .elements import elementwise
from .functions import alike, as_tensor


class Inert:
    """Something that programs configure and hand on, and that has no effect here: a session, its configuration."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        vars(self).update(kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = Inert()
        setattr(self, name, value)
        return value

    def __enter__(self) -> Inert:
        return self

    def __exit__(self, *exc_info: object) -> None:
        return None


def _matmul(a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False, name: str | None = None) -> Any:
    def turned(x: Any) -> Any:
        rank = K.ndim(x)
        return K.permute_dimensions(x, (*range(rank - 2), rank - 1, rank - 2))
    a, b = alike(a, b)
    return (turned(a) if transpose_a else a) @ (turned(b) if transpose_b else b)


def _sparse_matmul(sp_a: Any, b: Any, adjoint_a: bool = False, adjoint_b: bool = False, name: str | None = None) -> Any:
    """Inputs that are declared sparse are dense here."""
    return _matmul(sp_a, b, adjoint_a, adjoint_b)


def _dense(sp_input: Any, default_value: Any = None, validate_indices: bool = True, name: str | None = None) -> Any:
    if default_value:
        raise NotImplementedError(f"tf.sparse_tensor_to_dense: a default_value other than 0 is not available here, got "
                                  f"{default_value!r}")
    return as_tensor(sp_input)


def _transpose(a: Any, perm: Any = None, name: str | None = None) -> Any:
    return K.transpose(a) if perm is None else K.permute_dimensions(a, tuple(perm))


def _where(condition: Any, x: Any = None, y: Any = None, name: str | None = None) -> Any:
    if x is None and y is None:
        return selection.places(condition)
    if x is None or y is None:
        raise ValueError("tf.where: x and y must both be given, or none of them")
    return K.switch(condition, *alike(x, y))


def _unstack(value: Any, num: int | None = None, axis: int = 0, name: str | None = None) -> list[Any]:
    value = as_tensor(value)
    count = num or K.int_shape(value)[axis]
    if count is None:
        raise ValueError(f"tf.unstack: axis {axis} of shape {K.int_shape(value)} has no known length; give num")
    before = (slice(None),) * (axis % K.ndim(value))
    return [value[(*before, i)] for i in range(count)]


def _random(fn: Callable[..., Any], low: str, high: str) -> Callable[..., Any]:
    def draw(shape: Any, *args: Any, seed: int | None = None, name: str | None = None, dtype: Any = None,
             **kwargs: Any) -> Any:
        given = {"dtype": dtype, "seed": seed, **dict(zip((low, high, "dtype", "seed"), args)), **kwargs}
        return fn(shape, **{k: v for k, v in given.items() if v is not None})
    return draw


def _sigmoid_crossentropy(labels: Any = None, logits: Any = None, name: str | None = None) -> Any:
    y, z = alike(labels, logits)
    return K.binary_crossentropy(y, z, from_logits=True)


def _softmax_crossentropy(labels: Any = None, logits: Any = None, axis: int | None = None, name: str | None = None,
                          dim: int = -1) -> Any:
    y, z = alike(labels, logits)
    return K.categorical_crossentropy(y, z, True, dim if axis is None else axis)


def _first_softmax_crossentropy(labels: Any = None, logits: Any = None, dim: int = -1, name: str | None = None,
                                axis: int | None = None) -> Any:
    """The older one of the two, to which labels are constants."""
    return _softmax_crossentropy(K.stop_gradient(labels) if K.is_tensor(labels) else labels, logits, axis, dim=dim)


def _sparse_crossentropy(labels: Any = None, logits: Any = None, name: str | None = None) -> Any:
    return K.sparse_categorical_crossentropy(as_tensor(labels), logits, from_logits=True)


def _add_n(inputs: Any, name: str | None = None) -> Any:
    total = inputs[0]
    for more in inputs[1:]:
        total = total + more
    return total


def _seed(seed: int) -> None:
    from numpy.random import seed as seed_numpy

    seed_numpy(seed)


def _devices(kind: str | None = None) -> list[str]:
    """One name for the GPU in use, where there is one."""
    gpu = NAME == "cupy"
    return [f"/physical_device:{d}:0" for d in (("GPU",) if gpu else ()) + ("CPU",) if kind in (None, d)]


class OneReplica(Inert):
    """A strategy of distribution, of which there is one here: to compute on one device. Training on several is
    `mpiexec`'s."""

    num_replicas_in_sync = 1

    @contextmanager
    def scope(self) -> Iterator[OneReplica]:
        """Around the making of a model."""
        yield self


class Device:
    """What a program learns of a device."""

    def __init__(self, kind: str) -> None:
        self.name, self.device_type = f"/device:{kind}:0", kind
        self.physical_device_desc = ""


def _nothing(*args: Any, **kwargs: Any) -> None:
    """For switches of what is not here."""


def _called(function: Any) -> Any:
    """The function, whose result has the `name` that it is given."""
    code = getattr(function, "__code__", None)
    if code is None or "name" not in code.co_varnames[:code.co_argcount]:
        return function
    place = code.co_varnames.index("name")

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        made = function(*args, **kwargs)
        name = args[place] if len(args) > place else kwargs.get("name")
        if K.is_tensor(made) and made.producer is not None:
            made = variables.waiting(made)
        if name and K.is_tensor(made) and made.producer is not None and not any(made is a for a in args):
            naming.call(made, name)
        return made
    return call


def _table() -> dict[str, Any]:
    found: dict[str, Any] = {
        **elements.NAMES, **arrays.NAMES, **checkpoints.NAMES, **images.NAMES, **losses.NAMES,
        **loops.NAMES, **metrics.NAMES, **nets.NAMES, **summaries.NAMES, **variables.NAMES,
        "matmul": _matmul, "transpose": _transpose, "where": _where, "unstack": _unstack, "add_n": _add_n,
        **{name: _sparse_matmul for name in ("sparse_tensor_dense_matmul", "sparse.sparse_dense_matmul",
                                             "sparse.matmul")},
        "sparse_tensor_to_dense": _dense, "sparse.to_dense": _dense,
        "sparse_transpose": _transpose, "sparse.transpose": _transpose, "linalg.matmul": _matmul,
        "shape": lambda input, name=None, out_type="int32": K.cast(K.shape(input), out_type),
        "reshape": lambda tensor, shape, name=None: K.reshape(tensor, shape),
        "expand_dims": lambda input, axis=None, name=None, dim=-1: K.expand_dims(as_tensor(input),
                                                                                  dim if axis is None else axis),
        "concat": lambda values, axis, name="concat": K.concatenate(list(values), axis),
        "stack": lambda values, axis=0, name=None: K.stack(list(values), axis),
        "tile": lambda input, multiples, name=None: K.tile(input, multiples),
        "clip_by_value": lambda t, clip_value_min, clip_value_max, name=None: K.clip(t, clip_value_min,
                                                                                     clip_value_max),
        "stop_gradient": lambda input, name=None: K.stop_gradient(input),
        "identity": lambda input, name=None: K.identity(input),
        "random_normal": _random(K.random_normal, "mean", "stddev"),
        "random_uniform": _random(K.random_uniform, "minval", "maxval"),
        "truncated_normal": _random(K.truncated_normal, "mean", "stddev"),
        "nn.relu": lambda features, name=None: K.relu(features),
        "nn.leaky_relu": lambda features, alpha=0.2, name=None: K.relu(features, alpha=alpha),
        "nn.elu": lambda features, name=None: K.elu(features),
        "nn.softmax": lambda logits, axis=-1, name=None, dim=None: K.softmax(logits, axis if dim is None else dim),
        "nn.sigmoid_cross_entropy_with_logits": _sigmoid_crossentropy,
        "nn.weighted_cross_entropy_with_logits": functions.weighted_crossentropy,
        "nn.softmax_cross_entropy_with_logits": _first_softmax_crossentropy,
        "nn.softmax_cross_entropy_with_logits_v2": _softmax_crossentropy,
        "nn.sparse_softmax_cross_entropy_with_logits": _sparse_crossentropy,
        "size": lambda input, name=None, out_type=None: K.prod(K.shape(as_tensor(input))),
        "rank": lambda input, name=None: K.constant(K.ndim(as_tensor(input)), "int32"),
        "TensorShape": lambda dims: AllDimensions(plain_shape(dims)), "is_tensor": K.is_tensor, "pad": functions.pad,
        "split": functions.split, "norm": functions.norm, "linalg.norm": functions.norm, "cond": functions.cond,
        "reverse": lambda tensor, axis, name=None: K.reverse(tensor, axis), "tensordot": functions.tensordot,
        "depth_to_space": functions.depth_to_space,
        "nn.depth_to_space": functions.depth_to_space, "space_to_depth": functions.space_to_depth,
        "nn.space_to_depth": functions.space_to_depth,
        "nn.conv2d": functions.conv2d, "nn.max_pool": functions.pool("max"), "nn.max_pool2d": functions.pool("max"),
        "nn.avg_pool": functions.pool("avg"), "nn.avg_pool2d": functions.pool("avg"), "nn.dropout": functions.dropout,
        "nn.bias_add": lambda value, bias, name=None: K.bias_add(value, bias), "nn.moments": functions.moments,
        "nn.l2_loss": lambda t, name=None: K.sum(K.square(t)) / 2.0, "nn.selu": elementwise(activations.selu),
        "nn.relu6": lambda features, name=None: K.relu(features, max_value=6.0),
        "nn.swish": elementwise(activations.swish), "nn.silu": elementwise(activations.swish),
        "nn.gelu": lambda features, approximate=False, name=None:
        activations.gelu(features, approximate), "nn.log_softmax": lambda logits, axis=-1, name=None:
        logits - K.logsumexp(logits, axis, keepdims=True),
        "nn.embedding_lookup": lambda params, ids, name=None: K.gather(params, ids),
        "placeholder": lambda dtype=None, shape=None, name=None: K.placeholder(shape, dtype=dtype, name=name),
        "train.AdamOptimizer": functions.optimizer("Adam", {
            "learning_rate": "lr", "beta1": "beta_1", "beta2": "beta_2", "epsilon": "epsilon"}),
        "train.RMSPropOptimizer": functions.optimizer("RMSprop", {
            "learning_rate": "lr", "decay": "rho", "epsilon": "epsilon"},
            [("epsilon", 1e-10), ("epsilon_under_root", True)]),
        "train.GradientDescentOptimizer": functions.optimizer("SGD", {"learning_rate": "lr"}),
        "train.MomentumOptimizer": functions.optimizer("SGD", {
            "learning_rate": "lr", "momentum": "momentum", "use_nesterov": "nesterov"}),
        # switches
        "distribute.MirroredStrategy": OneReplica, "distribute.OneDeviceStrategy": OneReplica,
        "distribute.get_strategy": OneReplica, "distribute.Strategy": OneReplica,
        "RegisterGradient": RegisterGradient, "_gradient_registry": SimpleNamespace(_registry=REGISTERED),
        "set_random_seed": _seed, "random.set_seed": _seed, "random.set_random_seed": _seed,
        "Session": K.Session, "InteractiveSession": K.Session, "ConfigProto": Inert, "GPUOptions": Inert,
        "global_variables_initializer": _nothing, "initialize_all_variables": _nothing,
        "variables_initializer": lambda var_list, name="init": [v.initializer for v in var_list],
        "add_to_collection": _nothing,
        "is_variable_initialized": lambda variable: K.constant(True, "bool"), "executing_eagerly": lambda: False,
        "disable_eager_execution": _nothing, "disable_v2_behavior": _nothing, "enable_eager_execution": _nothing,
        "reset_default_graph": K.clear_session, "get_default_graph": lambda: GRAPH, "Graph": Graph, "device": Inert,
        "name_scope": lambda name, **kwargs: K.name_scope(name), "function": lambda func=None, **kwargs: func if
        func is not None else (lambda f: f),
        "test.is_gpu_available": lambda *args, **kwargs: bool(_devices("GPU")),
        "test.gpu_device_name": lambda: "/device:GPU:0" if _devices("GPU") else "",
        "test.is_built_with_cuda": lambda: bool(_devices("GPU")),
        "config.list_physical_devices": _devices, "config.experimental.list_physical_devices": _devices,
        "config.list_logical_devices": _devices, "config.experimental.list_logical_devices": _devices,
        "config.experimental.set_memory_growth": _nothing, "config.set_visible_devices": _nothing,
        "config.experimental.enable_tensor_float_32_execution": lambda enabled: K.set_matmul_precision(
            "tf32" if enabled else "float32"),
        "config.experimental.tensor_float_32_execution_enabled": lambda: K.matmul_precision() == "tf32",
        "config.run_functions_eagerly": _nothing,
        "config.experimental_run_functions_eagerly": _nothing,
        "config.threading.set_intra_op_parallelism_threads": _nothing,
        "config.threading.set_inter_op_parallelism_threads": _nothing,
        "device_lib.list_local_devices": lambda session_config=None:
        [Device("CPU"), *([Device("GPU")] if _devices("GPU") else [])],
        "logging.set_verbosity": _nothing, "logging.ERROR": 40, "logging.WARN": 30, "logging.INFO": 20,
        "logging.DEBUG": 10, "logging.FATAL": 50, "get_logger": lambda: logging.getLogger("tensorflow"),
        "autograph.set_verbosity": _nothing,
    }
    for name in ("softmax", "log_softmax"):
        found[f"math.{name}"] = found[f"nn.{name}"]
    for name in ("normal", "uniform"):
        found[f"random.{name}"] = found[f"random_{name}"]
    found["random.truncated_normal"] = found["truncated_normal"]
    return found


_TABLE = {name: _called(found) for name, found in _table().items()}
_PRIVATE = {
    **dict.fromkeys("array_ops check_ops clip_ops constant_op control_flow_ops data_flow_ops dtypes functional_ops "
                    "init_ops map_fn math_ops ops random_ops script_ops state_ops tensor_array_ops tensor_shape "
                    "variable_scope variables".split(), ""),
    **dict.fromkeys("ctc_ops embedding_ops nn nn_impl nn_ops".split(), "nn."), "device_lib": "device_lib.",
    "image_ops": "image.", "linalg_ops": "linalg.", "moving_averages": "moving_averages."}
"""TensorFlow's own modules (`tensorflow.python.ops.math_ops`), and where what is in them stands in the table."""


class Names:
    """A module of TensorFlow, as far as `_TABLE` has names in it."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def __getattr__(self, name: str) -> Any:
        found = named(self._prefix + name)
        if found is None or name.startswith("__"):
            raise AttributeError(refusal(self._prefix + name))
        return found


def named(name: str) -> Any:
    """What `tensorflow.<name>` is here, or None.

    >>> float(K.eval(named('reduce_sum')(K.constant([1., 2.]))))
    3.0
    """
    for old in ("compat.v1.", "compat.v2.", "contrib."):
        name = name.removeprefix(old)
    if name.startswith("python."):
        _, _, module, *rest = [*name.split(".", 3), ""][:4]
        if module not in _PRIVATE:
            return None
        return named(_PRIVATE[module] + rest[0]) if rest[0] else Names(_PRIVATE[module])
    if name in ("compat", "compat.v1", "compat.v2", "contrib"):
        return Names(f"{name}." if name in ("compat", "contrib") else "compat.v1.")
    if name in _TABLE:
        return _TABLE[name]
    return Names(name + ".") if any(known.startswith(name + ".") for known in _TABLE) else None


def refusal(name: str) -> str:
    """What is said of a name that is not here."""
    return (f"tensorflow.{name}: gpukeras stands for TensorFlow here: tensorflow.keras, and functions of tensors that "
            "keras.backend also has. Look there for what replaces this one.")


control_flow_ops = functional_ops = tensor_array_ops = tf_variables = Names("")
ctc, device_lib, moving_averages = Names("nn."), Names("device_lib."), Names("moving_averages.")
"""What Keras's backend has of TensorFlow's own modules."""
