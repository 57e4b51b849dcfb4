"""Elementwise fusion: what is merged, what must not be, and the CUDA text of every elementwise op."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import device
from gpukeras.compiler import Function, debugging, fuse
from gpukeras.compiler.bodies import run
from gpukeras.compiler.codegen import fused_body
from gpukeras.compiler.fuse import Fused, Member
from gpukeras.compiler.ir import Step, Value
from gpukeras.graph import Spec
from gpukeras.ops.elementwise import C_TYPES, TABLE, Cast, Elementwise
from tests.ops.rows_elementwise import ROWS
from tests.ops.table import lowered


def test_a_chain_is_one_step() -> None:
    x, b = K.placeholder((None, 5)), K.variable(np.ones(5))
    f = Function([x], [K.tanh((x + b) * 2) - K.square(x)])
    assert f.program([(3, 5)]).describe().startswith("fused_")
    assert len(f.program([(3, 5)]).plan.steps) == 1


def test_two_results_of_one_chain_leave_together() -> None:
    x = K.placeholder((None, 5))
    y = K.tanh(x)
    a = np.random.RandomState(0).randn(4, 5).astype("float32")
    f = Function([x], [y, y * 2 + x])
    assert len(f.program([(4, 5)]).plan.steps) == 1
    first, second = f([a])
    np.testing.assert_allclose(first, np.tanh(a), 1e-6)
    np.testing.assert_allclose(second, np.tanh(a) * 2 + a, 1e-6)


def test_no_step_waits_for_itself() -> None:
    """s and a read the same z, but a needs k, which needs h, which needs g, which needs b, which s reads: merging
    s with both a and b would close a circle."""
    x, y, z = (K.placeholder((5,)) for _ in range(3))
    h = K.tanh(x)
    a = z * K.sum(h)
    b = K.sin(y)
    h2 = h * K.sum(b)
    f = Function([x, y, z], [a, h2, b + z])
    at = np.random.RandomState(0).randn(3, 5).astype("float32")
    expected = [at[2] * np.tanh(at[0]).sum(), np.tanh(at[0]) * np.sin(at[1]).sum(), np.sin(at[1]) + at[2]]
    for got, want in zip(f(list(at)), expected):
        np.testing.assert_allclose(got, want, 1e-5)


@pytest.mark.parametrize("seed", range(80))
def test_dense_random_graphs_of_one_shape(seed: int) -> None:
    """Vectors of one length and numbers, so that nearly everything could be merged with everything."""
    rng = np.random.RandomState(seed)
    inputs = [K.placeholder((5,), dtype="float64") for _ in range(3)]
    vectors, numbers = list(inputs), [K.sum(inputs[0])]
    for _ in range(25):
        a, b = (vectors[i] for i in rng.randint(len(vectors), size=2))
        kind = rng.randint(5)
        if kind == 0:
            numbers.append(K.mean(a))
        else:
            s = numbers[rng.randint(len(numbers))]
            vectors.append([K.tanh(a * s), a + b, K.sin(a) * b, K.tanh(a - s)][kind - 1])
    outputs = [vectors[i] for i in rng.permutation(len(vectors))[:6]]
    f = Function(inputs, outputs)
    at = list(rng.randn(3, 5))
    with debugging(False):
        expected = f(at)
    for got, want in zip(f(at), expected):
        np.testing.assert_allclose(got, want, 1e-9, 1e-9)


def test_long_search_gives_up_safely(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuse, "LONGEST_SEARCH", 0)
    test_dense_random_graphs_of_one_shape(1)
    test_no_step_waits_for_itself()


def test_steps_of_different_shape_stay_apart() -> None:
    x = K.placeholder((4, 5))
    f = Function([x], [K.sum(K.exp(x), 1) * 2])
    assert [line.split("(")[0] for line in f.program([(4, 5)]).describe().splitlines()] == ["exp", "sum", "multiply"]


def test_batch_behaviour_of_a_fused_step() -> None:
    x, bias, offsets = K.placeholder((None, 5)), K.placeholder((5,)), K.placeholder((4, 5))
    a = [(4, 5), (5,), (4, 5)]
    for y, carries, role in (
        (K.tanh(x + bias) * 2, [True, False, False], "row-wise"),
        (K.tanh(x + offsets) * 2, [True, False], "mixing"),
        (K.tanh(x) + bias * K.sum(bias), [True, False, False], "row-wise"),
    ):
        step = Function([x, bias, offsets], [y]).program(a).plan.steps[-1]
        assert isinstance(step.op, Fused)
        assert step.op.batch(carries[: len(step.ins)], [v.spec for v in step.ins]) == role


def test_names_of_layers_survive() -> None:
    x = K.placeholder((4, 5))
    with K.origin("dense_1"):
        y = K.tanh(K.exp(x))
    assert "[layer 'dense_1']" in Function([x], [y]).program([(4, 5)]).describe()


# The CUDA text, run as C++ in a loop ---------------------------------------------------------------------------
PRELUDE = "#include <cmath>\n#include <cstdlib>\nusing namespace std;\n"


def single(op: Elementwise | Cast, ins: list[np.ndarray], out: str) -> Fused:
    return Fused([Member(op, tuple(range(len(ins))), out)], len(ins), [0])


@cache
def cases() -> list[tuple[str, Fused, list[np.ndarray], np.ndarray]]:
    """(name, fused step of one op, inputs, what NumPy makes of them), in float32 and in the row's integers."""
    found = []
    for number, row in enumerate(ROWS):
        values = [v.astype("float32") if v.dtype.kind == "f" else v for v in row.draw(number)]
        for step, _ in lowered(row, values):
            rng = np.random.RandomState(number)
            ins = (
                [
                    np.ascontiguousarray(np.broadcast_to(v, step.outs[0].shape)).reshape(-1)
                    for v in values[-len(step.ins) :]
                ]
                if len(values) >= len(step.ins)
                else [np.abs(rng.randn(18)).astype("float32") for _ in step.ins]
            )
            if any(a.dtype.kind == "f" for a in ins) and row.op not in ("Cast",):
                edges = np.array([0.0, -0.0, 1.0, -1.0, 30.0, -30.0], "float32")
                ins = [
                    np.concatenate(
                        [
                            a,
                            np.resize(edges if row.op not in ("mod", "floor_divide", "power") else a, 6).astype(
                                a.dtype
                            ),
                        ]
                    )
                    for a in ins
                ]
            out = (
                "bool"
                if TABLE.get(row.op) and TABLE[row.op].result
                else step.op.dtype
                if isinstance(step.op, Cast)
                else ins[-1].dtype.name
            )
            with np.errstate(all="ignore"):
                given = [device.asarray(a) for a in ins]
                values = [Value(Spec(a.shape, a.dtype.name)) for a in ins]
                sized = Step(step.op, values, [Spec(ins[0].shape, out)], None)
                expected = device.to_host(run(sized, given)[0])
            found.append((str(row), single(step.op, ins, out), ins, expected))
    return found


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    if shutil.which("g++") is None:
        pytest.skip("no g++ on this machine")
    text = [PRELUDE]
    for i, (_, fused, ins, expected) in enumerate(cases()):
        args = [f"const {C_TYPES[a.dtype.name]} *p{k}" for k, a in enumerate(ins)] + [
            f"{C_TYPES[expected.dtype.name]} *q",
            "long n",
        ]
        loads = " ".join(f"const {C_TYPES[a.dtype.name]} x{k} = p{k}[i];" for k, a in enumerate(ins))
        text.append(
            f'extern "C" void op{i}({", ".join(args)}) {{ for (long i = 0; i < n; ++i) {{ {loads}\n'
            f"{C_TYPES[expected.dtype.name]} y0;\n{fused_body(fused)}\nq[i] = y0; }} }}"
        )
    source = Path(tmp_path_factory.mktemp("codegen")) / "ops.cpp"
    source.write_text("\n".join(text))
    library = source.with_suffix(".so")
    subprocess.run(
        [
            "g++",
            "-std=c++17",
            "-O1",
            "-shared",
            "-fPIC",
            "-Wall",
            "-Werror",
            "-Wno-unused",
            str(source),
            "-o",
            str(library),
        ],
        check=True,
    )
    return ctypes.CDLL(str(library))


@pytest.mark.parametrize("i", range(len(cases())), ids=lambda i: cases()[i][0])
def test_cuda_expression_gives_the_numbers_of_the_body(compiled: ctypes.CDLL, i: int) -> None:
    _, fused, ins, expected = cases()[i]
    got = np.empty_like(expected)
    getattr(compiled, f"op{i}")(*(ctypes.c_void_p(a.ctypes.data) for a in [*ins, got]), ctypes.c_long(expected.size))
    if expected.dtype.kind == "f":
        np.testing.assert_allclose(got, expected, 2e-6, 1e-6)
    else:
        np.testing.assert_array_equal(got, expected)


def test_every_elementwise_op_has_a_case() -> None:
    covered = {m.op.name for _, fused, _, _ in cases() for m in fused.members}
    assert covered == {*TABLE, "cast"}
