"""Models that are trained by some of their outputs only, and the data that such models are given."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.layers import Dense, Embedding, Input, Lambda
from gpukeras.models import Model, load_model
from gpukeras.optimizers import SGD, Adam, AdamW, Optimizer

RANDOM = np.random.RandomState(3)
X, ONE, TWO = RANDOM.rand(8, 4), RANDOM.rand(8, 2), RANDOM.rand(8, 1)
LEFT_OUT = "does not depend on the weights 'one/kernel:0', 'one/bias:0'"


def two_outputs():
    x = Input(shape=(4,), name="x")
    h = Dense(3, name="h")(x)
    return Model(x, [Dense(2, name="one")(h), Dense(1, name="two")(h)])


@pytest.mark.parametrize("make", [lambda: SGD(0.1, momentum=0.9), Adam, lambda: AdamW(weight_decay=0.5)],
                         ids=["sgd", "adam", "adamw"])
@pytest.mark.parametrize("named", [True, False], ids=["dict", "list"])
def test_an_output_without_a_loss_keeps_its_weights_and_the_rest_is_trained(make, named):
    whole, alone = two_outputs(), None
    alone = Model(whole.input, whole.outputs[1])
    start = whole.get_weights()
    if named:
        with pytest.warns(UserWarning, match='Output "one" missing from loss dictionary'):
            whole.compile(make(), {"two": "mse"})
    else:
        whole.compile(make(), [None, "mse"])
    with pytest.warns(UserWarning, match=LEFT_OUT):
        history = whole.fit(X, TWO, epochs=3, shuffle=False, verbose=0).history
    assert list(history) == ["loss", "two_loss"]
    trained = whole.get_weights()
    assert [np.array_equal(a, b) for a, b in zip(start, trained)] == [False, False, True, True, False, False]
    whole.set_weights(start)
    alone.compile(make(), "mse")
    alone.fit(X, TWO, epochs=3, shuffle=False, verbose=0)
    for a, b in zip(trained, whole.get_weights()):
        np.testing.assert_array_equal(a, b)


@pytest.mark.filterwarnings("ignore:The loss does not depend")
def test_targets_may_be_given_for_all_outputs_or_for_those_with_a_loss():
    model = two_outputs()
    model.compile("sgd", [None, "mse"])
    want = model.test_on_batch(X, TWO)
    for y in ([TWO], [None, TWO], [ONE, TWO], {"two": TWO}, {"one": ONE, "two": TWO}):
        assert model.test_on_batch(X, y) == want
    weights = np.arange(8.0)
    want = model.test_on_batch(X, TWO, weights)
    assert model.test_on_batch(X, [None, TWO], [None, weights]) == want
    assert model.test_on_batch(X, TWO, {"two": weights}) == want
    model.fit(X, [None, TWO], validation_data=(X, [None, TWO]), verbose=0)
    rows = [[1.0], [2.0]]  # two samples of the one output, not one sample of each
    assert model.test_on_batch(X[:2], rows) == model.test_on_batch(X[:2], np.array(rows))


def test_missing_arrays_are_named():
    model = two_outputs()
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="None was given for output 'one'.*compile gives a loss"):
        model.fit(X, [None, TWO], verbose=0)
    single = Model(model.input, model.outputs[0])
    single.compile("sgd", "mse")
    with pytest.raises(ValueError, match="None was given for output 'one'") as caught:
        single.fit(X, verbose=0)
    assert "compile" not in str(caught.value)
    with pytest.raises(ValueError, match="None was given for input 'x'"):
        single.fit(None, ONE, verbose=0)


def test_nothing_to_train_is_an_error():
    x = Input(shape=(3,))
    model = Model(x, Lambda(K.round)(Dense(2, name="d")(x)))
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="Nothing can be trained.*weights 'd/kernel:0', 'd/bias:0'"):
        model.fit(X[:, :3], ONE, verbose=0)


def test_a_rule_of_the_users_own_gets_zeros():
    class Descent(Optimizer):
        def get_updates(self, loss, params):
            return [K.update_sub(p, g) for p, g in zip(params, self.get_gradients(loss, params))]

    model = two_outputs()
    start = model.get_weights()
    model.compile(Descent(clipnorm=1.0), [None, "mse"])
    with pytest.warns(UserWarning, match=LEFT_OUT):
        model.train_on_batch(X, TWO)
    assert [np.array_equal(a, b) for a, b in zip(start, model.get_weights())] == [False] * 2 + [True] * 2 + [False] * 2


def test_many_weights_without_gradient_are_counted():
    x = Input(shape=(2,), dtype="int32")
    used = Embedding(3, 1, name="used")(x)
    model = Model(x, [used, *(Embedding(3, 1, name=f"e{i}")(x) for i in range(10))])
    model.compile("sgd", ["mse", *[None] * 10])
    with pytest.warns(UserWarning, match="'e7/embeddings:0' and 2 more"):
        model.train_on_batch(np.zeros((1, 2)), np.zeros((1, 2, 1)))


@pytest.mark.filterwarnings("ignore:The loss does not depend")
def test_training_goes_on_after_saving(tmp_path):
    model = two_outputs()
    model.compile("adam", [None, "mse"])
    model.fit(X, TWO, verbose=0)
    model.save(tmp_path / "some.h5")
    again = load_model(tmp_path / "some.h5")
    for m in (model, again):
        m.fit(X, TWO, epochs=2, shuffle=False, verbose=0)
    for a, b in zip(model.get_weights() + model.optimizer.get_weights(),
                    again.get_weights() + again.optimizer.get_weights()):
        np.testing.assert_array_equal(a, b)
