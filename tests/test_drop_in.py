"""Programs written for Keras run as they stand; each in a process of its own, since what imports find changes there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import gpukeras
from gpukeras import _star_imports, drop_in

ROOT = Path(__file__).parents[1]
SAME = """
import keras, gpukeras, keras.backend as K, tensorflow as tf, tensorflow.keras.backend as K2
from keras.layers.convolutional import Conv2D
from keras.layers import Dense
from tensorflow import keras as tf_keras
from tensorflow.keras.layers import Dense as TfDense
from tensorflow.python.keras.layers import Dense as PythonDense
from tensorflow.python.framework import ops
from tensorflow.python.framework.ops import RegisterGradient
assert RegisterGradient is tf.RegisterGradient and ops._gradient_registry._registry == {}
assert keras is gpukeras is tf_keras is tf.keras and K is K2 is gpukeras.backend
assert Dense is TfDense is PythonDense is gpukeras.layers.core.Dense and Conv2D is gpukeras.layers.Conv2D
assert keras.layers.core.__spec__.name == keras.layers.core.__name__ == 'gpukeras.layers.core'
assert not hasattr(keras.layers.core, '__path__')
import numpy as np
np.random.seed(1), tf.random.set_seed(5)
drawn = np.random.rand()
tf.set_random_seed(5)
assert drawn == np.random.rand()
"""
OF_TENSORFLOW = """
import tensorflow as tf
from keras import backend as K
from keras.backend import tensorflow_backend as KTF
from tensorflow.python.client import device_lib
from tensorflow.python.framework import ops
from tensorflow.python.ops import control_flow_ops, math_ops, nn_ops
from tensorflow.python.training import moving_averages
assert K.tf is KTF.tf is tf and ops.get_default_graph() is tf.get_default_graph()
assert K.control_flow_ops.while_loop is control_flow_ops.while_loop is tf.while_loop
assert KTF.tensor_array_ops.TensorArray is tf.TensorArray and KTF.functional_ops.foldl is tf.foldl
assert math_ops.reduce_sum is tf.reduce_sum and nn_ops.softmax is tf.nn.softmax
assert 'CPU' in [d.device_type for d in device_lib.list_local_devices()]
v = K.variable(1.)
K.get_session().run(K.moving_averages.assign_moving_average(v, 3., 0.9, zero_debias=False))
assert abs(K.get_value(v) - 1.2) < 1e-6
try:
    moving_averages.assign_moving_average(v, 3., 0.9)
except NotImplementedError as error:
    print(error)
"""
WORKERS = """
import multiprocessing, sys
import keras

def square(x):
    return x * x, keras.__name__

if __name__ == '__main__':
    for way in sys.argv[1:]:
        with multiprocessing.get_context(way).Pool(1) as pool:
            print(pool.map(square, [3]))
"""


def python(*arguments: str, cwd: Path | None = None, given: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "GPUKERAS_BACKEND": "numpy"}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=cwd, env=environment,
                          input=given, timeout=120)


def printed(*arguments: str, **options) -> str:
    done = python(*arguments, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def program(tmp_path):
    """Writes a program and gives its path."""
    def write(text: str, name: str = "program.py") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path
    return write


def test_a_program_finds_the_same_modules(program):
    where = "import sys; print(sys.argv[1:], __name__, __file__ == sys.argv[0], sys.path[0] == __file__[:-11])"
    path = program(f"{SAME}\n{where}")
    assert printed("-m", "gpukeras", str(path), "a", "--b") == "['a', '--b'] __main__ True True\n"


def test_tensorflows_own_modules_are_found_by_their_names(program):
    assert "zero_debias=False" in printed("-m", "gpukeras", str(program(OF_TENSORFLOW)))


def test_a_star_brings_what_it_brings_in_keras(program):
    """Names that Keras 2.0.9's modules import themselves, and that programs came to use."""
    path = program("""
from keras.layers import *
assert K.epsilon() and np.ones(1) and regularizers.l2(0.1) and initializers.get('ones') and activations.relu
from keras.models import *
from keras.applications import *
assert inception_v3.preprocess_input and VGG16 and Sequential([Dense(2, input_dim=3)]) and Input
from keras.utils import *
assert to_categorical and Sequence and np_utils.to_categorical is to_categorical
from keras import *
assert layers.Dense is Dense and backend is K
""")
    printed("-m", "gpukeras", "run", str(path))


def test_a_module_does_not_take_the_place_of_a_function_of_its_name(program):
    path = program("""
from keras.layers.merge import concatenate
from keras.layers import merge
import keras.layers.merge
assert keras.layers.merge is merge and not hasattr(merge, '__path__')
assert merge([keras.layers.Input((2,)), keras.layers.Input((2,))], mode='concat').shape[1] == 4
""")
    printed("-m", "gpukeras", str(path))


