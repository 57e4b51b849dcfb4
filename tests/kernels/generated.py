"""Kernels that the compiler generates for fused elementwise steps, as CUDA text of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gpukeras import layers, mixed_precision, models
from gpukeras.compiler.codegen import fused_body
from gpukeras.compiler.fuse import Fused, Member
from gpukeras.device import kernel_source
from gpukeras.graph import Spec
from gpukeras.ops.elementwise import C_TYPES, TABLE, Elementwise


def elementwise_text(fused: Fused, in_types: Sequence[str], out_types: Sequence[str]) -> str:
    """What CuPy's ElementwiseKernel makes of the statements of a fused step, with plain pointers for its array
    classes: kernel `fused` with the inputs, the step counters of random members, the outputs and the size."""
    states = len(fused.generators())
    ins, outs = ([C_TYPES[t] for t in types] for types in (in_types, out_types))
    parameters = [
        *(f"const {t}* in{i}" for i, t in enumerate(ins)),
        *(f"const long long* s{k}" for k in range(states)),
        *(f"{t}* out{i}" for i, t in enumerate(outs)),
        "Index n",
    ]
    elements = [f"const {t}& x{i} = in{i}[i];" for i, t in enumerate(ins)]
    elements += [f"{t}& y{i} = out{i}[i];" for i, t in enumerate(outs)]
    header = kernel_source("types.cuh") + "\n" + (kernel_source("philox.cuh") if states else "")
    return (
        f"{header}\ntypedef Half float16;\ntypedef BFloat bfloat16;\n"
        f"KERNEL fused({', '.join(parameters)}) {{\n    EACH(i, n) {{\n"
        + "\n".join([*elements, fused_body(fused, in_types)])
        + "\n    }\n}\n"
    )


TRUTHS = {"mask": 1, "where": 1, "logical_and": 2, "logical_or": 2, "logical_xor": 2, "logical_not": 1}


def every_op(dtype: str) -> tuple[Fused, list[str], list[str]]:
    """A step that holds each elementwise op once, and the types of inputs and outputs. The ops share two inputs of
    one type and, where they take truth values, two of bool."""
    members = []
    for name in TABLE:
        arity = sum(f"{{{k}}}" in TABLE[name].cuda for k in range(4))
        truths = TRUTHS.get(name, 0)
        args = (*range(2, 2 + truths), *range(arity - truths))
        result = Elementwise(name).infer(*[Spec((1,), "bool" if a >= 2 else dtype) for a in args])
        members.append(Member(Elementwise(name), args, result.dtype))
    return Fused(members, 4, range(len(members))), [dtype] * 2 + ["bool"] * 2, [m.dtype for m in members]


def training_fusions(policy: str | None = None) -> Iterator[tuple[Fused, list[str], list[str]]]:
    """The fused steps, types of inputs and outputs, in the training step of a network with many kinds of layers, made
    under a policy of dtypes."""
    mixed_precision.set_global_policy(policy)
    try:
        model = _network()
    finally:
        mixed_precision.set_global_policy(None)
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    x, y = np.zeros((6, 8, 8, 3), "float32"), np.eye(3, dtype="float32")[np.arange(6) % 3]
    model.train_on_batch(x, y)
    values = [x, y, None, np.array(True)]
    shapes = [None if v is None else v.shape for v in values]
    for step in model.train_function.program(shapes, values).plan.steps:
        if isinstance(step.op, Fused):
            yield step.op, [v.dtype for v in step.ins], [v.dtype for v in step.outs]


def _network() -> models.Sequential:
    return models.Sequential(
        [
            layers.Conv2D(4, 3, activation="elu", input_shape=(8, 8, 3)),
            layers.BatchNormalization(),
            layers.LeakyReLU(),
            layers.MaxPooling2D(),
            layers.Dropout(0.5),
            layers.Flatten(),
            layers.Dense(8, activation="tanh", kernel_regularizer="l2"),
            layers.GaussianNoise(0.1),
            layers.Dense(8, activation="softplus"),
            layers.Dense(3, activation="softmax"),
        ]
    )
