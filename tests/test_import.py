"""What `import gpukeras` costs and brings along."""

from __future__ import annotations

import os
import pkgutil
import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

import gpukeras

ROOT = Path(__file__).parents[1]
RUNS = 7
BOUND = 2.5  # times `import numpy`
PROGRAMS = {
    "package": "import gpukeras",
    "what a program uses": "from gpukeras.models import Sequential; from gpukeras.layers import Dense",
    "backend": "from gpukeras import backend as K",
}
_TIMED = "import time; start = time.perf_counter(); {}; print(time.perf_counter() - start)"


def fresh(code: str, **environ: str) -> str:
    """What a new interpreter prints for `code`, with this checkout's package."""
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment | environ)
    return done.stdout


@pytest.fixture(autouse=True)
def no_settings(monkeypatch, tmp_path):
    """A keras.json of the user's would be read, and with it the module json."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))


@pytest.mark.slow
def test_import_time_beside_numpy(tmp_path):
    """Medians of interleaved runs, so that a busy machine slows both alike. The package alone takes an eighth of the
    bound; what its parts take is for tests/benchmarks to print, not for a test to judge.

    Both find their byte code compiled, as installed packages do.
    """
    statement = PROGRAMS["package"]

    def seconds(code):
        return float(fresh(_TIMED.format(code), PYTHONPYCACHEPREFIX=str(tmp_path)))

    seconds(statement), seconds("import numpy")
    pairs = [(seconds("import numpy"), seconds(statement)) for _ in range(RUNS)]
    numpy, ours = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(f"{statement}: {ours * 1e3:.0f} ms, {ours / numpy:.2f} times import numpy ({numpy * 1e3:.0f} ms)")
    assert ours < BOUND * numpy


HEAVY = {
    "cupy",
    "h5py",
    "tqdm",
    "pandas",
    "scipy",
    "yaml",
    "matplotlib",
    "PIL",
    "multiprocessing",
    "concurrent.futures",
}


@pytest.mark.parametrize("statement", PROGRAMS.values(), ids=list(PROGRAMS))
def test_heavy_modules_wait_until_they_are_needed(statement):
    loaded = fresh(f"{statement}; print(*sys.modules)").split()
    assert not HEAVY & set(loaded)


def test_fitting_arrays_loads_nothing_for_generators():
    loaded = fresh("import numpy as np; from gpukeras.models import Sequential; from gpukeras.layers import Dense; "
                   "model = Sequential([Dense(1, input_shape=(1,))]); model.compile('sgd', 'mse'); "
                   "model.fit(np.zeros((4, 1)), np.zeros((4, 1)), verbose=0); import sys; print(*sys.modules)").split()
    assert "gpukeras.callbacks" in loaded
    assert not {*HEAVY, "tarfile", "gpukeras.utils.enqueuers"} & set(loaded)


NEW = "new = set(sys.modules); print(*(name for name in sorted(new - before)))"
AFTER_NUMPY = "import sys; import numpy, ctypes; before = set(sys.modules); {}; " + NEW
SEQUENTIAL = "from gpukeras.models import Sequential"
STEP = SEQUENTIAL + """
from gpukeras.layers import Dense
model = Sequential([Dense(1, input_shape=(1,))])
model.compile('sgd', 'mse', metrics=['accuracy'])
model.train_on_batch([[1]], [[1]])
"""
LATE = {"gpukeras.callbacks.backup", "gpukeras.callbacks.display", "gpukeras.callbacks.runner",
        "gpukeras.compiler.epilogues", "gpukeras.device.epilogues", "gpukeras.device.report", "gpukeras.device.tree",
        "gpukeras.drawing.models", "gpukeras.engine.dealt", "gpukeras.engine.kinds",
        "gpukeras.engine.parts", "gpukeras.engine.serialization", "gpukeras.loss_classes", "gpukeras.metric_classes",
        "gpukeras.saving", "gpukeras.stateful_metrics", "dataclasses", "json", "pathlib", "subprocess"}


@pytest.mark.parametrize("statement", [SEQUENTIAL, STEP], ids=["Sequential", "a step"])
def test_what_most_programs_have_no_use_for_is_not_loaded(statement):
    """Beside NumPy: callbacks, files, metrics and losses that are classes, what ranks and GPUs alone need."""
    loaded = set(fresh(f"exec({AFTER_NUMPY.format(f'exec({statement!r})')!r})").split())
    assert "gpukeras.engine.training" in loaded and not LATE & loaded


def test_a_layer_loads_no_layers_of_other_kinds():
    loaded = {name for name in fresh(f"exec({AFTER_NUMPY.format(f'exec({STEP!r})')!r})").split()
              if name.startswith(("gpukeras.layers", "gpukeras.ops.recurrent"))}
    assert "gpukeras.layers.core" in loaded
    assert not {"gpukeras.layers.recurrent", "gpukeras.layers.conv", "gpukeras.ops.recurrent"} & loaded


def test_names_of_layers_stay_those_of_layers():
    """`keras.layers.merge` is a function, though a module has the name too; modules are found by it all the same."""
    from gpukeras import layers

    assert callable(layers.merge) and layers.merge is layers.merge_keras1.merge
    assert layers.recurrent.LSTM is layers.LSTM and layers.core.Dense is layers.Dense
    assert {"LSTM", "Dense", "merge", "serialize"} <= set(dir(layers)) and set(layers.__all__) <= set(dir(layers))
    classes = {name for name in layers.__all__ if isinstance(getattr(layers, name), type)
               and issubclass(getattr(layers, name), layers.Layer)}
    assert classes == set(layers._registry), "what a config may name: the layers, and no helper"
    with pytest.raises(AttributeError, match="no attribute 'Dence'"):
        _ = layers.Dence


def test_the_package_alone_loads_nothing():
    loaded = fresh("before = set(sys.modules); import gpukeras; print(*(set(sys.modules) - before))").split()
    assert set(loaded) <= {
        "gpukeras",
        "__future__",
        "typing",
        "re",
        "collections",
        "functools",
        "operator",
    } | {name for name in loaded if not name.startswith(("gpukeras.", "numpy"))}
    assert "numpy" not in loaded


def test_keras_names_at_the_root():
    from gpukeras.layers import Input
    from gpukeras.models import Model, Sequential

    assert (gpukeras.Input, gpukeras.Model, gpukeras.Sequential) == (Input, Model, Sequential)


def test_every_submodule_is_reached_by_attribute_and_listed():
    names = {
        module.name for module in pkgutil.iter_modules(gpukeras.__path__) if not module.name.startswith("_")
    } - {"as_keras"}  # which must not be loaded by looking at it
    assert {"backend", "datasets", "device", "engine", "layers", "losses", "utils"} <= names
    for name in names:
        assert getattr(gpukeras, name).__name__ == f"gpukeras.{name}"
    assert {*names, "Input", "Model", "Sequential", "config", "__version__"} <= set(dir(gpukeras))


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(AttributeError, match="no attribute 'Sequental'; did you mean 'Sequential'"):
        _ = gpukeras.Sequental
    with pytest.raises(ImportError):
        from gpukeras import nothing_of_this_name  # noqa: F401


def test_utils_reached_by_name():
    from gpukeras import utils

    for name in dir(utils):
        assert getattr(utils, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'to_categoricl'"):
        _ = utils.to_categoricl


def test_the_version_stands_in_one_place():
    """The build reads it from the package, so nothing else declares one."""
    text = (ROOT / "pyproject.toml").read_text()
    assert not re.search(r"^version\s*=", text, re.MULTILINE) and 'dynamic = ["version"]' in text
    assert '[tool.hatch.version]\npath = "gpukeras/__init__.py"' in text
    found = re.findall(r'^__version__ = "(.+)"$', (ROOT / "gpukeras" / "__init__.py").read_text(), re.MULTILINE)
    assert found == [gpukeras.__version__]


def test_modules_of_keras_209_are_reached_by_attribute():
    """Programs write `keras.engine.topology.Layer` after nothing but `import keras`."""
    assert gpukeras.engine.topology.Layer is gpukeras.layers.Layer
    assert gpukeras.legacy.layers.Merge is gpukeras.layers.Merge
    assert gpukeras.backend.common._EPSILON == gpukeras.backend.epsilon()
    with pytest.raises(AttributeError, match="no attribute 'topologie'"):
        _ = gpukeras.engine.topologie
