"""What Keras 2.0.9's `engine.training` has for its own use, under the names by which programs import it from there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..utils.np_utils import slice_arrays
from .data import check_lengths, make_batches, shuffle_batches, spread, standardize_data, whole_weights
from .objective import metrics_by_output, weighted_masked_objective
from .targets import check_loss_and_targets

_batch_shuffle = shuffle_batches
_check_array_lengths = check_lengths
_check_array_length_consistency = check_lengths  # Keras 2.2's
_check_loss_and_target_compatibility = check_loss_and_targets
_collect_metrics = metrics_by_output
_make_batches = make_batches
_slice_arrays = slice_arrays
_standardize_input_data = standardize_data
_standardize_sample_or_class_weights = spread
_standardize_weights = whole_weights
_weighted_masked_objective = weighted_masked_objective


def _standardize_class_weights(class_weight: Any, output_names: Sequence[str]) -> list[Any]:
    """The weights of classes of each output, or None."""
    return spread(class_weight, output_names, "class_weight")


def _standardize_sample_weights(sample_weight: Any, output_names: Sequence[str]) -> list[Any]:
    """The weights of samples of each output, or None."""
    return spread(sample_weight, output_names, "sample_weight")
