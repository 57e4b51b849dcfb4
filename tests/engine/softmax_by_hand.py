"""A softmax model and the same model written out in NumPy, for the tests of training."""

from __future__ import annotations

import numpy as np

from gpukeras.layers import Dense
from gpukeras.models import Sequential
from gpukeras.optimizers import SGD

STATE = np.random.RandomState(11)
X = STATE.normal(size=(23, 3))  # 23 rows in batches of 8: the last has 7
Y = STATE.randint(0, 2, size=23)
HOT = np.eye(2)[Y]


def softmax_model(lr=0.5, **options):
    np.random.seed(3)
    model = Sequential([Dense(2, activation="softmax", input_shape=(3,))])
    model.compile(SGD(lr=lr), "categorical_crossentropy", **{"metrics": ["acc"], **options})
    return model


class Softmax:
    """The same model by hand, in float64."""

    def __init__(self, model, lr=0.5):
        self.w, self.b = (np.asarray(a, "float64") for a in model.get_weights())
        self.lr = lr

    def predict(self, x):
        e = np.exp(x @ self.w + self.b)
        return e / e.sum(axis=1, keepdims=True)

    def values(self, x, t, weights=None):
        """Loss and accuracy of a batch."""
        p = self.predict(x)
        losses = -(t * np.log(p)).sum(axis=1)
        weights = np.ones(len(x)) if weights is None else weights
        hits = p.argmax(axis=1) == t.argmax(axis=1)
        return np.array([(losses * weights).mean() / (weights != 0).mean(), hits.mean()])

    def step(self, x, t, weights=None):
        values = self.values(x, t, weights)
        weights = np.ones(len(x)) if weights is None else weights
        g = (self.predict(x) - t) * weights[:, None] / (weights != 0).sum()
        self.w, self.b = self.w - self.lr * x.T @ g, self.b - self.lr * g.sum(axis=0)
        return values

    def epoch(self, x, t, order, batch=8, weights=None):
        """Averages over the samples of all batches."""
        total = np.zeros(2)
        for start in range(0, len(order), batch):
            rows = order[start:start + batch]
            total += self.step(x[rows], t[rows], None if weights is None else weights[rows]) * len(rows)
        return total / len(order)

    def agrees(self, model):
        """Whether the model has these weights."""
        return all(np.allclose(got, want, 1e-5, 1e-5) for got, want in zip(model.get_weights(), (self.w, self.b)))


def assert_close(got, want, tolerance=1e-5):
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)
