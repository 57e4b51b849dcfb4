"""Arrays of other libraries as data, targets, weights and values, and results for them."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import device
from gpukeras.device import xp
from gpukeras.layers import Dense, Embedding, Flatten, Input, add
from gpukeras.models import Model, Sequential
from tests.engine.lent import CudaArray, Fetchable, Lent, OnGpu, Short, Tracked

on_gpu = pytest.mark.skipif(device.NAME != "cupy", reason="memory of a device of its own: the CuPy backend only")
on_cpu = pytest.mark.skipif(device.NAME != "numpy", reason="the NumPy backend only")

X = np.random.RandomState(0).normal(size=(12, 3)).astype("float32")
Y = np.random.RandomState(1).normal(size=(12, 2)).astype("float32")
W = [np.random.RandomState(2).normal(size=(3, 2)).astype("float32"), np.array([0.5, -0.5], "float32")]

LENDERS = [Lent, Tracked, Short, *([OnGpu, CudaArray, xp.asarray] if device.NAME == "cupy" else [])]


def model():
    made = Sequential([Dense(2, input_shape=(3,))])
    made.set_weights(W)
    made.compile("sgd", "mse")
    return made


@pytest.fixture(params=LENDERS, ids=lambda lender: getattr(lender, "__name__", "own"))
def lend(request):
    return request.param


@pytest.fixture
def traffic():
    """Bytes between host and device from here on."""
    counts = getattr(xp.cuda, "traffic", None)
    if counts is None:
        pytest.skip("only the stand-in for CuPy counts transfers")
    before = dict(counts)
    return lambda: {way: counts[way] - before[way] for way in counts}


def test_training_and_prediction(lend):
    plain, other = model(), model()
    for one, of in ((plain, np.asarray), (other, lend)):
        one.history_ = one.fit(of(X), of(Y), batch_size=5, epochs=2, verbose=0, shuffle=False,
                               validation_data=(of(X), of(Y)), sample_weight=of(np.arange(12, dtype="float32")))
    assert plain.history_.history == other.history_.history
    assert plain.evaluate(X, Y, verbose=0) == other.evaluate(lend(X), lend(Y), verbose=0)
    assert plain.train_on_batch(X, Y) == other.train_on_batch(lend(X), [lend(Y)])
    assert plain.test_on_batch(X, Y) == other.test_on_batch([lend(X)], lend(Y))
    np.testing.assert_array_equal(plain.predict(X, batch_size=7), other.predict(lend(X), batch_size=7))
    np.testing.assert_array_equal(plain.predict_on_batch(X), other.predict_on_batch(lend(X)))


def test_shuffled_and_split(lend):
    losses = []
    for of in (np.asarray, lend):
        np.random.seed(3)
        losses.append(model().fit(of(X), of(Y), batch_size=4, epochs=2, verbose=0, validation_split=0.25).history)
    assert losses[0] == losses[1]


def test_generators(lend):
    def batches(of):
        while True:
            yield of(X), of(Y)
    found = [model().fit_generator(batches(of), 3, epochs=1, verbose=0).history for of in (np.asarray, lend)]
    assert found[0] == found[1]


def test_several_inputs_by_name(lend):
    a, b = Input((3,), name="a"), Input((3,), name="b")
    both = Model([a, b], add([a, b]))
    np.testing.assert_array_equal(both.predict({"a": lend(X), "b": lend(X)}), 2 * X)
    np.testing.assert_array_equal(both.predict([lend(X), X]), 2 * X)


def test_classes_and_their_weights(lend):
    labels = np.arange(12) % 3
    found = []
    for of in (np.asarray, lend):
        np.random.seed(0)
        one = Sequential([Dense(3, activation="softmax", input_shape=(3,))])
        one.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
        found.append(one.fit(X, of(labels), verbose=0, shuffle=False, class_weight={0: 1.0, 1: 2.0, 2: 0.5}).history)
    assert found[0] == found[1]


def test_indices(lend):
    ids = np.array([[1, 2, 0], [3, 3, 1]])
    one = Sequential([Embedding(4, 2, input_length=3), Flatten()])
    np.testing.assert_array_equal(one.predict(lend(ids)), one.predict(ids))


def test_weights_and_values(lend):
    one = Sequential([Dense(2, input_shape=(3,))])
    one.set_weights([lend(w) for w in W])
    for a, b in zip(one.get_weights(), W):
        np.testing.assert_array_equal(a, b)
    one.layers[0].set_weights([lend(w * 2) for w in W])
    np.testing.assert_array_equal(one.get_weights()[0], 2 * W[0])
    assert K.get_value(K.variable(lend(X))).tolist() == X.tolist()
    assert K.get_value(K.variable(lend(X), dtype="float64")).dtype == "float64"
    assert K.eval(K.constant(lend(X))).tolist() == X.tolist()
    v = K.zeros((12, 3))
    K.set_value(v, lend(X))
    assert K.get_value(v).tolist() == X.tolist()
    with pytest.raises(ValueError, match=r"has shape \(12, 3\), but got a value of shape \(12, 2\)"):
        K.set_value(v, lend(Y))
    with pytest.raises(ValueError, match=r"has shape \(3, 2\), but set_weights was given an array of shape \(2, 3\)"):
        one.set_weights([lend(np.zeros((2, 3), "float32")), W[1]])


def test_a_variable_has_memory_of_its_own(lend):
    mine = X.copy()
    lent = lend(mine)
    v, w = K.variable(lent), K.zeros((12, 3))
    K.set_value(w, lent)
    mine[:] = 9
    there = getattr(lent, "there", lent)
    if isinstance(there, xp.ndarray):
        there[...] = 9
    assert K.get_value(v).tolist() == K.get_value(w).tolist() == X.tolist()


def test_functions_and_expressions(lend):
    x = K.placeholder((None, 3))
    f = K.function([x], [x * 2, K.sum(x)])
    for a, b in zip(f([lend(X)]), f([X])):
        np.testing.assert_array_equal(a, b)
    with K.debugging():
        np.testing.assert_array_equal(f([lend(X)])[0], 2 * X)
    np.testing.assert_array_equal(K.eval(K.variable(X) + lend(X)), 2 * X)
    np.testing.assert_allclose(K.eval(K.dot(K.variable(X), K.constant(lend(W[0])))), X @ W[0], rtol=1e-5)


AWKWARD = {
    "columns": np.asfortranarray(X), "every_second": np.repeat(X, 2, 0)[::2], "backwards": X[::-1].copy()[::-1],
    "transposed": X.T.copy().T, "part": np.pad(X, 2)[2:-2, 2:-2], "half": X.astype("float16"),
    "double": X.astype("float64"), "whole": (X * 10).astype("int16"), "truth": X > 0, "bytes": np.uint8(np.abs(X) * 9),
    "broadcast": np.broadcast_to(X[:1], X.shape), "one_row": X[:1],
}


@pytest.mark.parametrize("name", AWKWARD)
@pytest.mark.parametrize("lend", [Lent, *([OnGpu, CudaArray] if device.NAME == "cupy" else [])])
def test_layouts_and_dtypes(lend, name):
    data = AWKWARD[name]
    if name == "broadcast" and int(np.__version__.split(".")[0]) < 2:
        data = data.copy()  # NumPy lends memory that is read only since its second version
    if name == "truth" and tuple(map(int, np.__version__.split(".")[:2])) < (1, 25):
        pytest.skip("NumPy lends truth values since 1.25")
    if lend is not Lent:
        there = xp.asarray(np.ascontiguousarray(data.T)).transpose(1, 0) if name != "backwards" else \
            xp.asarray(np.ascontiguousarray(data[::-1]))[::-1]
        lent = lend(there)
    else:
        lent = lend(data)
    np.testing.assert_array_equal(model().predict(lent, batch_size=5), model().predict(data, batch_size=5))
    found = [model().fit(of, Y[:len(data)], batch_size=5, verbose=0, shuffle=False).history for of in (lent, data)]
    assert found[0] == found[1]
    assert K.get_value(K.variable(lent)).tolist() == data.astype("float32").tolist()


def test_one_axis_and_none(lend):
    one = Sequential([Dense(1, input_shape=(1,), weights=[np.array([[2.0]]), np.zeros(1)])])
    assert one.predict(lend(np.array([1.0, 2.0], "float32"))).tolist() == [[2], [4]]
    with pytest.raises(ValueError, match="no data"):
        model().predict(lend(np.zeros((0, 3), "float32")))
    assert K.get_value(K.variable(lend(np.zeros((0, 3), "float32")))).shape == (0, 3)
    assert float(K.get_value(K.variable(lend(np.array(3.0, "float32"))))) == 3


def test_read_only_data():
    fixed = X.copy()
    fixed.setflags(write=False)
    np.testing.assert_array_equal(model().predict(fixed), model().predict(X))
    assert K.get_value(K.variable(fixed)).tolist() == X.tolist()


def test_shapes_are_checked_as_for_numpys(lend):
    with pytest.raises(ValueError, match=r"expected dense_\d+_input to have shape \(None, 3\).*\(12, 2\)"):
        model().predict(lend(Y))
    with pytest.raises(ValueError, match="same number of samples"):
        model().fit(lend(X), lend(Y[:5]), verbose=0)


# -- where things lie -------------------------------------------------------------------------------------------------
def test_host_memory_is_shared():
    mine = X.copy()
    assert np.shares_memory(device.adopt(Lent(mine)), mine)
    assert np.shares_memory(device.adopt(Tracked(mine)), mine)
    assert device.adopt(mine) is mine


def test_what_is_no_array_stays_as_it_is():
    for x in (3, 2.5, [1, 2], "text", None, np.float32(2)):
        assert device.adopt(x) is x


def test_a_library_that_refuses():
    class Locked(Lent):
        def __dlpack__(self, **kwargs):
            raise BufferError("locked away")
    with pytest.raises(ValueError, match=r"Locked of shape \(12, 3\) can't be read: DLPack refuses it: locked away"):
        model().predict(Locked(X))

    class Readable(Locked):
        def __array__(self, dtype=None, copy=None):
            return np.array(self.lent, dtype)
    np.testing.assert_array_equal(model().predict(Readable(X)), model().predict(X))

    class Elsewhere(Lent):
        def __dlpack_device__(self):
            return (8, 0)
    with pytest.raises(ValueError, match="DLPack's device type 8"):
        model().predict(Elsewhere(X))


@on_cpu
def test_a_gpus_array_on_the_cpu():
    np.testing.assert_array_equal(model().predict(Fetchable(X)), model().predict(X))

    class Stuck:
        __cuda_array_interface__ = Fetchable.__cuda_array_interface__
        shape, dtype = X.shape, X.dtype
    with pytest.raises(ValueError, match=r"Stuck.*it is on a GPU, and this process computes on the CPU.*to the host"):
        model().predict(Stuck())


@on_gpu
@pytest.mark.parametrize("lend", [OnGpu, CudaArray])
def test_device_memory_is_shared(lend):
    mine = xp.asarray(X)
    found = device.adopt(lend(mine))
    assert isinstance(found, xp.ndarray) and device.address(found) == device.address(mine)


@on_gpu
def test_another_gpu():
    with pytest.raises(ValueError, match="it is on GPU 1, and this process computes on GPU 0.*CUDA_VISIBLE_DEVICES"):
        model().predict(OnGpu(X, number=1))


@on_gpu
@pytest.mark.parametrize("lend", [OnGpu, CudaArray, xp.asarray])
def test_no_round_trip_to_the_host(lend, traffic):
    """What is on the device stays there: only weights, row numbers and totals go either way, not the data."""
    data = np.random.RandomState(0).normal(size=(4096, 64)).astype("float32")
    one = Sequential([Dense(64, input_shape=(64,))])
    one.compile("sgd", "mse")
    there = lend(data)
    one.fit(there, there, batch_size=512, epochs=2, verbose=0)
    start = traffic()
    one.fit(there, there, batch_size=512, epochs=2, verbose=0)
    one.evaluate(there, there, batch_size=512, verbose=0)
    one.train_on_batch(there, there)
    K.set_value(one.layers[0].kernel, K.variable(lend(data[:64])).array)
    results = one.predict(there, batch_size=512, on_device=True)
    moved = {way: count - start[way] for way, count in traffic().items()}
    assert isinstance(results, xp.ndarray) and results.shape == data.shape
    assert max(moved.values()) < data.nbytes / 4, moved


def test_results_on_the_device(lend):
    one = model()
    want = one.predict(X)
    for found in (one.predict(lend(X), batch_size=5, on_device=True), one.predict_on_batch(lend(X), on_device=True),
                  one.predict_function([lend(X)], on_device=True)[0]):
        assert isinstance(found, xp.ndarray)
        np.testing.assert_allclose(device.to_host(found), want, rtol=1e-6)
        assert found.__dlpack_device__()[0] == (1 if device.NAME == "numpy" else 2)
    second = Sequential([Dense(1, input_shape=(2,), weights=[np.ones((2, 1)), np.zeros(1)])])
    np.testing.assert_allclose(second.predict(found)[:, 0], want.sum(1), rtol=1e-5)


def test_a_value_on_the_device(lend):
    v = K.variable(lend(X))
    found = K.get_value(v, on_device=True)
    assert isinstance(found, xp.ndarray) and device.to_host(found).tolist() == X.tolist()
    found *= 0
    assert K.get_value(v).tolist() == X.tolist()


def test_op_by_op(lend):
    """K.debugging() takes the same data."""
    found = []
    for of in (np.asarray, lend):
        np.random.seed(0)
        with K.debugging():
            one = model()
            found.append((one.fit(of(X), of(Y), batch_size=5, verbose=0).history, one.predict(of(X)).tolist(),
                          device.to_host(one.predict(of(X), on_device=True)).tolist()))
    assert found[0] == found[1]


def test_nan_is_warned_of(lend):
    broken = X.copy()
    broken[3, 1] = np.nan
    with pytest.warns(UserWarning, match="contains NaN in 1 of 12 samples"):
        model().fit(lend(broken), Y, verbose=0)


def test_results_are_the_callers_own():
    one = model()
    first = one.predict(X, on_device=True)
    before = device.to_host(first).copy()
    one.predict(-X)
    one.predict_on_batch(-X)
    np.testing.assert_array_equal(device.to_host(first), before)


def test_a_generator_has_no_results_on_the_device():
    with pytest.raises(ValueError, match="on_device needs arrays"):
        model().predict((x for x in [X]), steps=1, on_device=True)


# -- the libraries themselves, where they are -------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16", "int64", "bool", "uint8"])
def test_torch(dtype):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    data = (torch.as_tensor(X) * 4).to(getattr(torch, dtype))
    plain = data.float().numpy()
    for tensor in (data, data.t().contiguous().t(), torch.cat([data, data])[::2]):
        expected = plain if tensor.shape == data.shape and (tensor == data).all() else tensor.float().numpy()
        np.testing.assert_array_equal(model().predict(tensor), model().predict(expected))
    assert K.get_value(K.variable(data)).tolist() == plain.tolist()
    if dtype in ("float32", "float64"):
        tracked = data.clone().requires_grad_()
        np.testing.assert_array_equal(model().predict(tracked * 2), model().predict(plain * 2))
        assert model().fit(tracked, torch.as_tensor(Y), verbose=0, shuffle=False).history == \
            model().fit(plain, Y, verbose=0, shuffle=False).history
        one = model()
        one.set_weights([torch.nn.Parameter(torch.as_tensor(w)) for w in W])
        assert one.get_weights()[0].tolist() == W[0].tolist()
        assert np.shares_memory(device.adopt(data), data.numpy())
    if dtype == "float32" and device.NAME == "numpy":
        back = torch.from_dlpack(model().predict(data))
        assert tuple(back.shape) == (12, 2)


def test_torch_that_can_not_be_read():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    with pytest.raises(ValueError, match=r"torch.Tensor of shape \(12, 3\) can't be read"):
        model().predict(torch.as_tensor(X).to_sparse())
    with pytest.raises(ValueError, match=r"torch.Tensor of shape \(12, 3\) can't be read"):
        model().predict(torch.empty(12, 3, device="meta"))


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
def test_jax():
    """In a process of its own: JAX warns of every later fork."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-m", "tests.engine.jax_arrays"], env=environment, capture_output=True,
                          text=True, timeout=240, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["float32", "float16", "bfloat16", "int32", "bool"]


def test_pandas():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame, target = pandas.DataFrame(X, columns=list("abc")), pandas.DataFrame(Y)
    np.testing.assert_array_equal(model().predict(frame), model().predict(X))
    assert model().fit(frame, target, verbose=0, shuffle=False).history == \
        model().fit(X, Y, verbose=0, shuffle=False).history
