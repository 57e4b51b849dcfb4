"""`tensorflow.nn`: convolutions, norms and what else networks are made of."""

from __future__ import annotations

from typing import Any

from .. import backend as K
from ..graph import apply
from ..ops import patches
from ..ops.windows import Window
from .functions import alike, as_tensor, channels, only_channels_last, sizes, two


def conv1d(value: Any = None, filters: Any = None, stride: Any = 1, padding: str = "VALID",
           use_cudnn_on_gpu: Any = None, data_format: str | None = "NWC", name: str | None = None, input: Any = None,
           dilations: Any = 1) -> Any:
    """A convolution of sequences with kernels (steps, in, out)."""
    only_channels_last("nn.conv1d", "NHWC" if data_format in (None, "NWC", "NHWC") else data_format)
    step, apart = (n if isinstance(n, int) else list(n)[-2 if len(n) == 3 else -1] for n in (stride, dilations or 1))
    x, kernel = alike(value if value is not None else input, filters)
    return K.conv1d(x, kernel, step, padding.lower(), "channels_last", apart)


def conv2d_transpose(value: Any = None, filter: Any = None, output_shape: Any = None, strides: Any = 1,
                     padding: str = "SAME", data_format: str = "NHWC", name: str | None = None, input: Any = None,
                     filters: Any = None, dilations: Any = 1) -> Any:
    """The transpose of a convolution with kernels (h, w, out, in), to a shape, of which sizes may be tensors."""
    only_channels_last("nn.conv2d_transpose", data_format)
    x, kernel = alike(value if value is not None else input, filter if filter is not None else filters)
    return K.conv2d_transpose(x, kernel, output_shape, two(strides), padding.lower(), "channels_last",
                              two(dilations or 1))


def depthwise_conv2d(input: Any, filter: Any, strides: Any, padding: str, rate: Any = None, name: str | None = None,
                     data_format: str | None = None, dilations: Any = None) -> Any:
    """Each channel convolved with its own kernels (h, w, in, multiplier)."""
    only_channels_last("nn.depthwise_conv2d", data_format or "NHWC")
    x, kernel = alike(input, filter)
    return K.depthwise_conv2d(x, kernel, two(strides), padding.lower(), "channels_last", two(rate or dilations or 1))


def separable_conv2d(input: Any, depthwise_filter: Any, pointwise_filter: Any, strides: Any, padding: str,
                     rate: Any = None, name: str | None = None, data_format: str | None = None,
                     dilations: Any = None) -> Any:
    """`depthwise_conv2d`, and then a mix of the channels."""
    only_channels_last("nn.separable_conv2d", data_format or "NHWC")
    x, depthwise, pointwise = alike(input, depthwise_filter, pointwise_filter)
    return K.separable_conv2d(x, depthwise, pointwise, two(strides), padding.lower(), "channels_last",
                              two(rate or dilations or 1))


def atrous_conv2d(value: Any, filters: Any, rate: int, padding: str, name: str | None = None) -> Any:
    """A convolution whose kernel's cells lie `rate` pixels apart."""
    x, kernel = alike(value, filters)
    return K.conv2d(x, kernel, (1, 1), padding.lower(), "channels_last", (rate, rate))


def local_response_normalization(input: Any, depth_radius: int = 5, bias: float = 1, alpha: float = 1,
                                 beta: float = 0.5, name: str | None = None) -> Any:
    """Each value divided by (bias + alpha * s) ** beta, with s the sum of the squares of its neighbours among the
    channels, up to `depth_radius` away, and of itself (Krizhevsky et al. 2012)."""
    x = as_tensor(input)
    reach = min(depth_radius, channels(x) - 1)
    square = K.square(x)
    edge = K.zeros_like(square[..., :1])
    edges = [K.repeat_elements(edge, reach, -1)] if reach else []
    wide = K.concatenate([*edges, square, *edges], -1)
    total = wide[..., :channels(x)]
    for start in range(1, 2 * reach + 1):
        total = total + wide[..., start:start + channels(x)]
    return x / (bias + alpha * total) ** beta


def crelu(features: Any, name: str | None = None, axis: int = -1) -> Any:
    """The values above 0, and beside them those below 0 with the other sign (Shang et al. 2016)."""
    x = as_tensor(features)
    return K.relu(K.concatenate([x, -x], axis))


def l2_normalize(x: Any, axis: Any = None, epsilon: float = 1e-12, name: str | None = None, dim: Any = None) -> Any:
    """x divided by its Euclidean norm over some axes; sums of squares below `epsilon` count as `epsilon`.

    >>> K.eval(l2_normalize([0., 5.], 0)).tolist()
    [0.0, 1.0]
    """
    x, over = as_tensor(x), dim if axis is None else axis
    total = K.sum(K.square(x), over, keepdims=True)
    return x / K.sqrt(K.maximum(total, epsilon))


def extract_image_patches(images: Any, ksizes: Any = None, strides: Any = None, rates: Any = (1, 1, 1, 1),
                          padding: str = "VALID", name: str | None = None, sizes: Any = None) -> Any:
    """The cells of each window as channels: (n, positions, positions, h * w * channels)."""
    x, size = as_tensor(images), ksizes if ksizes is not None else sizes
    window = Window(two(size), two(strides), padding.lower(), two(rates))
    if window.padding == "same":
        space = K.int_shape(x)[1:3]
        if None in space:
            raise ValueError(f"tf.extract_image_patches: with padding 'SAME' rows and columns must be known, got "
                             f"{K.int_shape(x)}")
        around = [window.pads(n, a) for a, n in enumerate(space) if n is not None]
        x = patches.pad(x, [(0, 0), *around, (0, 0)])
        window = Window(window.size, window.strides, "valid", window.dilation)
    cells = apply(patches.Patches(window), x)
    return K.reshape(cells, [*_open(cells)[:3], window.size[0] * window.size[1] * channels(x)])


def _open(x: Any) -> list[Any]:
    """All lengths, with the one that may be left open as -1."""
    known = K.int_shape(x)
    return [-1, *known[1:]] if None not in known[1:] else sizes(x)


NAMES: dict[str, Any] = {f"nn.{function.__name__}": function for function in (
    atrous_conv2d, conv1d, conv2d_transpose, crelu, depthwise_conv2d, l2_normalize, local_response_normalization,
    separable_conv2d)} | {
    "nn.lrn": local_response_normalization, "linalg.l2_normalize": l2_normalize, "math.l2_normalize": l2_normalize,
    "extract_image_patches": extract_image_patches, "image.extract_image_patches": extract_image_patches,
    "image.extract_patches": extract_image_patches, "nn.in_top_k": lambda predictions, targets, k, name=None:
    K.in_top_k(predictions, targets, k), "math.in_top_k": lambda predictions, targets, k, name=None:
    K.in_top_k(predictions, targets, k)}
