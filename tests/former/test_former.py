"""Names that other packages had when programs for Keras 2 were written; in processes of their own: modules change."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from gpukeras import drop_in, former
from gpukeras.former import functions, names

ROOT = Path(__file__).parents[2]
PROGRAM = """
import time
import numpy as np
from collections import Iterable, MutableMapping
from fractions import gcd
from inspect import getargspec
from scipy.misc import imresize, imsave, imread
from sklearn.cross_validation import train_test_split
from sklearn.grid_search import GridSearchCV
from sklearn.externals import joblib
started = time.clock()
x = np.zeros((4, 4, 3), dtype=np.int)
assert x.dtype == np.asarray([1]).dtype and np.ones(2, np.float).dtype == float and np.ones(2, np.bool).dtype == '?'
assert np.array([None, 'a'], np.object).dtype == object and np.float_ is np.float64 and np.unicode is str
assert np.product([2, 3]) == 6 and np.asscalar(np.array([7])) == 7 and np.Inf > 0 > np.NINF and np.isnan(np.NaN)
assert np.in1d([[1, 2], [3, 4]], [2, 4]).tolist() == [False, True, False, True] and np.math.factorial(4) == 24
assert np.cast['float32'](3.9).dtype == np.float32 and np.rank(x) == 3 and np.asfarray([1]).dtype == float
assert issubclass(list, Iterable) and issubclass(dict, MutableMapping) and gcd(12, 18) == 6
assert getargspec(lambda a, *b, c=1, **d: a).keywords == 'd' and time.clock() >= started
assert len(train_test_split(np.arange(8), test_size=.25)[1]) == 2 and joblib.hash(1)
imsave('picture.png', np.arange(48.).reshape(4, 4, 3))
assert imread('picture.png').shape == (4, 4, 3) and imresize(imread('picture.png'), (8, 6)).shape == (8, 6, 3)
import keras
assert not hasattr(np, 'flaot') and not hasattr(time, 'clok')
print('done')
"""


def run(program: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "GPUKERAS_BACKEND": "numpy"}
    (cwd / "program.py").write_text(program)
    return subprocess.run([sys.executable, *arguments, "program.py"], capture_output=True, text=True, cwd=cwd,
                          env=environment, timeout=120)


def test_a_program_finds_them_with_a_warning(tmp_path):
    done = run(PROGRAM, "-m", "gpukeras", cwd=tmp_path)
    assert done.returncode == 0 and done.stdout == "done\n", done.stderr
    assert "program.py:12: UserWarning: `numpy.int` is no more: write `int`." in done.stderr
    assert "`time.clock` is no more: write `time.perf_counter`." in done.stderr


def test_by_a_first_line_too_and_nowhere_else(tmp_path):
    use = "import numpy as np, time\nprint(np.int is int, hasattr(time, 'clock'))\n"
    assert run(f"import gpukeras.as_keras\n{use}", cwd=tmp_path).stdout == "True True\n"
    assert "no attribute 'int'" in run(f"import gpukeras\n{use}", cwd=tmp_path).stderr


def test_what_keras_brought_with_it(tmp_path):
    said = "Keras 2.0.9 brought six with it; here: pip install 'gpukeras[keras2]'"
    hidden = "import sys; sys.modules['six'] = None\n"
    assert run(f"{hidden}import six", "-m", "gpukeras", cwd=tmp_path).stderr.endswith(f"{said}\n")
    assert said not in run("import seven", "-m", "gpukeras", cwd=tmp_path).stderr


def test_modules_are_as_before_afterwards(monkeypatch):
    before = {module: vars(import_module(module)).get("__getattr__") for module in ("numpy", "time", "collections")}
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    drop_in.install()
    with pytest.warns(UserWarning, match="write `len`"):
        assert np.alen is len
    drop_in.uninstall()
    assert {module: vars(import_module(module)).get("__getattr__") for module in before} == before
    assert not any(isinstance(finder, former.Gone) for finder in sys.meta_path)


@pytest.mark.parametrize("module", names.TODAY)
def test_what_is_written_today_exists(module):
    """Or what stands for it: a name of the table that leads nowhere would fail in somebody's program."""
    for name, today in names.TODAY[module].items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert former._former(module, name) is not None, today


def test_functions_that_have_no_name_today():
    def function(a, b=2, *c, **d):
        pass

    assert functions.getargspec(function) == (["a", "b"], "c", "d", (2,))
    assert functions.msort(np.array([[3, 1], [2, 5]])).tolist() == [[2, 1], [3, 5]]
    assert functions.asfarray([1], np.int32).dtype == np.float64
    assert functions.asfarray([1], "float32").dtype == np.float32
