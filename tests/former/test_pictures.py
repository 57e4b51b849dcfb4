"""Pictures as `scipy.misc` made them, by its documentation."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from gpukeras.former.pictures import bytescale, fromimage, imread, imresize, imsave, toimage

PICTURE = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)


def test_bytes_from_the_smallest_to_the_largest():
    assert bytescale(np.array([-2.0, 0.0, 2.0])).tolist() == [0, 128, 255]
    assert bytescale(np.array([0.0, 1.0, 4.0]), cmin=0, cmax=2, high=200, low=100).tolist() == [100, 150, 200]
    assert bytescale(PICTURE) is PICTURE and bytescale(np.full(2, 7.0)).tolist() == [0, 0]
    for wrong in ({"high": 256}, {"low": -1}, {"low": 5, "high": 4}, {"cmin": 3, "cmax": 2}):
        with pytest.raises(ValueError, match="bytescale"):
            bytescale(np.array([1.0]), **wrong)


def test_images_of_arrays():
    assert np.array_equal(np.asarray(toimage(PICTURE)), PICTURE)
    assert np.array_equal(np.asarray(toimage(np.moveaxis(PICTURE, -1, 0))), PICTURE)
    assert toimage(PICTURE[..., 0]).mode == "L" and toimage(PICTURE, mode="L").mode == "L"
    assert toimage(np.ones((4, 5, 4))).mode == "RGBA" and np.asarray(toimage(np.eye(3) * 9, mode="F")).max() == 9
    for wrong in (np.ones(3), np.ones((5, 5, 2)), np.ones((1, 4, 4, 3))):
        with pytest.raises(ValueError, match="a picture has shape"):
            toimage(wrong)


def test_files(tmp_path):
    path = tmp_path / "a.png"
    imsave(path, PICTURE)
    assert np.array_equal(imread(path), PICTURE) and imread(path, mode="L").shape == (4, 5)
    grey = imread(path, flatten=True)
    assert grey.dtype == np.float32 and np.allclose(grey, PICTURE @ [0.299, 0.587, 0.114], atol=1)
    imsave(path, np.array([[0.0, 1.0]]))
    assert imread(path).tolist() == [[0, 255]]
    palette = Image.fromarray(PICTURE).convert("P", palette=Image.Palette.ADAPTIVE)
    assert fromimage(palette).shape == (4, 5, 3) and fromimage(Image.new("1", (2, 1), 1)).tolist() == [[255, 255]]


def test_other_sizes():
    assert imresize(PICTURE, (8, 10)).shape == (8, 10, 3) and imresize(PICTURE, 50).shape == (2, 2, 3)
    assert imresize(PICTURE, 2.0, interp="nearest")[::2, ::2].tolist() == PICTURE.tolist()
    assert imresize(np.array([[0.0, 1.0]]), (1, 4), "nearest").tolist() == [[0, 0, 255, 255]]
    with pytest.raises(ValueError, match="interp must be one of nearest, lanczos"):
        imresize(PICTURE, 0.5, "linear")
