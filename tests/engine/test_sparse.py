"""SciPy's sparse matrices as data: the results of the dense arrays, without ever being dense as a whole."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.engine.sparse import SparseRows
from gpukeras.layers import Dense, Input, concatenate
from gpukeras.models import Model, Sequential

sparse = pytest.importorskip("scipy.sparse")
RNG = np.random.RandomState(0)
DENSE = RNG.rand(10, 6) * (RNG.rand(10, 6) < 0.3)
Y = RNG.rand(10, 2)
FORMATS = ["csr", "csc", "coo", "lil"]


def model(**arguments):
    np.random.seed(3)
    x = Input((6,), **arguments)
    made = Model(x, Dense(2)(x))
    made.compile("sgd", "mse", metrics=["mae"])
    return made


@pytest.mark.parametrize("kind", FORMATS)
def test_every_method_gives_what_the_dense_array_gives(kind):
    x = sparse.coo_matrix(DENSE).asformat(kind)
    for run in (
        lambda m, x: m.fit(x, Y, batch_size=4, epochs=2, verbose=0, shuffle=False).history,
        lambda m, x: m.fit(x, Y, batch_size=4, epochs=2, verbose=0, validation_split=0.3, shuffle=False).history,
        lambda m, x: m.fit(x, Y, batch_size=4, epochs=1, verbose=0, validation_data=(x, Y), shuffle=False).history,
        lambda m, x: m.fit([x], Y, batch_size=4, epochs=1, verbose=0, shuffle="batch").history,
        lambda m, x: m.evaluate(x, Y, batch_size=4, verbose=0),
        lambda m, x: m.predict(x, batch_size=4),
        lambda m, x: m.train_on_batch(x, Y),
        lambda m, x: m.test_on_batch(x, Y),
        lambda m, x: m.predict_on_batch(x),
    ):
        made = [model(), model(sparse=True)]
        results = []
        for one, data in zip(made, (DENSE, x)):
            np.random.seed(5)
            results.append(run(one, data))
        if isinstance(results[0], dict):
            assert {k: np.float32(v).tolist() for k, v in results[0].items()} == {
                k: np.float32(v).tolist() for k, v in results[1].items()}
        else:
            np.testing.assert_array_equal(*results)
        np.testing.assert_array_equal(made[0].get_weights()[0], made[1].get_weights()[0])


def test_a_sequential_without_input_shape_and_two_inputs():
    x = sparse.csr_matrix(DENSE)
    stack = Sequential([Dense(2)])
    stack.compile("sgd", "mse")
    stack.fit(x, Y, epochs=1, verbose=0)
    assert stack.input_shape == (None, 6)
    a, b = Input((6,), sparse=True), Input((6,))
    both = Model([a, b], Dense(1)(concatenate([a, b])))
    np.testing.assert_array_equal(both.predict([x, DENSE]), both.predict([DENSE, DENSE]))


def test_batches_of_a_generator():
    x, made = sparse.csr_matrix(DENSE), model()
    assert made.fit_generator(iter([(x[:5], Y[:5]), (x[5:], Y[5:])]), 2, verbose=0).history["loss"][0] > 0


def test_only_batches_become_dense(monkeypatch):
    rows = []
    plain = SparseRows.__getitem__
    monkeypatch.setattr(SparseRows, "__getitem__", lambda self, which: rows.append(plain(self, which)) or rows[-1])
    monkeypatch.setattr(SparseRows, "__array__", None)
    model().fit(sparse.csr_matrix(DENSE), Y, batch_size=4, epochs=1, verbose=0, validation_split=0.5)
    assert rows and max(len(part) for part in rows) <= 4


def test_shapes_and_what_they_say():
    with pytest.raises(ValueError, match=r"\(None, 6\).*\(10, 5\)"):
        model().predict(sparse.csr_matrix(DENSE[:, :5]))
    assert model(sparse=True).get_config()["layers"][0]["config"]["sparse"]


def test_the_backend_functions():
    x = sparse.csr_matrix(DENSE.astype("float32"))
    v, p = K.variable(x), K.placeholder((None, 6), sparse=True)
    assert K.is_sparse(v) and K.is_sparse(p) and not K.is_sparse(K.to_dense(p)) and not K.is_sparse(K.variable(DENSE))
    np.testing.assert_array_equal(K.get_value(v), x.toarray())
    np.testing.assert_allclose(K.eval(K.dot(v, K.transpose(v))), (x @ x.T).toarray(), rtol=1e-6)
    np.testing.assert_array_equal(K.function([p], [K.to_dense(p)])([x])[0], x.toarray())
    assert K.to_dense(5) == 5