def test_what_the_modules_of_keras_have_beside_their_own_names(program):
    """All of it is found, however a module was reached; a star loads no package that need not be installed."""
    path = program("""
import importlib, sys
import keras
from gpukeras import _star_imports
assert keras.layers.core.K is keras.backend and keras.preprocessing.image.np.pi and keras.engine.topology.Layer
assert keras.layers.core.__loader__ is keras.layers.core.__spec__.loader
assert type(keras.layers.core.__loader__).__name__ == 'SourceFileLoader'
for module in _star_imports._BESIDE:
    exec(f"from {f'keras.{module}'.rstrip('.')} import *", {})
assert not {'h5py', 'yaml', 'requests', 'six', 'PIL', 'scipy', 'pydot'} & set(sys.modules)
for module, names in _star_imports._BESIDE.items():
    found = importlib.import_module(f'keras.{module}'.rstrip('.'))
    for name in set(names.split()) - {'six'}:
        getattr(found, name)
from keras.engine.training import *
assert cbks is keras.callbacks and metrics_module is keras.metrics and Sequence is keras.utils.Sequence
from keras.engine.topology import h5py, Container
from keras.applications.vgg16 import _obtain_input_shape, layer_utils
import h5py as own
assert h5py is own and layer_utils is keras.utils.layer_utils
""")
    printed("-m", "gpukeras", str(path))


def test_a_package_that_is_not_installed_is_none(monkeypatch):
    """As in Keras, for programs that ask `if pil_image is None`."""
    monkeypatch.setattr(_star_imports, "find_spec", lambda name: None if name == "PIL" else pytest.fail(name))
    assert _star_imports._elsewhere("pil_image") is None


def test_a_star_brings_nothing_of_typing_and_hides_no_function_of_python(program):
    path = program("""
from keras.utils import Sequence
from keras.layers.pooling import *
from keras.layers.wrappers import *
from keras.activations import *
from keras.backend import *
class Batches(Sequence):
    def __len__(self):
        return 1
    def __getitem__(self, index):
        return [[index]], [[index]]
import keras, keras.layers.pooling
model = keras.models.Sequential([keras.layers.Dense(1, input_shape=(1,))])
model.compile('sgd', 'mse')
model.fit_generator(Batches(), verbose=0)
assert slice is __builtins__.slice and elu and MaxPooling2D and keras.layers.pooling.conv_utils
assert not {'Any', 'Mapping', 'Callable', 'math', 'annotations', 'Sizes'} & set(globals())
""")
    printed("-m", "gpukeras", str(path))


def test_star_imports_of_the_package_itself_stay_what_they_are():
    before = {module: list(vars(module).get("__all__", ())) for module in (gpukeras, gpukeras.layers, gpukeras.utils)}
    drop_in.install()
    try:
        import keras.layers
        import keras.utils
        assert "K" in keras.layers.__all__ and keras.layers.K is gpukeras.backend and "Sequence" in keras.utils.__all__
    finally:
        drop_in.uninstall()
    assert before == {module: list(vars(module).get("__all__", ())) for module in before}
    assert not hasattr(gpukeras.layers, "K")


def test_other_ways_to_start(program):
    path = program(SAME + "import sys; print(sys.argv[1:], __name__)")
    assert printed("-m", "gpukeras", "-m", "program", "x", cwd=path.parent) == "['x'] __main__\n"
    assert printed("-m", "gpukeras", "-c", path.read_text(), "x") == "['x'] __main__\n"
    assert printed("-m", "gpukeras", "-", "x", given=path.read_text()) == "['x'] __main__\n"
    assert printed("-c", f"import gpukeras.as_keras\n{SAME}\nprint('same')") == "same\n"


def test_a_package_with_a_main(program, tmp_path):
    (tmp_path / "tool").mkdir()
    program("", "tool/__init__.py"), program("NAME = 'keras'", "tool/names.py")
    program("import keras\nfrom .names import NAME\nprint(NAME, keras.__name__, __package__)", "tool/__main__.py")
    assert printed("-W", "error", "-m", "gpukeras", "-m", "tool", cwd=tmp_path) == "keras gpukeras tool\n"


def test_without_it_keras_is_what_is_installed(program):
    done = python("-c", "import gpukeras.layers\nimport keras.layers.core\nprint(keras.__name__)")
    assert "gpukeras" not in done.stdout


