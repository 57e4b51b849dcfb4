"""Keras 1's dilated convolutions: Conv1D and Conv2D with `atrous_rate` for `dilation_rate`."""

from __future__ import annotations

from typing import Any

from ..utils.messages import warn
from .conv import Conv1D, Conv2D


def _dilated(convolution: type, name: str, args: Any, kwargs: dict[str, Any]) -> Any:
    kwargs["dilation_rate"] = kwargs.pop("atrous_rate", 1)
    warn(f"`{name}` is a layer of Keras 1. Write `{convolution.__name__}(..., "
         f"dilation_rate={kwargs['dilation_rate']!r})`.")
    return convolution(*args, **kwargs)


def AtrousConvolution1D(*args: Any, **kwargs: Any) -> Conv1D:
    """A Conv1D whose `dilation_rate` is `atrous_rate`; the other arguments are its own."""
    result: Conv1D = _dilated(Conv1D, "AtrousConvolution1D", args, kwargs)
    return result


def AtrousConvolution2D(*args: Any, **kwargs: Any) -> Conv2D:
    """A Conv2D whose `dilation_rate` is `atrous_rate`; the other arguments are its own."""
    result: Conv2D = _dilated(Conv2D, "AtrousConvolution2D", args, kwargs)
    return result


AtrousConv1D, AtrousConv2D = AtrousConvolution1D, AtrousConvolution2D
