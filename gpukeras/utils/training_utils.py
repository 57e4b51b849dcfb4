"""Training on several GPUs, which Keras 2 did with towers, and which goes by processes here."""

from __future__ import annotations

from typing import Any


def multi_gpu_model(model: Any, gpus: Any) -> Any:
    """Refuses, and says what to do instead: a process computes on one GPU. Always raises NotImplementedError."""
    raise NotImplementedError(
        f"multi_gpu_model(gpus={gpus!r}): a process computes on one GPU here, the first of CUDA_VISIBLE_DEVICES. Train "
        "the model itself, without this call. To use more GPUs, run a process for each, with its own "
        "CUDA_VISIBLE_DEVICES: other folds, other settings, or other parts of the data whose weights are averaged.")
