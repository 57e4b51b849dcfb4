"""Attention layers: the numbers are those of Keras 2.15 for the same inputs and weights."""

from __future__ import annotations

import json

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.engine.serialization import json_ready
from gpukeras.layers import (
    Add,
    AdditiveAttention,
    Attention,
    Dense,
    GlobalAveragePooling1D,
    Input,
    LayerNormalization,
    Masking,
    MultiHeadAttention,
)
from gpukeras.models import Model, model_from_json
from gpukeras.optimizers import Adam


def numbers(*shape, seed=0):
    return np.asarray(np.round(np.random.RandomState(seed).uniform(-1, 1, shape), 2))


Q, V, KEY, GRID = numbers(2, 3, 4), numbers(2, 5, 4, seed=1), numbers(2, 5, 4, seed=2), numbers(2, 3, 2, 4, seed=4)
MASKED_Q, MASKED_V = Q.copy(), V.copy()
MASKED_Q[0, 2] = MASKED_V[0, 1] = MASKED_V[1, 3:] = 0
VISIBLE = np.random.RandomState(5).rand(2, 3, 5) > 0.4
VISIBLE[:, :, 0] = True


def run(layer, arrays, masked=False, outputs=1, **options):
    """The layer's outputs, with weights as in the run of Keras."""
    inputs = [Input(a.shape[1:]) for a in arrays]
    tensors = [Masking()(x) for x in inputs] if masked else inputs
    results = layer(tensors, **options)
    model = Model(inputs, results)
    model.set_weights([numbers(*w.shape, seed=7 + i) for i, w in enumerate(model.get_weights())])
    values = model.predict(list(arrays))
    values = values if isinstance(values, list) else [values]
    symbolic = results if isinstance(results, list) else [results]
    assert len(values) == outputs and [K.int_shape(r)[1:] for r in symbolic] == [v.shape[1:] for v in values]
    assert layer.compute_output_shape([a.shape for a in arrays]) == values[0].shape
    return values


def check(values, *expected):
    for value, (shape, first, total) in zip(values, expected):
        assert value.shape == shape
        np.testing.assert_allclose(value.ravel()[:len(first)], first, atol=2e-5)
        assert value.sum() == pytest.approx(total, abs=2e-4)


def test_dot_product():
    check(run(Attention(), [Q, V]), ((2, 3, 4), [-0.35111, 0.2187, -0.6967, -0.06749, -0.391], -1.6113))
    check(run(Attention(use_scale=True), [Q, V, KEY], outputs=2, return_attention_scores=True),
          ((2, 3, 4), [-0.37413, 0.11181, -0.7009, -0.11493, -0.29656], -1.6957),
          ((2, 3, 5), [0.24219, 0.21361, 0.19988, 0.19234, 0.15198], 6.0))


def test_other_scores():
    check(run(Attention(use_scale=True, score_mode="concat"), [Q, V, KEY]),
          ((2, 3, 4), [-0.39018, 0.12221, -0.71581, -0.09363, -0.39938], -2.1583))
    check(run(AdditiveAttention(), [Q, V, KEY]),
          ((2, 3, 4), [-0.46298, 0.22779, -0.72226, 0.06246, -0.45119], -2.082))
    assert not AdditiveAttention(use_scale=False).weights


def test_causal():
    check(run(Attention(), [Q, Q], use_causal_mask=True),
          ((2, 3, 4), [0.1, 0.43, 0.21, 0.09, -0.05996, 0.34042, -0.00115], 4.437))


def test_masked():
    value, = run(Attention(), [MASKED_Q, MASKED_V], masked=True)
    check([value], ((2, 3, 4), [-0.29964, 0.36767, -0.70627, -0.03271, -0.34467], -0.546))
    assert not value[0, 2].any()


HEADS = ((2, 3, 4), [1.602, -0.06221, 0.12272, -0.36133, 1.67651, -0.22713, 0.33875], -1.2172)


