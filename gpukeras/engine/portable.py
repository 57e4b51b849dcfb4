"""What is handed out of a network: a table, a picture, plain data, text and files.

The engine's one door to the floors above it. Keras gives these as methods of a model, and what reads and writes models
knows models and layers; so the imports from there are inside the methods.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..drawing.summary import print_summary


def layer_from_config(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """A new layer or model from its class's name and its config."""
    from ..layers.by_name import deserialize

    return deserialize(config, custom_objects)


class Portable:
    """What `Network` knows of its table, its config and its files."""

    def summary(self, line_length: int | None = None, positions: Sequence[float] | None = None,
                print_fn: Callable[[str], Any] = print) -> None:
        """Prints the layers, their output shapes and numbers of parameters, line by line with `print_fn`."""
        print_summary(self, line_length=line_length, positions=positions, print_fn=print_fn)

    def _repr_html_(self) -> str | None:
        """What a notebook shows of a small model."""
        from ..drawing.html import model_html  # late: few programs ask for pictures

        return model_html(self)

    def get_config(self) -> dict[str, Any]:
        """Layers and connections as plain data, in Keras 2.0.9's layout."""
        from .network_config import network_config  # late: few programs ask for configs

        return network_config(self)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """A new network, with new weights, from `get_config`'s result."""
        from .network_config import network_from_config

        return network_from_config(cls, config, layer_from_config, custom_objects)

    def save(self, filepath: Any, overwrite: bool = True, include_optimizer: bool = True, **kwargs: Any) -> None:
        """Architecture, weights, `compile`'s arguments and the optimizer's state as one file: see `saving.save_model`.
        """
        from ..saving.files import save_model

        save_model(self, filepath, overwrite, include_optimizer, **kwargs)

    def __reduce__(self) -> Any:
        """Pickled, and copied by `copy.deepcopy`, a model is what `save` writes of it, as in newer Keras."""
        from ..saving.pickled import from_bytes, to_bytes

        return from_bytes, to_bytes(self)

    def save_weights(self, filepath: Any, overwrite: bool = True, **kwargs: Any) -> None:
        """The weights of all layers as an HDF5 file, written beside `filepath` and then put in its place."""
        from ..saving.files import save_weights

        save_weights(self, filepath, overwrite, **kwargs)

    def load_weights(self, filepath: Any, by_name: bool = False, skip_mismatch: bool = False, **kwargs: Any) -> None:
        """Weights from a file of `save_weights` or `save`, here or in Keras, in order or `by_name` of the layers.

        Layers whose arrays don't fit are a ValueError, and nothing is changed; with `skip_mismatch` they are left as
        they are, with a warning. With `reshape=True` arrays may have other shapes of the same size. With
        `isolated=True` another process does the reading: see `load_model`.
        """
        from ..saving.files import load_weights

        load_weights(self, filepath, by_name, skip_mismatch, **kwargs)

    def export(self, filepath: Any, format: str | None = None, **kwargs: Any) -> None:
        """The model as it predicts, for other runtimes: an ONNX file. See `export.to_onnx`.

        `format` is 'onnx', or follows from the name. `opset_version`, or `opset`, is the version of ONNX's operators.
        """
        from ..export.onnx_file import export_model

        export_model(self, filepath, format, **kwargs)

    def to_json(self, **kwargs: Any) -> str:
        """The architecture as JSON, for `model_from_json`; keywords go to json.dumps."""
        from .serialization import model_as_json

        return model_as_json(self, **kwargs)

    def to_yaml(self, **kwargs: Any) -> str:
        """The architecture as YAML, for `model_from_yaml`; keywords go to yaml.safe_dump. Needs PyYAML."""
        from .serialization import model_as_yaml

        return model_as_yaml(self, **kwargs)
