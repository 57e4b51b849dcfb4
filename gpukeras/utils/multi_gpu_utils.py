"""multi_gpu_model, under the module path of Keras 2.1.6 and later."""

from __future__ import annotations

from .training_utils import multi_gpu_model as multi_gpu_model