def test_heads():
    layer = MultiHeadAttention(2, 3)
    check(run(layer, [Q, V]), HEADS)
    assert [w.shape for w in layer.get_weights()] == [(4, 2, 3), (2, 3)] * 3 + [(2, 3, 4), (4,)]
    names = [w.name.split("/", 1)[1] for w in layer.weights]
    assert names[:2] == ["query/kernel:0", "query/bias:0"] and names[-1] == "attention_output/bias:0"
    layer = MultiHeadAttention(2, 3, value_dim=5, output_shape=6, use_bias=False)
    check(run(layer, [Q, V, KEY], outputs=2, return_attention_scores=True),
          ((2, 3, 6), [0.74655, -0.96579, -0.37964, 0.18161, -0.49755], -4.3322),
          ((2, 2, 3, 5), [0.16282, 0.22303, 0.19727, 0.33478, 0.0821], 12.0))
    assert [w.shape for w in layer.get_weights()] == [(4, 2, 3), (4, 2, 3), (4, 2, 5), (2, 5, 6)]


def test_heads_masked():
    check(run(MultiHeadAttention(2, 3), [MASKED_Q, MASKED_V], masked=True, outputs=2, return_attention_scores=True),
          ((2, 3, 4), [0.79564, 0.61037, -0.65791, -1.1691, 0.85449], -8.6621),
          ((2, 2, 3, 5), [0.20585, 0, 0.3178, 0.22769, 0.24866], 12.0))
    check(run(MultiHeadAttention(2, 3), [Q, Q], use_causal_mask=True),
          ((2, 3, 4), [0.1412, 1.47214, 1.09958, -0.88295, -0.0936], 4.0814))


@pytest.mark.parametrize("kind", ["input", "array", "tensor", "numbers"])
def test_attention_mask(kind):
    q, v, visible = Input((3, 4)), Input((5, 4)), Input((3, 5))
    masks = {"input": visible, "array": VISIBLE, "tensor": K.constant(VISIBLE * 1.0), "numbers": VISIBLE * 1}
    output = MultiHeadAttention(2, 3)(q, v, attention_mask=masks[kind])
    model = Model([q, v, visible] if kind == "input" else [q, v], output)
    model.set_weights([numbers(*w.shape, seed=7 + i) for i, w in enumerate(model.get_weights())])
    value = model.predict([Q, V, VISIBLE.astype("float32")] if kind == "input" else [Q, V])
    check([value], ((2, 3, 4), [1.79902, -0.27317, -0.01412, -0.29353, 2.09011], -1.4733))


AXES = [
    ({}, ((2, 3, 2, 4), [1.08942, 0.59296, 1.60969, -0.08207, 0.25785], 49.4113),
     ((2, 2, 3, 2, 3, 2), [0.16407, 0.19005, 0.18236, 0.1329, 0.18205], 24)),
    ({"attention_axes": (2,)}, ((2, 3, 2, 4), [1.49005, 0.31546, 4.13783, 1.07318, 1.30359], 50.5867),
     ((2, 3, 2, 2, 2), [0.46331, 0.53669, 0.56174, 0.43826, 0.47193], 24)),
    ({"attention_axes": 1, "output_shape": (2, 3)},
     ((2, 3, 2, 2, 3), [1.88796, 0.70043, 0.83648, -1.89745, -0.27092], 29.8429),
     ((2, 2, 2, 3, 3), [0.31045, 0.34506, 0.34449, 0.19726, 0.29392], 24)),
]


@pytest.mark.parametrize("options, output, weights", AXES, ids=["all", "last", "first"])
def test_attention_axes(options, output, weights):
    values = run(MultiHeadAttention(2, 3, **options), [GRID, GRID], outputs=2, return_attention_scores=True)
    check(values, output, weights)


