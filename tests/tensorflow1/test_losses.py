"""TensorFlow's losses and parts of networks, as programs for Keras 2 use them."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.tensorflow1.names import named

RNG = np.random.RandomState(0)
Z = RNG.randn(4, 3).astype("float32")
P = 1 / (1 + np.exp(-Z))
Y = np.eye(3, dtype="float32")[[0, 2, 1, 0]]
W = np.array([[1], [0], [2], [3]], "float32")
X = RNG.randn(2, 6, 5, 3).astype("float32")
LOG_SOFTMAX = Z - np.log(np.exp(Z).sum(1, keepdims=True))


@pytest.mark.parametrize(("name", "call", "expected"), [
    ("mean_squared_error", lambda f: f(Y, P), ((Y - P) ** 2).mean()),
    ("absolute_difference", lambda f: f(Y, P, W), (np.abs(Y - P) * W).sum() / 9),
    ("absolute_difference", lambda f: f(Y, P, 0.0), 0.0),
    ("huber_loss", lambda f: f(Y, P * 4, delta=2.0, reduction="none"),
     np.where(np.abs(Y - P * 4) < 2, (Y - P * 4) ** 2 / 2, 2 * np.abs(Y - P * 4) - 2)),
    ("log_loss", lambda f: f(Y, P), -(Y * np.log(P) + (1 - Y) * np.log(1 - P)).mean()),
    ("cosine_distance", lambda f: f(Y, P, dim=1), 1 - (Y * P).sum(1).mean()),
    ("hinge_loss", lambda f: f(Y, Z), np.maximum(1 - (2 * Y - 1) * Z, 0).mean()),
    ("sigmoid_cross_entropy", lambda f: f(Y, Z, label_smoothing=0.2),
     (np.log1p(np.exp(Z)) - Z * (Y * 0.8 + 0.1)).mean()),
    ("softmax_cross_entropy", lambda f: f(Y, Z, W[:, 0]), -((Y * LOG_SOFTMAX).sum(1) * W[:, 0]).sum() / 3),
    ("softmax_cross_entropy", lambda f: f(Y, Z, label_smoothing=0.3),
     -((Y * 0.7 + 0.1) * LOG_SOFTMAX).sum(1).mean()),
    ("sparse_softmax_cross_entropy", lambda f: f(Y.argmax(1), Z), -(Y * LOG_SOFTMAX).sum(1).mean()),
    *(("compute_weighted_loss", lambda f, kind=kind: f(Z, W, reduction=getattr(named("losses.Reduction"), kind)),
       of(Z * W))
      for kind, of in (("NONE", lambda x: x), ("SUM", np.sum), ("MEAN", lambda x: x.sum() / 18),
                       ("SUM_OVER_BATCH_SIZE", np.mean), ("SUM_BY_NONZERO_WEIGHTS", lambda x: x.sum() / 9))),
])
def test_losses(name, call, expected):
    np.testing.assert_allclose(K.eval(call(named(f"losses.{name}"))), expected, rtol=1e-4, atol=1e-6)


def neighbours(x, reach):
    """Sums over channels up to `reach` away."""
    near = np.abs(np.subtract.outer(np.arange(x.shape[-1]), np.arange(x.shape[-1]))) <= reach
    return x @ near.astype("float32")


def windows(x, size, strides, rates):
    """The cells of windows that lie inside, by the definition."""
    reach = [(n - 1) * r + 1 for n, r in zip(size, rates)]
    return np.array([[x[:, i:i + reach[0]:rates[0], j:j + reach[1]:rates[1]].reshape(len(x), -1)
                      for j in range(0, x.shape[2] - reach[1] + 1, strides[1])]
                     for i in range(0, x.shape[1] - reach[0] + 1, strides[0])]).transpose(2, 0, 1, 3)


@pytest.mark.parametrize(("name", "call", "expected"), [
    ("nn.lrn", lambda f: f(X, 1, bias=2.0, alpha=0.5, beta=0.75), X / (2 + 0.5 * neighbours(X * X, 1)) ** 0.75),
    ("nn.local_response_normalization", lambda f: f(X), X / (1 + neighbours(X * X, 5)) ** 0.5),
    ("nn.crelu", lambda f: f(Z), np.maximum(np.concatenate([Z, -Z], 1), 0)),
    ("nn.l2_normalize", lambda f: f(Z, dim=1), Z / np.linalg.norm(Z, axis=1, keepdims=True)),
    ("nn.l2_normalize", lambda f: f(Z, [0, 1], epsilon=100.0), Z / 10),
    ("nn.conv1d", lambda f: f(X[:, 0], np.ones((2, 3, 1)), 1, "VALID"),
     (X[:, 0, 1:] + X[:, 0, :-1]).sum(-1, keepdims=True)),
    ("nn.conv2d_transpose", lambda f: f(X, np.ones((1, 1, 2, 3)), [2, 6, 5, 2], [1, 1, 1, 1]),
     X.sum(-1, keepdims=True).repeat(2, -1)),
    ("nn.depthwise_conv2d", lambda f: f(X, np.ones((2, 1, 3, 1)), [1, 1, 1, 1], "VALID"), X[:, 1:] + X[:, :-1]),
    ("nn.separable_conv2d", lambda f: f(X, np.ones((1, 1, 3, 1)), np.ones((1, 1, 3, 1)), [1, 1, 1, 1], "SAME"),
     X.sum(-1, keepdims=True)),
    ("nn.atrous_conv2d", lambda f: f(X, np.ones((2, 1, 3, 1)), 3, "VALID"),
     (X[:, 3:] + X[:, :-3]).sum(-1, keepdims=True)),
    ("extract_image_patches", lambda f: f(X, [1, 2, 3, 1], [1, 2, 1, 1], [1, 2, 1, 1], "VALID"),
     windows(X, (2, 3), (2, 1), (2, 1))),
    ("extract_image_patches", lambda f: f(X, ksizes=[1, 3, 3, 1], strides=[1, 1, 1, 1], rates=[1] * 4, padding="SAME"),
     windows(np.pad(X, [(0, 0), (1, 1), (1, 1), (0, 0)]), (3, 3), (1, 1), (1, 1))),
])
def test_networks(name, call, expected):
    np.testing.assert_allclose(K.eval(call(named(name))), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "constant"), [
    ("nn.softmax_cross_entropy_with_logits", True), ("nn.softmax_cross_entropy_with_logits_v2", False),
    ("losses.softmax_cross_entropy", True),
])
def test_labels_that_are_constants_to_derivatives(name, constant):
    labels, logits = K.placeholder((4, 3)), K.placeholder((4, 3))
    loss = named(name)(labels, logits) if constant and "losses" in name else named(name)(labels=labels, logits=logits)
    assert (K.gradients(loss, [labels])[0] is None) == constant


def test_refusals():
    with pytest.raises(ValueError, match="unknown reduction"):
        named("losses.absolute_difference")(Y, P, reduction="mean")
    with pytest.raises(NotImplementedError, match="data_format"):
        named("nn.depthwise_conv2d")(X, np.ones((1, 1, 3, 1)), [1] * 4, "SAME", data_format="NCHW")
    with pytest.raises(AttributeError, match="get_total_loss"):
        named("losses").get_total_loss  # noqa: B018
