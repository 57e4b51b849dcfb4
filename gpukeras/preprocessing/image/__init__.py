"""Pictures made ready for models, and changed at random to get more of them.

Files need Pillow; turning, moving, shearing, zooming and whitening need SciPy: ``pip install 'gpukeras[image]'``.
"""

from .dataframe import DataFrameIterator
from .files import _count_valid_files_in_directory as _count_valid_files_in_directory
from .files import _list_valid_filenames_in_directory as _list_valid_filenames_in_directory
from .files import array_to_img, img_to_array, list_pictures, load_img, save_img
from .generator import ImageDataGenerator
from .iterators import DirectoryIterator, Iterator, NumpyArrayIterator
from .transforms import (
    apply_affine_transform,
    apply_brightness_shift,
    apply_channel_shift,
    apply_transform,
    flip_axis,
    random_brightness,
    random_channel_shift,
    random_rotation,
    random_shear,
    random_shift,
    random_zoom,
    transform_matrix_offset_center,
)

__all__ = [
    "DataFrameIterator", "DirectoryIterator", "ImageDataGenerator", "Iterator", "NumpyArrayIterator",
    "apply_affine_transform", "apply_brightness_shift", "apply_channel_shift", "apply_transform", "array_to_img",
    "flip_axis", "img_to_array", "list_pictures", "load_img", "random_brightness", "random_channel_shift",
    "random_rotation", "random_shear", "random_shift", "random_zoom", "save_img", "transform_matrix_offset_center",
]
