"""The interpreter: op by op, with fresh memory and checks. Slow; it finds the op that went wrong, and it is the
oracle that the compiler is tested against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import device
from ..graph import Spec, Tensor, Variable, is_float
from .bodies import run
from .ir import Step, Value, describe, needed
from .late import cell_of, settled
from .lower import Lowering


class Interpreter:
    """Computes outputs and updates of a graph without optimisation.

    With `check_numbers`, the first NaN or infinity that an op makes of finite numbers raises FloatingPointError
    naming the op, its layer and the shapes.
    """

    def __init__(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor],
                 updates: Sequence[tuple[Variable, Tensor]], feeds: dict[Tensor, Spec],
                 check_numbers: bool = False):
        lowering = Lowering(feeds, optimize=False)
        self._inputs = list(inputs)
        self._outputs = [lowering.value(t) for t in outputs]
        self._updates = [(v, settled(lowering.value(t), f"the new value of {v.name}")) for v, t in updates]
        self._steps = needed([*self._outputs, *(v for _, v in self._updates)])
        self._check_numbers = check_numbers

    def run(self, values: Sequence[Any]) -> list[Any]:
        """The outputs, after which the updates are made."""
        fed = {p: device.new_array(x, p.dtype) for p, x in zip(self._inputs, values) if x is not None}
        arrays: dict[Value, Any] = {}

        def array(v: Value) -> Any:
            if v.const is not None:
                return device.asarray(v.const)
            if v.leaf is not None:
                return fed[v.leaf] if v.leaf in fed else v.leaf.array  # type: ignore[attr-defined]
            return None if v.shape_only else arrays[v]

        def result(v: Value) -> Any:
            cell = cell_of(v)
            return array(v) if cell is None else cell.array

        for step in self._steps:
            ins = [array(v) for v in step.ins]
            outs = run(step, ins)
            for v, a in zip(step.outs, outs):
                if a.shape != v.shape or a.dtype.name != v.dtype:
                    raise AssertionError(f"{describe(step)} made an array of shape {a.shape}, dtype {a.dtype}")
                arrays[v] = a
            if self._check_numbers:
                self._check(step, ins, outs)
        results = [np.array(device.to_host(result(v))) for v in self._outputs]
        new = [(variable, device.xp.array(array(v))) for variable, v in self._updates]
        for variable, value in new:
            variable.put(value)
        return results

    def _check(self, step: Step, ins: Sequence[Any], outs: Sequence[Any]) -> None:
        def finite(arrays: Sequence[Any]) -> bool:
            return all(bool(device.xp.isfinite(a).all()) for a in arrays if a is not None and is_float(a.dtype.name))
        if finite(ins) and not finite(outs):
            raise FloatingPointError(f"NaN or infinity first appears in {describe(step)}")
