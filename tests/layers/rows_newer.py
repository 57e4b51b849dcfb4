"""Rows of the table of layers for those that are newer than Keras 2.0.9."""

from __future__ import annotations

from gpukeras import layers as k

ROWS = [
    ("LayerNormalization", lambda: k.LayerNormalization(), (4,), {}),
    ("LayerNormalization", lambda: k.LayerNormalization(axis=(1, 3), epsilon=0.1), (3, 2, 4), {}),
    ("LayerNormalization", lambda: k.LayerNormalization(axis=1, center=False, gamma_regularizer="l2",
                                                        gamma_constraint="non_neg"), (3, 2), {}),
    ("LayerNormalization", lambda: k.LayerNormalization(scale=False, beta_regularizer="l1",
                                                        beta_constraint="max_norm"), (3, 2), {}),
    ("Rescaling", lambda: k.Rescaling(0.5, -1), (3, 2), {}),
    ("Rescaling", lambda: k.Rescaling([0.5, 2], offset=[1, 3]), (3, 2), {}),
    ("Normalization", lambda: k.Normalization(mean=[1, 2], variance=[4, 9]), (3, 2), {}),
    ("Normalization", lambda: k.Normalization(axis=None, mean=2, variance=0.5, invert=True), (3, 2), {}),
    ("Normalization", lambda: k.Normalization(axis=[2, 1], mean=0.5, variance=2), (3, 2), {}),
    ("DepthwiseConv1D", lambda: k.DepthwiseConv1D(3, padding="same", depth_multiplier=2), (5, 2), {}),
    ("DepthwiseConv1D", lambda: k.DepthwiseConv1D(2, strides=2, data_format="channels_first", activation="tanh",
                                                  depthwise_regularizer="l2", bias_constraint="non_neg"), (2, 5), {}),
    ("DepthwiseConv1D", lambda: k.DepthwiseConv1D(2, dilation_rate=2, use_bias=False), (5, 2), {}),
    *((f"Global{kind}Pooling{rank}D",
       lambda kind=kind, rank=rank, layout=layout: getattr(k, f"Global{kind}Pooling{rank}D")(data_format=layout,
                                                                                           keepdims=True),
       (2, 3, 4, 3)[:rank + 1], {})
      for kind in ("Max", "Average") for rank in (1, 2, 3) for layout in ("channels_last", "channels_first")),
]
