"""The table of layers: every class of gpukeras.layers has a row, and every row passes the same check."""

from __future__ import annotations

import pytest

from gpukeras import backend as K
from gpukeras import layers
from tests.layers import rows_newer, rows_recurrent, rows_spatial
from tests.layers.layer_check import check_layer, check_training


def antirectify(x):
    """A function with an output shape other than its input's."""
    x = x - K.mean(x, axis=1, keepdims=True)
    return K.concatenate([K.relu(x), K.relu(-x)], axis=1)


def doubled(shape):
    return (shape[0], 2 * shape[1])


NAMED = {"antirectify": antirectify, "doubled": doubled, "relu": K.relu}

TABLE = [
    ("Dense", lambda: layers.Dense(3), (4,), {}),
    ("Dense", lambda: layers.Dense(3, activation="tanh", use_bias=False), (4,), {}),
    ("Dense", lambda: layers.Dense(2, activation="sigmoid"), (3, 4), {}),
    ("Dense", lambda: layers.Dense(2, activation="softmax"), (2, 3, 4), {}),
    ("Dense", lambda: layers.Dense(3, kernel_regularizer="l2", bias_regularizer="l1",
                                   activity_regularizer="l2",
                                   kernel_constraint="maxnorm", bias_constraint="nonneg"), (4,), {}),
    ("Activation", lambda: layers.Activation("relu"), (4,), {"smooth": 0.1}),
    ("Activation", lambda: layers.Activation("softmax"), (4, 3), {}),
    ("Activation", lambda: layers.Activation(K.relu), (4,), {"smooth": 0.1, "custom_objects": NAMED}),
    ("ActivityRegularization", lambda: layers.ActivityRegularization(l1=0.1, l2=0.2), (4,), {}),
    ("Dropout", lambda: layers.Dropout(0.5, seed=3), (4,), {}),
    ("Dropout", lambda: layers.Dropout(0.5, noise_shape=(None, 1, 3)), (2, 3), {}),
    ("Flatten", lambda: layers.Flatten(), (3, 4), {}),
    ("Flatten", lambda: layers.Flatten(data_format="channels_first"), (2, 3, 4), {}),
    ("Flatten", lambda: layers.Flatten(), (4,), {}),
    ("Reshape", lambda: layers.Reshape((8, 1)), (2, 4), {}),
    ("Reshape", lambda: layers.Reshape((-1, 2)), (2, 4), {}),
    ("Permute", lambda: layers.Permute((3, 1, 2)), (2, 3, 4), {}),
    ("RepeatVector", lambda: layers.RepeatVector(3), (4,), {}),
    ("Masking", lambda: layers.Masking(0.5), (3, 2), {}),
    ("Lambda", lambda: layers.Lambda(antirectify), (4,), {"custom_objects": NAMED}),
    ("Lambda", lambda: layers.Lambda(antirectify, output_shape=doubled), (4,), {"custom_objects": NAMED}),
    ("LeakyReLU", lambda: layers.LeakyReLU(0.2), (4,), {"smooth": 0.1}),
    ("PReLU", lambda: layers.PReLU(), (2, 3), {"smooth": 0.1}),
    ("PReLU", lambda: layers.PReLU(alpha_regularizer="l2", shared_axes=[1, 2]), (2, 3, 4), {"smooth": 0.1}),
    ("ELU", lambda: layers.ELU(0.7), (4,), {"smooth": 0.1}),
    ("ThresholdedReLU", lambda: layers.ThresholdedReLU(0.05), (4,), {"smooth": 0.1}),
    ("Softmax", lambda: layers.Softmax(axis=1), (3, 4), {}),
    ("ReLU", lambda: layers.ReLU(max_value=3.0, negative_slope=0.1), (4,), {"smooth": 0.1}),
    ("ReLU", lambda: layers.ReLU(threshold=0.05, negative_slope=0.1), (4,), {"smooth": 0.1}),
    ("GaussianNoise", lambda: layers.GaussianNoise(0.5), (4,), {}),
    ("GaussianDropout", lambda: layers.GaussianDropout(0.5), (4,), {}),
    ("AlphaDropout", lambda: layers.AlphaDropout(0.5, seed=1), (4,), {}),
    ("SpatialDropout1D", lambda: layers.SpatialDropout1D(0.5), (3, 4), {}),
    ("SpatialDropout2D", lambda: layers.SpatialDropout2D(0.5, data_format="channels_first"), (3, 4, 5), {}),
    ("SpatialDropout3D", lambda: layers.SpatialDropout3D(0.5), (2, 3, 4, 5), {}),
    *rows_spatial.ROWS,
    *rows_recurrent.ROWS,
    *rows_newer.ROWS,
]


pytestmark = pytest.mark.usefixtures("float64")


@pytest.mark.parametrize(("name", "make", "shape", "options"), TABLE,
                         ids=[f"{row[0]}-{i}" for i, row in enumerate(TABLE)])
def test_layer(name, make, shape, options):
    assert type(make()).__name__ == name
    check_layer(make, shape, **options)


@pytest.mark.parametrize(("name", "make", "shape", "options"), TABLE,
                         ids=[f"{row[0]}-{i}" for i, row in enumerate(TABLE)])
def test_training_step(name, make, shape, options):
    check_training(make, shape)


def test_every_layer_has_a_row():
    objects = [getattr(layers, name) for name in layers.__all__]
    classes = {c.__name__ for c in objects if isinstance(c, type) and issubclass(c, layers.Layer)}
    of_several = {"Add", "Average", "Concatenate", "Dot", "Maximum", "Minimum", "Multiply", "Subtract"}  # test_merge.py
    of_several |= {"AdditiveAttention", "Attention", "MultiHeadAttention"}  # test_attention.py
    of_keras_1 = {"Highway", "MaxoutDense", "Merge"}  # which warn: test_legacy.py, test_merge_keras1.py
    # bases and parts of layers with rows
    parts = {"ConvRecurrent2D", "GRUCell", "LSTMCell", "Recurrent", "SimpleRNNCell", "StackedRNNCells", "Wrapper"}
    elsewhere = {"Layer", "InputLayer", "Embedding"}  # Embedding takes whole numbers: test_embeddings.py
    elsewhere |= of_several | of_keras_1 | parts
    assert classes - elsewhere <= {row[0] for row in TABLE}
