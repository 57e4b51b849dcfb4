"""Keras 1's spellings: one warning that gives the call of today, and the layer that this call makes."""

from __future__ import annotations

import re

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import layers, models, optimizers
from gpukeras.layers import Input
from gpukeras.utils.keras1 import Spelling

# What a program of Keras 1 writes, and what the warning says to write.
CALLS = [
    ("Dense(output_dim=2, init='normal', W_regularizer='l1', b_constraint='nonneg', bias=True)",
     "Dense(units=2, kernel_initializer='normal', kernel_regularizer='l1', bias_constraint='nonneg', use_bias=True)"),
    ("Dropout(p=0.5)", "Dropout(rate=0.5)"),
    ("SpatialDropout2D(p=0.5, dim_ordering='th')", "SpatialDropout2D(rate=0.5, data_format='channels_first')"),
    ("GaussianNoise(sigma=1)", "GaussianNoise(stddev=1)"),
    ("PReLU(init='ones')", "PReLU(alpha_initializer='ones')"),
    ("BatchNormalization(mode=0, beta_init='ones')", "BatchNormalization(beta_initializer='ones')"),
    ("Embedding(5, 2, init='normal', dropout=0.2)", "Embedding(5, 2, embeddings_initializer='normal')"),
    ("Convolution1D(nb_filter=8, filter_length=3, subsample_length=2, border_mode='same', input_dim=4)",
     "Conv1D(input_shape=(None, 4), filters=8, kernel_size=3, strides=2, padding='same')"),
    ("Convolution2D(32, 3, 3)", "Conv2D(32, (3, 3))"),
    ("Convolution2D(32, 3, 2, border_mode='same', subsample=(2, 2), dim_ordering='tf')",
     "Conv2D(32, (3, 2), strides=(2, 2), padding='same', data_format='channels_last')"),
    ("Convolution2D(32, 3, nb_col=5)", "Conv2D(32, (3, 5))"),
    ("Convolution2D(nb_filter=32, nb_row=3, nb_col=5)", "Conv2D(kernel_size=(3, 5), filters=32)"),
    ("Convolution3D(4, 3, 2, 1)", "Conv3D(4, (3, 2, 1))"),
    ("Convolution3D(4, kernel_dim1=3, kernel_dim2=2, kernel_dim3=1)", "Conv3D(4, (3, 2, 1))"),
    ("Deconvolution2D(4, 3, 3, output_shape=(None, 8, 8, 4), border_mode='same')",
     "Conv2DTranspose(4, (3, 3), padding='same')"),
    ("Deconvolution2D(4, 3, 3, (None, 8, 8, 4))", "Conv2DTranspose(4, (3, 3))"),
    ("SeparableConvolution2D(4, 3, 3, init='normal')",
     "SeparableConv2D(4, (3, 3), depthwise_initializer='normal', pointwise_initializer='normal')"),
    ("ConvLSTM2D(4, 3, 3, inner_init='uniform', forget_bias_init='one', dropout_U=0.1)",
     "ConvLSTM2D(4, (3, 3), unit_forget_bias=True, recurrent_initializer='uniform', recurrent_dropout=0.1)"),
    ("LocallyConnected1D(nb_filter=2, filter_length=3, subsample_length=2, input_dim=2, input_length=6)",
     "LocallyConnected1D(input_shape=(6, 2), filters=2, kernel_size=3, strides=2)"),
    ("LocallyConnected2D(2, 3, 2, subsample=(2, 1), dim_ordering='tf', bias=False)",
     "LocallyConnected2D(2, (3, 2), strides=(2, 1), data_format='channels_last', use_bias=False)"),
    ("MaxPooling1D(pool_length=3, stride=2, border_mode='same')",
     "MaxPooling1D(pool_size=3, strides=2, padding='same')"),
    ("AveragePooling2D((2, 2), border_mode='same', dim_ordering='default')",
     "AveragePooling2D((2, 2), padding='same', data_format=None)"),
    ("MaxPooling3D(dim_ordering='th')", "MaxPooling3D(data_format='channels_first')"),
    ("GlobalMaxPooling2D(dim_ordering='th')", "GlobalMaxPooling2D(data_format='channels_first')"),
    ("UpSampling1D(length=3)", "UpSampling1D(size=3)"),
    ("UpSampling2D(dim_ordering='th')", "UpSampling2D(data_format='channels_first')"),
    ("Cropping3D(dim_ordering='th')", "Cropping3D(data_format='channels_first')"),
    ("ZeroPadding2D({'top_pad': 1, 'right_pad': 4})", "ZeroPadding2D(padding=((1, 0), (0, 4)))"),
    ("LSTM(output_dim=2, consume_less='gpu', inner_activation='relu', dropout_W=0.1, input_dim=3, input_length=5)",
     "LSTM(input_shape=(5, 3), units=2, recurrent_activation='relu', dropout=0.1, implementation=2)"),
]
NOW = [
    "Conv2D(32, 3)", "Conv2D(32, (3, 3))", "Conv2D(32, 3, strides=2)", "Conv2D(32, 3, (2, 2))",
    "Conv2D(32, 3, 2, padding='same')", "Conv2D(32, 3, 2, 'same')", "Conv2D(32, np.int64(3))",
    "Conv2DTranspose(4, 3, 2, 'same')", "Conv3D(4, 3, 2)", "Conv1D(4, 3, 2)", "ZeroPadding2D(1)", "Dense(2, 'relu')",
    "Embedding(5, 2)",
]


def make(call: str):
    names = {name: getattr(layers, name) for name in layers.__all__}
    return eval(call, {**names, "np": np, "__name__": "program"})


def config(layer):
    return {name: value for name, value in layer.get_config().items() if name != "name"}


