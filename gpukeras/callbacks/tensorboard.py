"""Training as TensorBoard shows it."""
from __future__ import annotations

import json
import os
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpukeras import backend as K
from gpukeras.callbacks.base import Callback
from gpukeras.callbacks.event_file import EventFile, histogram, image, note, scalar
from gpukeras.callbacks.event_parts import Histogram, as_images, png


class TensorBoard(Callback):
    """Writes losses and metrics of every epoch into `log_dir`, for ``tensorboard --logdir=...``.

    Every `histogram_freq` epochs (0: never) histograms of all weights are added, and, if `fit` has validation arrays,
    of all layers' outputs for them, computed `batch_size` rows at a time; with `write_grads` those of the gradients
    too, with `write_images` the weights as images. `write_graph` adds the graph of layers, and the model's summary.
    Every `embeddings_freq` epochs the weights of embedding layers (all, or `embeddings_layer_names`) are written for
    the projector; `embeddings_metadata` names files with their labels: one, or a dict by layer name. Newer Keras has
    more: with `embeddings_data`, inputs of the model, what the layers put out for them is written instead, and
    `update_freq` is 'epoch', 'batch' or a number of batches after which batch_loss and the like are written.
    `profile_batch` has no effect: there is no profile to write.

    Nothing needs to be installed for it but what reads the files. Raises ValueError for `write_grads` without
    validation arrays.
    """

    def __init__(self, log_dir: str | os.PathLike[str] = "./logs", histogram_freq: int = 0, batch_size: int = 32,
                 write_graph: bool = True, write_grads: bool = False, write_images: bool = False,
                 embeddings_freq: int = 0, embeddings_layer_names: Sequence[str] | None = None,
                 embeddings_metadata: Any = None, embeddings_data: Any = None, update_freq: str | int = "epoch",
                 profile_batch: Any = 0) -> None:
        super().__init__()
        if update_freq not in ("epoch", "batch") and (not isinstance(update_freq, int) or update_freq < 1):
            raise ValueError(f"update_freq must be 'epoch', 'batch' or a number of batches, got {update_freq!r}")
        self.log_dir, self.batch_size = os.fspath(log_dir), batch_size
        self.histogram_freq, self.embeddings_freq, self.update_freq = histogram_freq, embeddings_freq, update_freq
        self.write_graph, self.write_grads, self.write_images = write_graph, write_grads, write_images
        self.embeddings_layer_names, self.embeddings_metadata = embeddings_layer_names, embeddings_metadata or {}
        self.embeddings_data = embeddings_data
        self.writer: EventFile | None = None
        self._batches = 0
        if update_freq != "epoch":
            # set here, not on the class: training is faster where no callback looks at single batches
            self.on_train_batch_end = self._after_batch  # type: ignore[method-assign]

    def get_state(self) -> dict[str, Any]:
        """The number of batches so far."""
        return {"_batches": self._batches}

    def set_model(self, model: Any) -> None:
        """Opens a new file of events, and describes the model in it."""
        super().set_model(model)
        if self.writer is not None:  # an earlier training that was interrupted
            self.writer.close()
        self.writer = EventFile(self.log_dir)
        self._batches = 0
        self._functions: dict[str, Any] = {}
        self._outputs: dict[str, Any] = {}
        if self.write_graph:
            self._add_graph()
        if self.embeddings_freq:
            self._name_embeddings()

    def _after_batch(self, batch: int, logs: Any = None) -> None:
        self._batches += 1
        if self.update_freq == "batch" or self._batches % self.update_freq == 0:  # type: ignore[operator]
            for name, value in (logs or {}).items():
                if name not in ("batch", "size"):
                    self._add(self._batches, scalar(f"batch_{name}", float(value)))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write what is due."""
        for name, value in (logs or {}).items():
            if name not in ("batch", "size"):
                self._add(epoch, scalar(name, float(value)))
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            self._add_weights(epoch)
            self._add_outputs(epoch)
        if self.embeddings_freq and epoch % self.embeddings_freq == 0:
            self._save_embeddings()
        self._opened().flush()

    def on_train_end(self, _: Any) -> None:  # type: ignore[override]
        """Close the file."""
        self._opened().close()

    # ------------------------------------------------------------------------------------------ what is written

    def _opened(self) -> EventFile:
        assert self.writer is not None, "set_model opens the file"
        return self.writer

    def _add(self, step: int, value: bytes) -> None:
        """One value at one step."""
        self._opened().add(step, [value])

    def _add_histogram(self, step: int, tag: str, counted: Histogram) -> None:
        if counted.fields is not None:
            self._add(step, histogram(tag, counted.fields))

    def _add_weights(self, epoch: int) -> None:
        for layer in self.model.layers:
            for weight, value in zip(layer.weights, layer.get_weights()):
                tag = _tag(weight.name)
                self._add_histogram(epoch, tag, Histogram().add(value))
                if not self.write_images:
                    continue
                images = as_images(value, K.image_data_format() == "channels_last")
                for i, picture in enumerate(images):
                    name = f"{tag}/image" if len(images) == 1 else f"{tag}/image/{i}"
                    height, width = picture.shape
                    self._add(epoch, image(name, height, width, png(picture)))

    def _add_outputs(self, epoch: int) -> None:
        """Histograms of layers' outputs, and of gradients, for the validation data."""
        if not self.validation_data:
            if self.write_grads:
                raise ValueError("TensorBoard: for write_grads validation_data must be provided, as arrays, not by "
                                 "a generator")
            return
        if not self._functions:
            self._make_functions()
        inputs = self.model._objective_inputs()
        data = self.validation_data
        found = {tag: Histogram() for tag in self._functions["tags"]}
        for start in range(0, len(data[0]), self.batch_size):
            # the learning phase, a number, is the only one without rows
            part = [a[start:start + self.batch_size] if np.ndim(a) else a for a in data[:len(inputs)]]
            for counted, value in zip(found.values(), self._functions["values"](part)):
                counted.add(value)
        for tag, counted in found.items():
            self._add_histogram(epoch, tag, counted)

    def _make_functions(self) -> None:
        model = self.model
        tensors = {}
        for layer in model.layers:
            if not layer.inbound_nodes:
                continue
            outputs = layer.inbound_nodes[0].output_tensors
            for j, tensor in enumerate(outputs):
                tensors[f"{layer.name}_out" + (f"_{j}" if len(outputs) > 1 else "")] = tensor
        if self.write_grads:
            weights = list(model.trainable_weights)
            grads = model.optimizer.get_gradients(model.total_loss, weights)
            tensors.update((f"{_tag(w.name)}_grad", g) for w, g in zip(weights, grads))
        values = K.function(model._objective_inputs(), list(tensors.values()))
        self._functions = {"tags": list(tensors), "values": values}

    def _add_graph(self) -> None:
        """The layers as a graph, and the summary as text."""
        model = self.model
        known = {id(layer) for layer in model.layers}
        self._opened().add_graph(
            (layer.name, type(layer).__name__,
             dict.fromkeys(giver.name for call in layer.inbound_nodes for giver in call.inbound_layers
                           if id(giver) in known))
            for layer in model.layers)
        lines: list[str] = []
        model.summary(print_fn=lines.append)
        text = "\n".join(f"    {line}" for line in "\n".join(lines).splitlines())  # indented: Markdown's code
        self._add(0, note("model", text))

    # --------------------------------------------------------------------------------------------- the projector

    def _embeddings(self) -> list[Any]:
        names = self.embeddings_layer_names
        if not names:
            return [layer for layer in self.model.layers if type(layer).__name__ == "Embedding"]
        return [layer for layer in self.model.layers
                if layer.name in names and (layer.weights or self.embeddings_data is not None)]

    def _name_embeddings(self) -> None:
        """The file that tells the projector where vectors and labels are."""
        blocks = []
        found = self._embeddings()
        unknown = sorted(set(self.embeddings_layer_names or ()) - {layer.name for layer in found})
        if unknown:
            warnings.warn(f"TensorBoard: embeddings_layer_names has {unknown}, no layers with weights in model "
                          f"'{self.model.name}'. They are left out.", UserWarning, stacklevel=2)
        for layer in found:
            labels = self.embeddings_metadata
            labels = labels if isinstance(labels, (str, os.PathLike)) else labels.get(layer.name)
            name = layer.weights[0].name if self.embeddings_data is None else layer.name
            lines = [f"tensor_name: {json.dumps(name)}",
                     f"tensor_path: {json.dumps(_vectors(layer))}"]
            lines += [f"metadata_path: {json.dumps(os.fspath(labels))}"] if labels else []
            blocks.append("embeddings {\n" + "".join(f"  {line}\n" for line in lines) + "}\n")
        with open(os.path.join(self.log_dir, "projector_config.pbtxt"), "w", encoding="utf8") as file:
            file.write("".join(blocks))

    def _save_embeddings(self) -> None:
        from gpukeras.device.files import write_file

        layers = self._embeddings()
        for layer, found in zip(layers, self._vectors_of(layers)):
            rows = found.reshape(len(found), -1).tolist()
            text = "".join("\t".join(map(repr, row)) + "\n" for row in rows)
            write_file(os.path.join(self.log_dir, _vectors(layer)), [text.encode()])


    def _vectors_of(self, layers: Sequence[Any]) -> list[np.ndarray]:
        """The first weights of each layer, or its outputs for the data."""
        if self.embeddings_data is None or not layers:
            return [layer.get_weights()[0] for layer in layers]
        given = self.embeddings_data
        data = [np.asarray(a) for a in (given if isinstance(given, (list, tuple)) else [given])]
        outputs = K.function(self.model._feed_inputs, [layer.get_output_at(0) for layer in layers])
        parts = [outputs([a[start:start + self.batch_size] for a in data])
                 for start in range(0, len(data[0]), self.batch_size)]
        return [np.concatenate(values) for values in zip(*parts)]


def _vectors(layer: Any) -> str:
    """The name of a file with an embedding's vectors: names of layers may have slashes."""
    return f"{layer.name.replace('/', '_')}.tsv"


def _tag(name: str) -> str:
    """A weight's name as a tag."""
    return name.replace(":", "_")
