"""Compiled chains of elementwise steps against the NumPy bodies, and what is done where they can't be compiled."""

from __future__ import annotations

import os
import stat
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpukeras import backend as K
from gpukeras import device
from gpukeras.compiler import native
from gpukeras.compiler.fuse import Fused, Member
from gpukeras.device import tasks
from gpukeras.device.native import compile_together, compiler, load
from gpukeras.graph import Spec
from gpukeras.ops.elementwise import Cast, Elementwise
from tests.device.machine import ROOT, output
from tests.kernels.run_tasks import compiled, run_by, run_numpy, run_tasks

pytestmark = pytest.mark.skipif(device.NAME != "numpy", reason="compiled for the CPU")
SPECIAL = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-40, -1e-40, 1e-45, 88.7, 88.8, -87.4, -103.0, -104.5, 3e38,
           -3e38, 1e-30, 0.5, 0.625, -0.999999, 4e-4]
ROUGH = {"sigmoid_crossentropy", "sigmoid_gradient", "softplus"}  # sums of what nearly cancels


def samples(dtype, seed):
    rng = np.random.RandomState(seed)
    if dtype == "bool":
        return rng.rand(4000) < 0.5
    if dtype.startswith("int"):
        return rng.randint(-50, 50, 4000).astype(dtype)
    found = np.concatenate([SPECIAL, rng.randn(2978) * 3, np.exp(rng.randn(1000) * 15)]).astype(dtype)
    return found if seed == 0 else rng.permutation(found)


def units_apart(a, b):
    """The distance in units in the last place."""
    as_whole = [x.view("int32").astype("int64") for x in (a, b)]
    ordered = [np.where(x < 0, -(x & 0x7FFFFFFF), x) for x in as_whole]
    return np.where(np.isnan(a) & np.isnan(b), 0, np.abs(ordered[0] - ordered[1]))


@compiled
@pytest.mark.parametrize("key", native.bodies(), ids=lambda key: f"{key[0]}-{'-'.join(key[1])}")
def test_every_function_against_numpy(key):
    name, takes = key
    makes = native.bodies()[key].makes
    op = Cast(makes) if name.startswith("cast_to") else Elementwise(name)
    ins = [samples(dtype, i) for i, dtype in enumerate(takes)]
    if name.startswith("cast_to") and makes.startswith("int") and takes[0].startswith("float"):
        ins = [np.random.RandomState(0).uniform(-1000, 1000, 4000).astype(takes[0])]  # others have no meaning
    if name == "mask":
        ins[1] = np.nan_to_num(ins[1])  # NumPy's product with 0 keeps NaN and infinity
    (got,) = run_tasks(Fused([Member(op, tuple(range(len(ins))), makes)], len(ins), [0]), *ins)
    (want,) = run_numpy(op, *ins)
    if makes == "float32" and name not in ROUGH:
        np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
        assert units_apart(got, want).max() <= 4
    elif makes.startswith("float"):
        finite = np.isfinite(want) & np.isfinite(got)
        assert finite.mean() > 0.2
        np.testing.assert_allclose(got[finite], want[finite], 1e-5, 1e-6)
    else:
        np.testing.assert_array_equal(got, want)


def laid_out(shape, draw):
    """An array that broadcasts to `shape`: full, a number, a row, a column or in between; with or without gaps."""
    way = draw(st.sampled_from(("full", "number", "row", "flat row", "column", "some", "gaps", "turned", "backwards")))
    cut = draw(st.integers(0, len(shape)))
    small = {"number": (1,) * len(shape), "row": (1,) * cut + shape[cut:], "flat row": shape[cut:],
             "column": shape[:cut] + (1,) * (len(shape) - cut),
             "some": tuple(draw(st.sampled_from((1, n))) for n in shape)}.get(way, shape)
    full = np.random.RandomState(cut).standard_normal((2, *small[::-1], 2)).astype("float32")
    x = {"gaps": full.T[0, ..., 1], "turned": full[1, ..., 0].T}.get(way, full[0, ..., 0].T.copy("C"))
    return np.asarray(x[tuple(slice(None, None, -1) for _ in small)] if way == "backwards" else x)


@compiled
@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.data(), st.sampled_from(((), (1,), (5,), (3, 4), (7, 1, 6), (40, 70), (1030,), (3, 2050), (2050, 3),
                                   (9, 5, 6, 8))))
def test_chains_with_inputs_that_are_spread(data, shape):
    """x * y + z, greater than w, and x * y masked by it: over several tiles and parts."""
    x, y, z, w = (laid_out(shape, data.draw) for _ in range(4))
    x = np.array(np.broadcast_to(x, shape))
    members = [Member(Elementwise("multiply"), (0, 1), "float32"), Member(Elementwise("add"), (4, 2), "float32"),
               Member(Elementwise("greater"), (5, 3), "bool"), Member(Elementwise("mask"), (6, 4), "float32")]
    product, above = x * y, x * y + z > w
    masked, greater = run_tasks(Fused(members, 4, [3, 2]), x, y, z, w)
    np.testing.assert_array_equal(masked, np.where(above, product, 0))
    np.testing.assert_array_equal(greater, above)


