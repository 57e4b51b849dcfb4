"""All layers, and making them from configs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..engine.input_layer import Input, InputLayer
from ..engine.input_spec import InputSpec
from ..engine.layer import Layer
from ..engine.sequential import Sequential as _Sequential
from ..engine.training import Model as _Model
from ..utils.generic_utils import Registry, serialize_keras_object
from ..utils.late import late
from .by_name import deserialize, may_be_named
from .merge import (
    Add,
    Average,
    Concatenate,
    Dot,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    concatenate,
    dot,
    maximum,
    minimum,
    multiply,
    subtract,
)
from .merge_keras1 import Merge, merge

if TYPE_CHECKING:
    from . import experimental as experimental
    from .advanced_activations import ELU, LeakyReLU, PReLU, ReLU, Softmax, ThresholdedReLU
    from .attention import AdditiveAttention, Attention
    from .convolutional import (
        AtrousConv1D,
        AtrousConv2D,
        AtrousConvolution1D,
        AtrousConvolution2D,
        Conv1D,
        Conv2D,
        Conv2DTranspose,
        Conv3D,
        Conv3DTranspose,
        Convolution1D,
        Convolution2D,
        Convolution2DTranspose,
        Convolution3D,
        Convolution3DTranspose,
        Cropping1D,
        Cropping2D,
        Cropping3D,
        Deconv2D,
        Deconv3D,
        Deconvolution2D,
        Deconvolution3D,
        DepthwiseConv1D,
        DepthwiseConv2D,
        SeparableConv1D,
        SeparableConv2D,
        SeparableConvolution1D,
        SeparableConvolution2D,
        UpSampling1D,
        UpSampling2D,
        UpSampling3D,
        ZeroPadding1D,
        ZeroPadding2D,
        ZeroPadding3D,
    )
    from .convolutional_recurrent import ConvLSTM2D, ConvRecurrent2D
    from .core import Activation, ActivityRegularization, Dense, Dropout, Masking
    from .cudnn_recurrent import CuDNNGRU, CuDNNLSTM
    from .dropout import SpatialDropout1D, SpatialDropout2D, SpatialDropout3D
    from .embeddings import Embedding
    from .lambda_layer import Lambda
    from .legacy import Highway, MaxoutDense
    from .local import LocallyConnected1D, LocallyConnected2D
    from .multi_head_attention import MultiHeadAttention
    from .noise import (
        AlphaDropout,
        GaussianDropout,
        GaussianNoise,
    )
    from .normalization import BatchNormalization, LayerNormalization
    from .pooling import (
        AveragePooling1D,
        AveragePooling2D,
        AveragePooling3D,
        AvgPool1D,
        AvgPool2D,
        AvgPool3D,
        GlobalAveragePooling1D,
        GlobalAveragePooling2D,
        GlobalAveragePooling3D,
        GlobalAvgPool1D,
        GlobalAvgPool2D,
        GlobalAvgPool3D,
        GlobalMaxPool1D,
        GlobalMaxPool2D,
        GlobalMaxPool3D,
        GlobalMaxPooling1D,
        GlobalMaxPooling2D,
        GlobalMaxPooling3D,
        MaxPool1D,
        MaxPool2D,
        MaxPool3D,
        MaxPooling1D,
        MaxPooling2D,
        MaxPooling3D,
    )
    from .preprocessing import Normalization, Rescaling
    from .recurrent import GRU, LSTM, RNN, GRUCell, LSTMCell, Recurrent, SimpleRNN, SimpleRNNCell, StackedRNNCells
    from .reshaping import Flatten, Permute, RepeatVector, Reshape
    from .wrappers import Bidirectional, TimeDistributed, Wrapper

# The modules that define layers, and what they define. A module loads when one of its layers is asked for; not
# `merge`, since a function has the name too, and what loads last would keep it.
_MODULES = {
    "advanced_activations": "ELU LeakyReLU PReLU ReLU Softmax ThresholdedReLU",
    "attention": "AdditiveAttention Attention",
    "convolutional":
        "AtrousConv1D AtrousConv2D AtrousConvolution1D AtrousConvolution2D Conv1D Conv2D Conv2DTranspose "
        "Conv3D Conv3DTranspose Convolution1D Convolution2D Convolution2DTranspose Convolution3D "
        "Convolution3DTranspose Cropping1D Cropping2D Cropping3D Deconv2D Deconv3D Deconvolution2D "
        "Deconvolution3D DepthwiseConv1D DepthwiseConv2D SeparableConv1D SeparableConv2D "
        "SeparableConvolution1D SeparableConvolution2D UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D "
        "ZeroPadding2D ZeroPadding3D",
    "convolutional_recurrent": "ConvLSTM2D ConvRecurrent2D",
    "core": "Activation ActivityRegularization Dense Dropout Masking",
    "cudnn_recurrent": "CuDNNGRU CuDNNLSTM",
    "dropout": "SpatialDropout1D SpatialDropout2D SpatialDropout3D",
    "embeddings": "Embedding",
    "lambda_layer": "Lambda",
    "legacy": "Highway MaxoutDense",
    "local": "LocallyConnected1D LocallyConnected2D",
    "multi_head_attention": "MultiHeadAttention",
    "noise": "AlphaDropout GaussianDropout GaussianNoise",
    "normalization": "BatchNormalization LayerNormalization",
    "pooling":
        "AveragePooling1D AveragePooling2D AveragePooling3D AvgPool1D AvgPool2D AvgPool3D "
        "GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D GlobalAvgPool1D GlobalAvgPool2D "
        "GlobalAvgPool3D GlobalMaxPool1D GlobalMaxPool2D GlobalMaxPool3D GlobalMaxPooling1D "
        "GlobalMaxPooling2D GlobalMaxPooling3D MaxPool1D MaxPool2D MaxPool3D MaxPooling1D MaxPooling2D "
        "MaxPooling3D",
    "preprocessing": "Normalization Rescaling",
    "recurrent": "GRU GRUCell LSTM LSTMCell RNN Recurrent SimpleRNN SimpleRNNCell StackedRNNCells",
    "reshaping": "Flatten Permute RepeatVector Reshape",
    "wrappers": "Bidirectional TimeDistributed Wrapper",
}
_FROM = {name: f"layers.{module}" for module, names in _MODULES.items() for name in names.split()}

__all__ = ["Activation", "ActivityRegularization", "Add", "AdditiveAttention", "AlphaDropout", "AtrousConv1D",
           "AtrousConv2D", "AtrousConvolution1D", "AtrousConvolution2D", "Attention", "Average", "AveragePooling1D",
           "AveragePooling2D", "AveragePooling3D", "AvgPool1D", "AvgPool2D", "AvgPool3D", "BatchNormalization",
           "Bidirectional", "Concatenate", "Conv1D", "Conv2D", "Conv2DTranspose", "Conv3D", "Conv3DTranspose",
           "ConvLSTM2D", "ConvRecurrent2D", "Convolution1D", "Convolution2D", "Convolution2DTranspose",
           "Convolution3D", "Convolution3DTranspose", "Cropping1D", "Cropping2D", "Cropping3D", "CuDNNGRU",
           "CuDNNLSTM", "Deconv2D", "Deconv3D", "Deconvolution2D", "Deconvolution3D", "Dense", "DepthwiseConv1D",
           "DepthwiseConv2D", "Dot", "Dropout", "ELU", "Embedding", "Flatten", "GRU", "GRUCell", "GaussianDropout",
           "GaussianNoise", "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalAveragePooling3D",
           "GlobalAvgPool1D", "GlobalAvgPool2D", "GlobalAvgPool3D", "GlobalMaxPool1D", "GlobalMaxPool2D",
           "GlobalMaxPool3D", "GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D", "Highway", "Input",
           "InputLayer", "InputSpec", "LSTM", "LSTMCell", "Lambda", "Layer", "LayerNormalization", "LeakyReLU",
           "LocallyConnected1D", "LocallyConnected2D", "Masking", "MaxPool1D", "MaxPool2D", "MaxPool3D",
           "MaxPooling1D", "MaxPooling2D", "MaxPooling3D", "Maximum", "MaxoutDense", "Merge", "Minimum",
           "MultiHeadAttention", "Multiply", "Normalization", "PReLU", "Permute", "RNN", "ReLU", "Recurrent",
           "RepeatVector", "Rescaling", "Reshape", "SeparableConv1D", "SeparableConv2D", "SeparableConvolution1D",
           "SeparableConvolution2D", "SimpleRNN", "SimpleRNNCell", "Softmax", "SpatialDropout1D",
           "SpatialDropout2D", "SpatialDropout3D", "StackedRNNCells", "Subtract", "ThresholdedReLU",
           "TimeDistributed", "UpSampling1D", "UpSampling2D", "UpSampling3D", "Wrapper", "ZeroPadding1D",
           "ZeroPadding2D", "ZeroPadding3D", "add", "average", "concatenate", "deserialize", "dot", "maximum",
           "merge", "minimum", "multiply", "serialize", "subtract"]


def serialize(layer: Layer) -> dict[str, Any]:
    """The layer as ``{'class_name', 'config'}``."""
    result: dict[str, Any] = serialize_keras_object(layer)
    return result


# What a config may name: the layer classes, and no helper, such as the functions for Keras 1's AtrousConvolution.
_registry = Registry(globals(), [name for name in __all__ if name[0].isupper()
                                 and name not in ("Input", "InputSpec") and not name.startswith("Atrous")],
                     late(__name__, _FROM), _FROM)
may_be_named({"Model": _Model, "Functional": _Model, "Sequential": _Sequential}, _registry)


if not TYPE_CHECKING:  # which sees the names that are imported for it above, and no others
    __getattr__ = late(__name__, _FROM)


def __dir__() -> list[str]:
    return [*globals(), *_FROM]
