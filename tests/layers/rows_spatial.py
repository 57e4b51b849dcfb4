"""Rows of the table of layers for sequences, images and volumes: class, constructor, shape of a sample, options."""

from __future__ import annotations

from gpukeras import layers as k

FIRST = "channels_first"
REGULARIZED = {"kernel_regularizer": "l2", "bias_regularizer": "l1", "activity_regularizer": "l2",
               "kernel_constraint": "max_norm", "bias_constraint": "non_neg"}
DEPTHWISE = {"depthwise_regularizer": "l2", "bias_regularizer": "l2", "activity_regularizer": "l2",
             "depthwise_constraint": "unit_norm"}


def row(name, shape, **arguments):
    """A row for the layer called `name`, made with these arguments."""
    return name, lambda: getattr(k, name)(**arguments), shape, {}


CONVOLUTIONS = [
    ("Conv1D", lambda: k.Conv1D(3, 2), (5, 2), {}),
    ("Conv1D", lambda: k.Conv1D(3, 3, strides=2, padding="same", activation="tanh"), (7, 2), {}),
    ("Conv1D", lambda: k.Conv1D(2, 3, padding="causal", dilation_rate=2, use_bias=False), (6, 2), {}),
    ("Conv1D", lambda: k.Conv1D(2, 2, strides=3, padding="causal", data_format=FIRST), (2, 7), {}),
    ("Conv1D", lambda: k.Conv1D(2, 3, dilation_rate=2, data_format=FIRST, **REGULARIZED), (2, 7), {}),
    ("Conv2D", lambda: k.Conv2D(3, (3, 2)), (5, 4, 2), {}),
    ("Conv2D", lambda: k.Conv2D(3, 3, strides=(2, 1), padding="same", activation="sigmoid"), (5, 4, 2), {}),
    ("Conv2D", lambda: k.Conv2D(2, (2, 3), padding="same", dilation_rate=2, data_format=FIRST), (2, 5, 4), {}),
    ("Conv2D", lambda: k.Conv2D(2, 2, strides=3, data_format=FIRST, use_bias=False), (2, 7, 6), {}),
    ("Conv2D", lambda: k.Conv2D(2, 1, **REGULARIZED), (1, 3, 2), {}),
    ("Conv2D", lambda: k.Conv2D(2, (5, 4), activation="softmax"), (5, 4, 1), {}),
    ("Conv3D", lambda: k.Conv3D(2, 2), (3, 4, 2, 2), {}),
    ("Conv3D", lambda: k.Conv3D(2, (3, 2, 1), strides=(2, 1, 2), padding="same", data_format=FIRST), (2, 3, 4, 3), {}),
    ("Conv3D", lambda: k.Conv3D(2, 2, dilation_rate=(1, 2, 1), **REGULARIZED), (2, 3, 3, 1), {}),
    ("SeparableConv1D", lambda: k.SeparableConv1D(3, 3, padding="same", depth_multiplier=2), (5, 2), {}),
    ("SeparableConv1D", lambda: k.SeparableConv1D(3, 2, strides=2, data_format=FIRST, activation="tanh"), (2, 5), {}),
    ("SeparableConv2D", lambda: k.SeparableConv2D(3, 3), (4, 5, 2), {}),
    ("SeparableConv2D", lambda: k.SeparableConv2D(3, (2, 3), strides=2, padding="same", depth_multiplier=2,
                                                  data_format=FIRST, pointwise_regularizer="l1", **DEPTHWISE),
     (2, 5, 4), {}),
    ("SeparableConv2D", lambda: k.SeparableConv2D(2, 2, dilation_rate=(2, 1), use_bias=False), (4, 3, 2), {}),
    ("DepthwiseConv2D", lambda: k.DepthwiseConv2D(3, padding="same"), (4, 5, 2), {}),
    ("DepthwiseConv2D", lambda: k.DepthwiseConv2D((3, 2), strides=2, depth_multiplier=3, data_format=FIRST,
                                                  activation="tanh", **DEPTHWISE), (2, 5, 4), {}),
    ("DepthwiseConv2D", lambda: k.DepthwiseConv2D(2, dilation_rate=2, use_bias=False), (4, 3, 2), {}),
    ("Conv2DTranspose", lambda: k.Conv2DTranspose(3, (3, 2)), (3, 4, 2), {}),
    ("Conv2DTranspose", lambda: k.Conv2DTranspose(2, 3, strides=2, padding="same", activation="tanh"), (3, 4, 2), {}),
    ("Conv2DTranspose", lambda: k.Conv2DTranspose(2, 2, strides=3, data_format=FIRST, use_bias=False), (2, 3, 2), {}),
    ("Conv2DTranspose", lambda: k.Conv2DTranspose(2, 3, strides=(2, 3), output_padding=(1, 2), **REGULARIZED),
     (3, 2, 2), {}),
    ("Conv2DTranspose", lambda: k.Conv2DTranspose(2, 3, strides=2, padding="same", output_padding=0), (3, 2, 2), {}),
    ("Conv3DTranspose", lambda: k.Conv3DTranspose(2, 2, strides=2), (2, 3, 2, 2), {}),
    ("Conv3DTranspose", lambda: k.Conv3DTranspose(2, (1, 2, 3), strides=(1, 2, 1), padding="same", data_format=FIRST,
                                                  **REGULARIZED), (2, 2, 3, 2), {}),
    ("LocallyConnected1D", lambda: k.LocallyConnected1D(3, 2), (5, 2), {}),
    ("LocallyConnected1D", lambda: k.LocallyConnected1D(2, 3, strides=2, activation="tanh", **REGULARIZED), (7, 2), {}),
    ("LocallyConnected1D", lambda: k.LocallyConnected1D(2, 3, data_format=FIRST), (2, 5), {}),
    ("LocallyConnected2D", lambda: k.LocallyConnected2D(2, (2, 3)), (4, 5, 2), {}),
    ("LocallyConnected2D", lambda: k.LocallyConnected2D(2, (3, 2), strides=(2, 1), data_format=FIRST,
                                                        activation="sigmoid"), (2, 5, 4), {}),
    ("LocallyConnected2D", lambda: k.LocallyConnected2D(2, 2, strides=2, use_bias=False), (5, 4, 1), {}),
]