def test_a_mask_over_several_axes():
    """Hiding by an attention mask is as leaving out."""
    layer, x = MultiHeadAttention(2, 3), Input((3, 2, 4))
    some = np.zeros((1, 3, 2, 3, 2), bool)
    some[..., :2, :] = True
    model = Model(x, [layer(x, x, attention_mask=some), layer(x, x)])
    hidden, _ = model.predict(GRID)
    first = Input((2, 2, 4))
    short = Model([x, first], layer(x, first))
    np.testing.assert_allclose(hidden, short.predict([GRID, GRID[:, :2]]), rtol=1e-5)


def test_steps_may_be_unknown():
    q, v = Input((None, 4)), Input((None, 4))
    layer = MultiHeadAttention(2, 3)
    output, scores = layer(Masking()(q), v, use_causal_mask=True, return_attention_scores=True)
    model = Model([q, v], [output, scores, Attention()([q, v], use_causal_mask=True)])
    a = model.predict([Q, V])
    b = model.predict([Q[:, :2], V[:, :4]])
    assert K.int_shape(output) == (None, None, 4) and a[1].shape == (2, 2, 3, 5) and b[1].shape == (2, 2, 2, 4)
    for x, y in zip(a[::2], b[::2]):
        np.testing.assert_allclose(x[:, :2], y, rtol=1e-4, atol=1e-6)
    rank4 = Input((None, None, 4))
    grid = Model(rank4, MultiHeadAttention(2, 3)(rank4, rank4, return_attention_scores=True))
    assert [p.shape for p in grid.predict(GRID)] == [(2, 3, 2, 4), (2, 2, 3, 2, 3, 2)]


MAKERS = {
    "attention": (lambda: Attention(use_scale=True), {}),
    "concat": (lambda: Attention(use_scale=True, score_mode="concat"), {"use_causal_mask": True}),
    "additive": (lambda: AdditiveAttention(), {}),
    "heads": (lambda: MultiHeadAttention(2, 3, value_dim=2), {}),
    "causal": (lambda: MultiHeadAttention(2, 3, output_shape=5, use_bias=False), {"use_causal_mask": True}),
}


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", MAKERS)
def test_gradients(name, masked):
    make, options = MAKERS[name]
    rng, layer = np.random.RandomState(3), make()
    query = Q if isinstance(layer, MultiHeadAttention) else MASKED_Q  # with heads a masked query sees rounding errors
    arrays = [query, MASKED_V, KEY] if masked else [Q, V, KEY]
    inputs = [Input(a.shape[1:]) for a in arrays]
    output = layer([Masking()(x) for x in inputs] if masked else inputs, **options)
    for w in layer.weights:
        K.set_value(w, rng.normal(size=w.shape))
    loss = K.sum(output * K.constant(rng.normal(size=(2, *K.int_shape(output)[1:]))))
    f = K.function(inputs, [loss, *K.gradients(loss, [*inputs, *layer.weights])])
    steps = [rng.normal(size=a.shape) * (a != 0) for a in arrays] + [rng.normal(size=w.shape) for w in layer.weights]
    start = layer.get_weights()

    def value(h):
        layer.set_weights([w + h * s for w, s in zip(start, steps[3:])])
        return f([a + h * s for a, s in zip(arrays, steps)])[0]

    expected = (value(1e-6) - value(-1e-6)) / 2e-6
    layer.set_weights(start)
    got = sum(np.sum(g * s) for g, s in zip(f(arrays)[1:], steps))
    np.testing.assert_allclose(got, expected, rtol=1e-6)


@pytest.mark.parametrize("layer", [Attention(True, "concat", dropout=0.25, name="a"), AdditiveAttention(False),
                                   MultiHeadAttention(2, 3, 4, 0.1, False, (5, 2), 1, kernel_regularizer="l2")],
                         ids=lambda layer: type(layer).__name__)