@compiled
@pytest.mark.parametrize("shape", [(), (3,), (40, 70), (2050, 3)])
def test_a_result_in_the_memory_of_an_input(shape):
    x, y = np.random.RandomState(0).standard_normal((2, *shape)).astype("float32")
    x = np.asarray(x)
    members = [Member(Elementwise("multiply"), (0, 1), "float32"), Member(Elementwise("add"), (2, 1), "float32")]
    fused = Fused(members, 2, [1])
    assert fused.takes_over(0, 0)
    want = x * y + y
    run_by(1, fused.tasks([x, np.asarray(y)], [x], []))
    np.testing.assert_array_equal(x, want)


@compiled
def test_what_has_no_function_is_left_to_numpy():
    def takes(op, dtype, *shapes, out=(4, 6)):
        fused = Fused([Member(op, tuple(range(len(shapes))), dtype)], len(shapes), [0])
        return fused.takes_tasks([Spec(s, dtype) for s in shapes], [Spec(out, dtype)])
    add = Elementwise("add")
    assert takes(add, "float32", (4, 6), (4, 6))
    assert takes(Elementwise("exp"), "float64", (4, 6))
    assert not takes(Elementwise("erf"), "float32", (4, 6))
    assert not takes(add, "float16", (4, 6), (4, 6))
    assert not takes(add, "float32", (0, 6), (0, 6), out=(0, 6))
    assert not takes(add, "float32", (2,) * 17, (1,), out=(2,) * 17)


PROGRAM = """
import numpy as np
from gpukeras import backend as K
from gpukeras.device.native import why_not
x = K.placeholder((None, 300))
f = K.function([x], [K.tanh(x * 2 + 1) * K.sigmoid(x)])
y = f([np.linspace(-1, 1, 300 * 300).reshape(300, 300)])[0]
print(round(float(y.sum()), 2), '|', why_not())
"""


@pytest.mark.parametrize("setting, reason", [({"GPUKERAS_NATIVE": "off"}, "GPUKERAS_NATIVE is 'off'"),
                                             ({"CC": "/nowhere/cc"}, "No such file or directory"),
                                             ({"CC": "false"}, "returned non-zero exit status 1"),
                                             ({"PATH": ""}, "there is no C compiler")])
def test_without_a_compiler_numpy_computes_the_same(setting, reason, tmp_path):
    if "PATH" in setting and find_spec("ziglang"):
        pytest.skip("the extra fast is installed")
    here = output(PROGRAM, driver=False).split(" | ")[0]
    number, why = output(PROGRAM, driver=False, XDG_CACHE_HOME=str(tmp_path), **setting).split(" | ")
    assert float(number) == pytest.approx(float(here), abs=0.1) and reason in why


@compiled
def test_the_compiler_of_the_extra_fast_serves_where_the_system_has_none(tmp_path):
    """A package of that name which hands over to the compiler here: the real one takes 400 MB."""
    package = tmp_path / "ziglang"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(f"""
import subprocess, sys
open({str(tmp_path / "asked")!r}, "a").write(sys.argv[1])
raise SystemExit(subprocess.call([*{compiler()!r}, *sys.argv[2:]], env={{"PATH": {os.environ["PATH"]!r}}}))
""")
    said = output(PROGRAM, driver=False, XDG_CACHE_HOME=str(tmp_path), PATH="",
                  PYTHONPATH=os.pathsep.join([str(tmp_path), str(ROOT)]))
    assert said.endswith("| None") and set((tmp_path / "asked").read_text().split("cc")) == {""}


@compiled
def test_code_that_others_could_have_put_there_is_not_loaded(tmp_path):
    assert output(PROGRAM, driver=False, XDG_CACHE_HOME=str(tmp_path)).endswith("| None")
    folder = tmp_path / "gpukeras"
    libraries = sorted(folder.glob("*.so"))
    assert libraries and all(stat.S_IMODE(path.stat().st_mode) == 0o700 for path in (*libraries, folder))
    for path in (*libraries, folder):
        path.chmod(0o777)
        assert "others may write to it" in output(PROGRAM, driver=False, XDG_CACHE_HOME=str(tmp_path))
        path.chmod(0o700)
    assert output(PROGRAM, driver=False, XDG_CACHE_HOME=str(tmp_path)).endswith("| None")
    assert sorted(os.listdir(folder)) == [path.name for path in libraries]


@compiled
def test_sources_are_compiled_together(tmp_path, monkeypatch):
    """Each once, whatever becomes of the others."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder, sound = tmp_path / "gpukeras", [f"int given(void) {{ return {i}; }}" for i in range(3)]
    compile_together([sound[0], "no C at all", *sound[1:]], 2)
    made = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert len(made) == 3
    compile_together(sound, 2)
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == made


def test_an_unknown_setting_is_refused(monkeypatch):
    monkeypatch.setenv("GPUKERAS_NATIVE", "fast")
    with pytest.raises(ValueError, match="GPUKERAS_NATIVE is 'fast'; it must be 'on' or 'off'"):
        load("int x;")


@compiled
def test_a_fused_step_is_one_call():
    x = K.placeholder((None, 40))
    f = K.function([x], [K.relu(x * 2 - 1) + K.exp(x)])
    program = f.program([(30, 40)])
    assert len(program.calls) == 1 and isinstance(program.calls[0][0], tasks.Run)
    assert Path(device.kernel_folder() / "elementwise.c").is_file()
