"""The arithmetic of windows, against counting them one by one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.utils import conv_utils as u


def count_windows(length, size, padding, stride, dilation=1):
    """Positions from which a window lies inside the axis, padded as `padding` says."""
    reach = (size - 1) * dilation
    around = {"valid": 0, "same": reach, "causal": reach, "full": 2 * reach}[padding]
    return len(range(0, length + around - reach, stride))


@pytest.mark.parametrize("padding", ["valid", "same", "causal", "full"])
def test_output_length_counts_windows(padding):
    for length, size, stride, dilation in itertools.product(range(5, 12), (1, 2, 3), (1, 2, 3), (1, 2)):
        expected = count_windows(length, size, padding, stride, dilation)
        assert u.conv_output_length(length, size, padding, stride, dilation) == expected


def test_unknown_lengths_stay_unknown():
    assert u.conv_output_length(None, 3, "same", 2) is u.conv_output_length(None, 3, "unknown", 2) is None
    assert u.conv_input_length(None, 3, "same", 2) is None
    assert u.deconv_length(None, 3, 2, "same") is None


@pytest.mark.parametrize("padding", ["valid", "full"])
def test_input_length_is_the_shortest_that_gives_the_output(padding):
    for size, stride, output in itertools.product((1, 2, 3, 4), (1, 2, 3), range(2, 6)):
        length = u.conv_input_length(output, size, padding, stride)
        assert u.conv_output_length(length, size, padding, stride) == output
        assert length == 0 or u.conv_output_length(length - 1, size, padding, stride) == output - 1


@pytest.mark.parametrize(("output", "size", "stride", "expected"), [(5, 3, 1, 5), (5, 3, 2, 9), (5, 4, 2, 8)])
def test_input_length_with_same_padding(output, size, stride, expected):
    assert u.conv_input_length(output, size, "same", stride) == expected


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_transposed_length_is_undone_by_the_convolution(padding):
    for length, size, stride in itertools.product(range(1, 6), (1, 2, 3, 4), (1, 2, 3)):
        longer = u.deconv_length(length, stride, size, padding)
        assert longer >= length * stride
        assert u.conv_output_length(longer, size, padding, stride) == length
        for extra in range(stride if padding == "valid" else 0):
            longer = u.deconv_length(length, stride, size, padding, extra)
            assert longer == (length - 1) * stride + size + extra
            assert u.conv_output_length(longer, size, padding, stride) == length


def test_transposed_length_full():
    assert u.deconv_length(6, 1, 3, "full") == 4
    assert u.deconv_length(6, 2, 3, "full", 0) == 9


@pytest.mark.parametrize("call", [
    lambda: u.conv_output_length(5, 3, "half", 1), lambda: u.conv_input_length(5, 3, "causal", 1),
    lambda: u.deconv_length(5, 1, 3, "causal"), lambda: u.normalize_padding("full"), lambda: u.normalize_padding(None)])
def test_unknown_paddings(call):
    with pytest.raises(ValueError, match="padding.*'valid', 'same'.*got"):
        call()


def test_normalize_padding_ignores_case():
    assert [u.normalize_padding(p) for p in ("SAME", "Valid", "causal")] == ["same", "valid", "causal"]


@pytest.mark.parametrize(("value", "n", "expected"), [
    (2, 3, (2, 2, 2)), ((1, 2), 2, (1, 2)), ([4], 1, (4,)), (np.int64(3), 2, (3, 3)), (np.array([1, 2]), 2, (1, 2)),
    ((2.0, 3), 2, (2, 3)), ((n for n in (5, 6)), 2, (5, 6))])
def test_normalize_tuple(value, n, expected):
    got = u.normalize_tuple(value, n, "strides")
    assert got == expected and all(type(entry) is int for entry in got)


@pytest.mark.parametrize("value", [None, (1,), (1, 2, 3), "22", (1, "2"), (1, None), (1.5, 2), 1.5])
def test_normalize_tuple_refuses(value):
    with pytest.raises(ValueError, match="`kernel_size` must be an integer or a tuple of 2 integers, got"):
        u.normalize_tuple(value, 2, "kernel_size")


def test_normalize_data_format():
    assert u.normalize_data_format(None) == K.image_data_format()
    assert u.normalize_data_format("Channels_First") == "channels_first"
    with pytest.raises(ValueError, match="channels_middle"):
        u.normalize_data_format("channels_middle")


@pytest.mark.parametrize("shape", [(3, 2, 4), (3, 2, 4, 5), (2, 3, 2, 4, 5)])
def test_convert_kernel_turns_windows_round(shape):
    kernel = np.arange(np.prod(shape)).reshape(shape)
    turned = u.convert_kernel(kernel)
    for cell in np.ndindex(*shape[:-2]):
        assert np.array_equal(turned[cell], kernel[tuple(-1 - i for i in cell)])
    assert np.array_equal(u.convert_kernel(turned), kernel) and not np.shares_memory(turned, kernel)


def test_convert_kernel_refuses_other_ranks():
    with pytest.raises(ValueError, match=r"\(2, 2\)"):
        u.convert_kernel(np.ones((2, 2)))
