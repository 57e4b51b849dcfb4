"""Keras 1's spellings of the layers' arguments, one table a family, under the names that Keras 2 gave the decorators.

A layer of your own that was written for Keras 2 may still use them:

>>> from gpukeras.layers import Layer
>>> class Half(Layer):
...     @legacy_dropout_support
...     def __init__(self, rate, **kwargs):
...         super().__init__(**kwargs)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral

from ..utils.keras1 import Call, Spelling, fit_method, generator_method, get_updates, input_layer, network

_WEIGHTS = {"init": "kernel_initializer", "W_regularizer": "kernel_regularizer", "b_regularizer": "bias_regularizer",
            "W_constraint": "kernel_constraint", "b_constraint": "bias_constraint", "bias": "use_bias"}
_RECURRENT = {"init": "kernel_initializer", "inner_init": "recurrent_initializer",
              "inner_activation": "recurrent_activation", "W_regularizer": "kernel_regularizer",
              "U_regularizer": "recurrent_regularizer", "b_regularizer": "bias_regularizer", "dropout_W": "dropout",
              "dropout_U": "recurrent_dropout"}
_IMAGES = {"border_mode": "padding", "dim_ordering": "data_format"}
_FILTERS = {"nb_filter": "filters", "subsample": "strides", **_IMAGES}
_LAYOUTS = {"dim_ordering": {"tf": "channels_last", "th": "channels_first", "default": None}}
_KERNEL_2D = ("nb_row", "nb_col")
_KERNEL_3D = ("kernel_dim1", "kernel_dim2", "kernel_dim3")


def _steps_shape(call: Call) -> None:
    """`input_dim` and `input_length` are the input_shape of a layer of sequences."""
    if "input_dim" in call.kwargs and "input_shape" not in call.kwargs:
        length = call.drop("input_length") if "input_length" in call.kwargs else None
        call.put("input_shape", (length, call.drop("input_dim")), "input_dim")


def _window(names: Sequence[str]) -> Callable[[Call], None]:
    """The sizes of the kernel, once one argument each, as the one argument that they are now."""
    rank = len(names)

    def rewrite(call: Call) -> None:
        given = [name for name in names if name in call.kwargs]
        sizes = []
        for value in call.args[1:1 + rank]:
            if not isinstance(value, Integral):
                break
            sizes.append(value)
        count = len(sizes)
        if count < 2 and not given or tuple(given) != tuple(names[count:]):
            return
        if count == rank:
            if rank == 2 and ({"padding", "data_format", "output_padding"} & {*call.kwargs} or len(call.args) > 3):
                return  # (filters, kernel_size, strides), in a call with other words of Keras 2
            call.old.append(", ".join(names))
        sizes += [call.drop(name) for name in given]
        rest = call.args[1 + count:]
        if rest:
            raise TypeError(f"{call.name}: {rest[0]!r} after the kernel's size {tuple(sizes)} is Keras 1 order of "
                            "arguments, which Keras 2 doesn't take. Give it by keyword.")
        if call.args:
            call.args = [call.args[0], tuple(sizes)]
        else:
            call.put("kernel_size", tuple(sizes), names[0])
    return rewrite


def _forget_bias(call: Call) -> None:
    """`forget_bias_init='one'` is a switch now, on by default."""
    if "forget_bias_init" in call.kwargs:
        if call.drop("forget_bias_init") == "one":
            call.put("unit_forget_bias", True, "forget_bias_init")
        else:
            call.notes.append("Another value than 'one' for `forget_bias_init` is ignored; `unit_forget_bias=False` "
                              "starts with zeros.")


def _without_dropout(call: Call) -> None:
    if "dropout" in call.kwargs:
        call.drop("dropout")
        call.notes.append("Embedding drops nothing any more: add a SpatialDropout1D layer after it.")


def _without_output_shape(call: Call) -> None:
    """What a transposed convolution's output looks like follows from its other arguments."""
    if len(call.args) == 4 and isinstance(call.args[3], (tuple, list)):
        call.args.pop()
        call.old.append("output_shape")
    if "output_shape" in call.kwargs:
        call.drop("output_shape")


def _two_initializers(call: Call) -> None:
    if "init" in call.kwargs:
        init = call.drop("init")
        for name in ("depthwise_initializer", "pointwise_initializer"):
            call.put(name, init, "init")


def _only_mode_0(call: Call) -> None:
    if "mode" in call.kwargs:
        mode = call.drop("mode")
        if mode != 0:
            raise TypeError(f"{call.name}: mode={mode!r} of Keras 1 is no longer there. Write `{call}`, which "
                            "normalizes each feature over the batch, as mode=0 did.")


