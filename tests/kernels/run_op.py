"""Runs the two bodies of an op on NumPy arrays: the CUDA one through the harness (on a GPU: for real), and NumPy's.

    got, = run_kernel_body(Pool2D("max", ...), x)
    want, = run_numpy_body(Pool2D("max", ...), x)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gpukeras import device
from gpukeras.device.launch import Launch
from gpukeras.graph import Op, Spec
from tests.kernels.on_cpu import library, source_of


def run_kernel_body(op: Op, *inputs: Any, both: bool = True, in_place: int | None = None) -> list[np.ndarray]:
    """The outputs of `op.launches`; outputs and workspace hold garbage (NaN) before. None as an input stands for one of
    which only the shape is read: give its Spec. Strided inputs stay as they are where `op.packed` allows it.

    `in_place=i` gives input i's memory to the first output, as the compiler may where `op.in_place` names i. The
    inputs' other arrays must be left as they were, which is checked. `both` is that of on_cpu.cpu_kernel.
    """
    specs = [_spec(a) for a in inputs]
    assert op.takes_kernel(specs), f"{op} has no CUDA body for {specs}"
    packed = range(len(inputs)) if op.packed is None else op.packed
    arrays = [
        None if isinstance(a, Spec) or i in op.shape_only else np.array(a, order="C") if i in packed else a
        for i, a in enumerate(inputs)
    ]
    return _run(op, op.launches, op.workspace, specs, arrays, in_place, both)


def run_numpy_body(op: Op, *inputs: Any) -> list[np.ndarray]:
    """The outputs of `op.calls`."""
    specs = [_spec(a) for a in inputs]
    arrays = [None if isinstance(a, Spec) or i in op.shape_only else np.array(a) for i, a in enumerate(inputs)]
    return _run(op, op.calls, op.scratch, specs, arrays, None, False)


def _run(
    op: Op,
    body: Callable[..., Any],
    rooms: Callable[..., list[Spec]],
    specs: Sequence[Spec],
    arrays: Sequence[Any],
    in_place: int | None,
    both: bool,
) -> list[np.ndarray]:
    inferred = op.infer(*specs)
    out_specs = [inferred] if isinstance(inferred, Spec) else list(inferred)
    ins = [None if a is None else _place(a) for a in arrays]
    outs = [_garbage(s) for s in out_specs]
    if in_place is not None:
        assert in_place in op.in_place, f"{op} may not overwrite input {in_place}"
        outs[0] = ins[in_place].reshape(out_specs[0].shape)
    room = [_garbage(s) for s in rooms(specs, out_specs)]
    for function, arguments in body(ins, outs, room):
        run_call(function, arguments, both)
    for i, (a, was) in enumerate(zip(ins, arrays)):
        if a is not None and i != in_place:
            assert device.to_host(a).tobytes() == was.tobytes(), f"{op} changed input {i}"
    return [np.array(device.to_host(a)) for a in outs]


def run_call(function: Any, arguments: Sequence[Any], both: bool = True) -> None:
    """Makes one call of a body: launches go to the harness where arrays are NumPy's. A kernel that complains raises
    IndexError, as at the end of a program."""
    if isinstance(function, Launch):
        if device.NAME == "numpy":
            run_launch(function, both)
        else:
            function()
        for complaint in function.complaints:
            complaint.check()
    else:
        function(*arguments)


def run_launch(launch: Launch, both: bool = True) -> None:
    """A bound launch on the CPU."""
    defines = dict(define.split("=", 1) for define in launch.defines)
    kernels = library(source_of(launch.family), **defines)
    kernels.launch(launch.name, launch.grid, launch.block, launch.arguments, launch.shared, both)


def _spec(a: Any) -> Spec:
    return a if isinstance(a, Spec) else Spec(a.shape, a.dtype.name)


def _place(a: np.ndarray) -> Any:
    """A device array (NumPy's, without a GPU) with the values and strides of `a`; in its gaps lies garbage."""
    if a.size == 0:
        return device.asarray(a.copy())
    steps = [(n - 1) * stride for n, stride in zip(a.shape, a.strides)]
    before, after = -sum(s for s in steps if s < 0) // a.itemsize, sum(s for s in steps if s > 0) // a.itemsize
    raw = np.full((before + after + 1) * a.itemsize, 0xFF, np.uint8).view(a.dtype)
    np.lib.stride_tricks.as_strided(raw[before:], a.shape, a.strides)[...] = a
    return device.xp.lib.stride_tricks.as_strided(device.asarray(raw)[before:], a.shape, a.strides)


def _garbage(spec: Spec) -> Any:
    a = np.empty(spec.shape, spec.dtype)
    a.reshape(-1).view(np.uint8).fill(0xFF)
    return device.asarray(a)