def test_configs_and_models_of_them(layer):
    q, v = Input((3, 4)), Input((5, 4))
    output, scores = layer(q, v, return_attention_scores=True) if isinstance(layer, MultiHeadAttention) else layer(
        [q, v], return_attention_scores=True)
    again = type(layer).from_config(json.loads(json.dumps(layer.get_config(), default=json_ready)))
    assert json.dumps(again.get_config(), default=json_ready) == json.dumps(layer.get_config(), default=json_ready)
    model = Model([q, v], [output, scores])
    copy = model_from_json(model.to_json())
    copy.set_weights(model.get_weights())
    for a, b in zip(model.predict([Q, V]), copy.predict([Q, V])):
        np.testing.assert_array_equal(a, b)
    assert len(model.predict([Q, V])) == 2


def test_config_of_keras():
    """What Keras 2.15 writes names the inputs' shapes, and asks for them."""
    config = MultiHeadAttention(2, 3).get_config()
    assert {config[f"{name}_shape"] for name in ("query", "key", "value")} == {None}
    layer = MultiHeadAttention.from_config({**config, "query_shape": [None, 3, 4], "key_shape": [None, 5, 4],
                                            "value_shape": [None, 5, 4]})
    assert layer.get_config()["key_shape"] == [None, 5, 4] and not layer.built


@pytest.mark.parametrize("make", [lambda: Attention(dropout=0.5), lambda: AdditiveAttention(dropout=0.5),
                                  lambda: MultiHeadAttention(2, 3, dropout=0.5)])
def test_dropout_is_for_training(make):
    q, v = Input((3, 4)), Input((5, 4))
    output = make()([q, v])
    f = K.function([q, v, K.learning_phase()], [output])
    test, train, other = f([Q, V, 0])[0], f([Q, V, 1])[0], f([Q, V, 1])[0]
    np.testing.assert_array_equal(test, f([Q, V, 0])[0])
    assert output._uses_learning_phase and not np.allclose(test, train) and not np.allclose(train, other)


def test_masks_go_on_with_the_query():
    q, v = Masking()(Input((3, 4))), Input((5, 4))
    for layer in (Attention(), MultiHeadAttention(2, 3)):
        output, scores = layer([q, v], return_attention_scores=True)
        node = layer.inbound_nodes[-1]
        assert node.output_masks[0] is node.input_masks[0] is not None and node.output_masks[1] is None
        layer([v, v])
        assert layer.inbound_nodes[-1].output_masks == [None]


def test_a_transformer_block_learns():
    """The features of the step whose first feature is largest: attention can look it up."""
    np.random.seed(0)
    x = np.random.rand(512, 5, 3)
    y = x[np.arange(512), x[:, :, 0].argmax(1)]
    inputs = Input((5, 3))
    hidden = MultiHeadAttention(2, 8)(inputs, inputs)
    hidden = LayerNormalization()(Add()([hidden, inputs]))
    model = Model(inputs, Dense(3)(GlobalAveragePooling1D()(Dense(16, activation="relu")(hidden))))
    model.compile(Adam(0.02), "mse")
    losses = model.fit(x, y, epochs=30, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * np.var(y, 0).mean() < losses[0]  # 0.27 of it; 0.79 without attention


def test_what_can_not_be():
    q, v = Input((3, 4), name="q"), Input((5, 6))
    wrong = [
        (lambda: Attention()(q), "must be called on a list"),
        (lambda: Attention()([q]), "must be called on a list"),
        (lambda: Attention()([q, v]), "must have the same number n of features"),
        (lambda: Attention()([q, v, Input((6, 4))]), "same number of steps"),
        (lambda: Attention(score_mode="cosine"), "score_mode must be 'dot' or 'concat'"),
        (lambda: MultiHeadAttention(2, 3)(q), "must be called on query, value and perhaps key, got 1"),
        (lambda: MultiHeadAttention(2, 3)(q, Input((4,))), "don't fit together"),
        (lambda: MultiHeadAttention(2, 3)(q, v, Input((4, 4))), "don't fit together"),
        (lambda: MultiHeadAttention(0, 3), "num_heads must be a positive integer"),
        (lambda: MultiHeadAttention(2, 3).build((None, 3, 4)), "built for the shapes of query, value"),
    ]
    for make, complaint in wrong:
        with pytest.raises(ValueError, match=complaint):
            make()