def _padding_pairs(call: Call) -> None:
    """{'top_pad': 1, ...} is ((top, bottom), (left, right)) now."""
    padding = call.args[0] if call.args else call.kwargs.get("padding")
    if isinstance(padding, dict):
        top, bottom, left, right = (padding.get(f"{side}_pad", 0) for side in ("top", "bottom", "left", "right"))
        if unknown := {*padding} - {"top_pad", "bottom_pad", "left_pad", "right_pad"}:
            raise ValueError(f"{call.name}: padding names the sides top_pad, bottom_pad, left_pad and right_pad, got "
                             f"{sorted(unknown)}")
        call.old.append("padding")
        call.args = call.args[1:]
        call.kwargs["padding"] = ((top, bottom), (left, right))


def _all(*rewrites: Callable[[Call], None]) -> Callable[[Call], None]:
    def rewrite(call: Call) -> None:
        for each in rewrites:
            each(call)
    return rewrite


legacy_dense_support = Spelling({"output_dim": "units", **_WEIGHTS})
legacy_dropout_support = Spelling({"p": "rate"})
legacy_gaussiandropout_support = legacy_spatialdropout1d_support = legacy_dropout_support
legacy_spatialdropoutNd_support = Spelling({"p": "rate", "dim_ordering": "data_format"}, _LAYOUTS)
legacy_gaussiannoise_support = Spelling({"sigma": "stddev"})
legacy_prelu_support = Spelling({"init": "alpha_initializer"})
legacy_lambda_support = Spelling()
legacy_embedding_support = Spelling({"init": "embeddings_initializer", "W_regularizer": "embeddings_regularizer",
                                     "W_constraint": "embeddings_constraint"}, rewrite=_without_dropout)
legacy_batchnorm_support = Spelling({"beta_init": "beta_initializer", "gamma_init": "gamma_initializer"},
                                    rewrite=_only_mode_0)
legacy_recurrent_support = Spelling({"output_dim": "units", **_RECURRENT, "consume_less": "implementation"},
                                    {"consume_less": {"cpu": 0, "mem": 1, "gpu": 2}},
                                    _all(_forget_bias, _steps_shape))

legacy_conv1d_support = Spelling({"nb_filter": "filters", "filter_length": "kernel_size",
                                  "subsample_length": "strides", "border_mode": "padding", **_WEIGHTS},
                                 rewrite=_steps_shape)
legacy_conv2d_support = Spelling({**_FILTERS, **_WEIGHTS}, _LAYOUTS, _window(_KERNEL_2D))
legacy_conv3d_support = Spelling({**_FILTERS, **_WEIGHTS}, _LAYOUTS, _window(_KERNEL_3D))
legacy_deconv2d_support = Spelling({**_FILTERS, **_WEIGHTS}, _LAYOUTS,
                                   _all(_without_output_shape, _window(_KERNEL_2D)))
legacy_separable_conv2d_support = Spelling({**_FILTERS, "b_regularizer": "bias_regularizer",
                                            "b_constraint": "bias_constraint", "bias": "use_bias"}, _LAYOUTS,
                                           _all(_two_initializers, _window(_KERNEL_2D)))
legacy_convlstm2d_support = Spelling({**_FILTERS, **_RECURRENT, "bias": "use_bias"}, _LAYOUTS,
                                     _all(_forget_bias, _window(_KERNEL_2D)))

legacy_pooling1d_support = Spelling({"pool_length": "pool_size", "stride": "strides", "border_mode": "padding"})
legacy_pooling2d_support = legacy_pooling3d_support = Spelling(_IMAGES, _LAYOUTS)
legacy_global_pooling_support = Spelling({"dim_ordering": "data_format"}, _LAYOUTS)
legacy_upsampling1d_support = Spelling({"length": "size"})
legacy_upsampling2d_support = legacy_upsampling3d_support = legacy_global_pooling_support
legacy_cropping2d_support = legacy_cropping3d_support = legacy_zeropadding3d_support = legacy_global_pooling_support
legacy_zeropadding2d_support = Spelling({"dim_ordering": "data_format"}, _LAYOUTS, _padding_pairs)

# The engine's, which stand on a lower floor.
legacy_model_constructor_support, legacy_input_support = network, input_layer
legacy_generator_methods_support, legacy_get_updates_support = generator_method, get_updates
legacy_fit_support = fit_method