@pytest.mark.parametrize(("then", "now"), CALLS, ids=lambda call: str(call)[:40])
def test_the_layer_and_the_warning(then, now):
    with pytest.warns(UserWarning, match="is Keras 1 spelling") as caught:
        layer = make(then)
    assert len(caught) == 1 and f"Write `{now}`." in str(caught[0].message)
    assert caught[0].filename == "<string>"  # the line of the call
    assert config(layer) == config(make(now))


@pytest.mark.parametrize("call", NOW)
def test_calls_of_keras_2_do_not_warn(call, recwarn):
    make(call)
    assert not recwarn.list


def test_kernel_and_strides_as_numbers():
    """Ambiguous: Keras 2.0.9 takes two numbers for rows and columns, unless words of Keras 2 are in the call."""
    assert make("Conv2D(32, 3, 2, padding='same')").strides == (2, 2)
    assert make("Conv2D(32, 3, 2, 'same')").kernel_size == (3, 3)
    with pytest.warns(UserWarning, match="Keras 1"):
        assert make("Conv2D(32, 3, 2, activation='relu')").kernel_size == (3, 2)


@pytest.mark.parametrize(("call", "words"), [
    ("Dense(units=2, output_dim=2)", "Dense got both `units=` and its Keras 1 spelling `output_dim=`; keep `units=`"),
    ("Convolution3D(4, 3, 3, 3, 'uniform')", "'uniform' after the kernel's size (3, 3, 3) is Keras 1 order"),
    ("BatchNormalization(mode=1)", "mode=1 of Keras 1 is no longer there"),
    ("LSTM(2, forget_bias_init='one', unit_forget_bias=False)", "both `unit_forget_bias=` and its Keras 1 spelling"),
])
def test_what_cannot_be_meant(call, words):
    with pytest.raises(TypeError, match=re.escape(words)):
        make(call)


def test_names_of_sides():
    with pytest.raises(ValueError, match="top_pad, bottom_pad, left_pad and right_pad, got \\['up'\\]"):
        make("ZeroPadding2D({'up': 1})")


def test_what_is_given_up_is_said():
    with pytest.warns(UserWarning, match="add a SpatialDropout1D layer"):
        make("Embedding(5, 2, dropout=0.1)")
    with pytest.warns(UserWarning, match="Another value than 'one'.*is ignored"):
        assert make("LSTM(2, forget_bias_init='zero')").unit_forget_bias


def test_dilated_layers():
    with pytest.warns(UserWarning) as caught:
        layer = make("AtrousConvolution2D(4, 3, 3, atrous_rate=(2, 2), border_mode='same')")
    assert [str(w.message)[:46] for w in caught][0] == "`AtrousConvolution2D` is a layer of Keras 1. W"
    assert (layer.dilation_rate, layer.kernel_size, layer.padding) == ((2, 2), (3, 3), "same")
    with pytest.warns(UserWarning, match=r"Conv1D\(..., dilation_rate=2\)"):
        assert make("AtrousConvolution1D(4, 3, atrous_rate=2)").dilation_rate == (2,)


def test_models_and_training():
    x = Input(shape=(3,))
    y = layers.Dense(1)(x)
    with pytest.warns(UserWarning, match=r"Write `Model\(inputs=..., outputs=...\)`"):
        model = models.Model(input=x, output=y)
    model.compile("sgd", "mse")
    data = np.ones((4, 3)), np.ones((4, 1))
    with pytest.warns(UserWarning, match=r"Write `fit\(..., ..., verbose=0, epochs=2\)`"):
        assert len(model.fit(*data, verbose=0, nb_epoch=2).epoch) == 2
    stack = models.Sequential([layers.Dense(1, input_shape=(3,))])
    stack.compile("sgd", "mse")
    with pytest.warns(UserWarning, match="epochs=3"):
        assert len(stack.fit(*data, verbose=0, nb_epoch=3).epoch) == 3
    with pytest.raises(TypeError, match="fit got both `epochs=`"):
        stack.fit(*data, verbose=0, nb_epoch=3, epochs=3)


def test_samples_become_batches_where_the_batch_size_is_known():
    class Batches:
        batch_size = 5

        def __iter__(self):
            return self

        def __next__(self):
            return np.ones((5, 3)), np.ones((5, 1))

    model = models.Sequential([layers.Dense(1, input_shape=(3,))])
    model.compile("sgd", "mse")
    with pytest.warns(UserWarning, match="steps_per_epoch=4.*counts batches now, not samples"):
        history = model.fit_generator(Batches(), samples_per_epoch=20, verbose=0)
    assert history.params["steps"] == 4


def test_get_updates_with_the_parameters_first():
    w = K.variable([1.0, 2.0])
    loss = K.sum(K.square(w))
    with pytest.warns(UserWarning, match="`\\(params, constraints, loss\\)` is Keras 1 spelling"):
        updates = optimizers.SGD(lr=0.1).get_updates([w], {}, loss)
    K.function([], [], updates=updates)([])
    np.testing.assert_allclose(K.get_value(w), [0.8, 1.6], rtol=1e-6)


def test_a_layer_of_the_users_own():
    from gpukeras.legacy import interfaces

    class Mine(layers.Layer):
        @interfaces.legacy_conv2d_support
        def __init__(self, filters, kernel_size, **kwargs):
            super().__init__(**kwargs)
            self.kernel_size = kernel_size

    with pytest.warns(UserWarning, match=r"Write `Mine\(3, \(2, 2\)\)`"):
        assert Mine(3, 2, 2).kernel_size == (2, 2)

    @Spelling({"old": "new"})
    def free(self, new=1):
        return new

    with pytest.warns(UserWarning, match=r"Write `free\(new=2\)`"):
        assert free(None, old=2) == 2