@pytest.mark.slow
def test_processes_of_a_program_find_it_too(program):
    ways = ["spawn"] if os.name == "nt" else ["fork", "spawn", "forkserver"]
    path = program(WORKERS)
    expected = "[(9, 'gpukeras')]\n" * len(ways)
    assert printed("-m", "gpukeras", str(path), *ways) == expected
    assert printed("-m", "gpukeras", "-m", "program", *ways, cwd=path.parent) == expected


def test_errors_of_the_program_are_its_own(program):
    done = python("-m", "gpukeras", str(program("import keras\ndef f():\n    raise KeyError('mine')\nf()")))
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[0] == "Traceback (most recent call last):" and lines[-1] == "KeyError: 'mine'"
    assert "program.py" in lines[1] and "gpukeras/" not in done.stderr
    assert python("-m", "gpukeras", str(program("raise SystemExit(7)"))).returncode == 7


def test_what_is_not_here():
    for code, words in (("import tensorflow as tf; tf.GradientTape()", "tensorflow.GradientTape: gpukeras stands for"),
                        ("import keras.no_such_thing", "No module named 'keras.no_such_thing'"),
                        ("import keras.layers.core.deeper", "'keras.layers.core' is not a package")):
        assert words in python("-m", "gpukeras", "-c", code).stderr
    done = python("-m", "gpukeras", "no_such_file.py")
    assert done.returncode == 2 and "can't open file 'no_such_file.py': No such file" in done.stderr
    done = python("-m", "gpukeras", "-m", "no.such.module")
    assert done.returncode == 1 and "no module named 'no.such.module'" in done.stderr


def test_another_keras_loaded_before(program, tmp_path):
    program("__version__ = '9.9'", "keras.py")
    done = python("-c", "import keras\nimport gpukeras.as_keras", cwd=tmp_path)
    assert "ImportError: keras 9.9 was imported before gpukeras could take its name, from" in done.stderr
    assert "import gpukeras.as_keras" in done.stderr and "keras.py" in done.stderr
    again = "import gpukeras.as_keras, keras\nfrom gpukeras.drop_in import install\ninstall()\nprint(keras.__name__)"
    assert printed("-c", again, cwd=tmp_path) == "gpukeras\n"


def test_in_a_notebook_and_back(monkeypatch):
    class Shell:
        pass

    before = {name for name in sys.modules if name.partition(".")[0] in ("keras", "tensorflow")}
    assert not before
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    gpukeras.load_ipython_extension(Shell())
    gpukeras.load_ipython_extension(Shell())
    assert sum(isinstance(finder, drop_in.Finder) for finder in sys.meta_path) == 1
    import keras.layers
    assert keras is gpukeras and "tensorflow" not in sys.modules
    gpukeras.unload_ipython_extension(Shell())
    assert "keras" not in sys.modules and "keras.layers" not in sys.modules
    assert not any(isinstance(finder, drop_in.Finder) for finder in sys.meta_path)


def test_the_backend_has_tensorflows_name(monkeypatch):
    """Programs end, or take Theano's functions, where it has another."""
    code = ("from keras import backend as K; from keras.backend import _BACKEND; from keras.models import Sequential; "
            "print(K.backend(), _BACKEND, K.tensorflow_backend.backend(), Sequential().to_json()[-24:])")
    assert printed("-m", "gpukeras", "-c", code) == 'tensorflow tensorflow tensorflow "backend": "tensorflow"}\n'
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    drop_in.install()
    assert gpukeras.backend.backend() == "tensorflow"
    drop_in.uninstall()
    assert gpukeras.backend.backend() == gpukeras.backend._BACKEND == "gpukeras"


def test_the_version_is_that_of_the_keras_it_stands_for(monkeypatch):
    from gpukeras.engine.serialization import KERAS_VERSION

    code = "import keras, tensorflow as tf; print(keras.__version__, tf.keras.__version__)"
    assert printed("-m", "gpukeras", "-c", code) == "2.0.9 2.0.9\n"
    assert drop_in.KERAS_VERSION == KERAS_VERSION == "2.0.9"
    own = gpukeras.__version__
    assert printed("-m", "gpukeras", "--version") == f"gpukeras {own}\n"
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    drop_in.install()
    assert gpukeras.__version__ == "2.0.9"
    drop_in.uninstall()
    assert gpukeras.__version__ == own


def test_looking_at_the_package_changes_nothing():
    assert "as_keras" not in dir(gpukeras)
    code = "import gpukeras, sys; before = list(sys.meta_path); [getattr(gpukeras, n) for n in dir(gpukeras)]"
    assert printed("-c", f"{code}; print(sys.meta_path == before, hasattr(gpukeras, 'as_keras'))") == "True False\n"