POOLINGS = [
    *(row(f"{kind}Pooling{rank}D", shape, **arguments) for kind in ("Max", "Average") for rank, shape, arguments in [
        (1, (6, 2), {}),
        (1, (6, 2), {"pool_size": 3, "strides": 2, "padding": "same"}),
        (1, (2, 5), {"pool_size": 3, "strides": 1, "data_format": FIRST}),
        (2, (5, 4, 2), {}),
        (2, (4, 5, 2), {"pool_size": (3, 2), "strides": (1, 3), "padding": "same"}),
        (2, (2, 5, 5), {"pool_size": (2, 3), "strides": 2, "data_format": FIRST}),
        (2, (7, 6, 1), {"pool_size": 2, "strides": 3}),
        (3, (2, 4, 5, 2), {}),
        (3, (2, 2, 3, 4), {"pool_size": (1, 2, 3), "strides": 2, "padding": "same", "data_format": FIRST}),
    ]),
    *(row(f"Global{kind}Pooling{rank}D", (2, 3, 4, 3)[:rank + 1], data_format=layout)
      for kind in ("Max", "Average") for rank in (1, 2, 3) for layout in ("channels_last", FIRST)),
]

RESAMPLINGS = [
    ("ZeroPadding1D", lambda: k.ZeroPadding1D(2), (3, 2), {}),
    ("ZeroPadding1D", lambda: k.ZeroPadding1D((0, 3)), (3, 2), {}),
    ("ZeroPadding2D", lambda: k.ZeroPadding2D(), (3, 2, 1), {}),
    ("ZeroPadding2D", lambda: k.ZeroPadding2D(((1, 0), (2, 3)), data_format=FIRST), (2, 3, 2), {}),
    ("ZeroPadding3D", lambda: k.ZeroPadding3D((1, 0, 2)), (2, 3, 2, 1), {}),
    ("ZeroPadding3D", lambda: k.ZeroPadding3D(((1, 2), (0, 1), 1), data_format=FIRST), (2, 1, 2, 3), {}),
    ("Cropping1D", lambda: k.Cropping1D(), (5, 2), {}),
    ("Cropping1D", lambda: k.Cropping1D((0, 2)), (5, 2), {}),
    ("Cropping2D", lambda: k.Cropping2D(), (3, 4, 2), {}),
    ("Cropping2D", lambda: k.Cropping2D(((1, 0), (0, 2))), (3, 4, 2), {}),
    ("Cropping2D", lambda: k.Cropping2D((1, 2), data_format=FIRST), (2, 3, 5), {}),
    ("Cropping3D", lambda: k.Cropping3D(), (3, 4, 5, 2), {}),
    ("Cropping3D", lambda: k.Cropping3D(((1, 0), 0, (0, 1)), data_format=FIRST), (2, 3, 2, 3), {}),
    ("UpSampling1D", lambda: k.UpSampling1D(3), (3, 2), {}),
    ("UpSampling2D", lambda: k.UpSampling2D(), (3, 2, 2), {}),
    ("UpSampling2D", lambda: k.UpSampling2D((1, 3), data_format=FIRST), (2, 3, 2), {}),
    ("UpSampling3D", lambda: k.UpSampling3D((2, 1, 3)), (2, 3, 1, 2), {}),
    ("UpSampling3D", lambda: k.UpSampling3D(2, data_format=FIRST), (1, 2, 1, 3), {}),
]

NORMALIZATIONS = [
    ("BatchNormalization", lambda: k.BatchNormalization(), (4,), {}),
    ("BatchNormalization", lambda: k.BatchNormalization(axis=1, momentum=0.8, epsilon=0.1), (3, 4, 2), {}),
    ("BatchNormalization", lambda: k.BatchNormalization(axis=2, center=False, gamma_regularizer="l2"), (3, 4, 2), {}),
    ("BatchNormalization", lambda: k.BatchNormalization(scale=False, beta_constraint="non_neg"), (3, 4, 2), {}),
]

ROWS = [*CONVOLUTIONS, *POOLINGS, *RESAMPLINGS, *NORMALIZATIONS]
