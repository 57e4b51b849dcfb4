"""What programs of TensorFlow 1 write for TensorBoard beside Keras: `tf.Summary`, and the writer that takes it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from ..callbacks.event_file import EventFile, histogram, image, scalar


class HistogramProto:
    """A histogram: its buckets' upper limits, and how many values each of them holds."""

    def __init__(self, min: float = 0.0, max: float = 0.0, num: float = 0.0, sum: float = 0.0,
                 sum_squares: float = 0.0, bucket_limit: Iterable[float] = (), bucket: Iterable[float] = ()) -> None:
        self.min, self.max, self.num, self.sum, self.sum_squares = min, max, num, sum, sum_squares
        self.bucket_limit, self.bucket = list(bucket_limit), list(bucket)

    def encoded(self, tag: str) -> bytes:
        """The bytes in a file of events."""
        return histogram(tag, {name: [float(v) for v in value] if isinstance(value, list) else float(value)
                               for name, value in vars(self).items()})


class Image:
    """A picture in the bytes of a file, PNG for example."""

    def __init__(self, height: int = 0, width: int = 0, colorspace: int = 0, encoded_image_string: bytes = b"") -> None:
        self.height, self.width, self.colorspace = height, width, colorspace
        self.encoded_image_string = encoded_image_string

    def encoded(self, tag: str) -> bytes:
        """The bytes in a file of events."""
        return image(tag, self.height, self.width, self.encoded_image_string, self.colorspace)


class Value:
    """One value of a summary: a number, a picture or a histogram."""

    def __init__(self, tag: str = "", simple_value: Any = None, image: Any = None, histo: Any = None) -> None:
        self.tag, self.simple_value, self.image, self.histo = tag, simple_value, image, histo

    def encoded(self) -> bytes:
        """The bytes in a file of events."""
        whole = self.image or self.histo
        return scalar(self.tag, float(self.simple_value or 0.0)) if whole is None else whole.encoded(self.tag)


class _Values(list[Value]):
    """The values of a summary."""

    def add(self, **fields: Any) -> Value:
        """A new value at the end, whose fields may be set later."""
        self.append(Value(**fields))
        return self[-1]


class Summary:
    """Values for TensorBoard that belong to one step.

    >>> summary = Summary(value=[Value(tag='loss', simple_value=0.5)])
    >>> added = summary.value.add()
    >>> added.tag, added.simple_value = 'lr', 0.1
    >>> [value.tag for value in summary.value]
    ['loss', 'lr']
    """

    def __init__(self, value: Iterable[Value] = ()) -> None:
        self.value = _Values(value)

    Value, Image = Value, Image


class FileWriter(EventFile):
    """A new file of events in a folder. What else the arguments say, the graph too, has no effect.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     writer = FileWriter(folder)
    ...     writer.add_summary(Summary([Value('loss', 0.5)]), global_step=1)
    ...     writer.close()
    """

    def __init__(self, logdir: str | os.PathLike[str], graph: Any = None, max_queue: int = 10, flush_secs: float = 120,
                 graph_def: Any = None, filename_suffix: str | None = None, session: Any = None) -> None:
        super().__init__(os.fspath(logdir))
        self._folder = os.fspath(logdir)

    def get_logdir(self) -> str:
        """The folder."""
        return self._folder

    def add_graph(self, graph: Any = None, global_step: Any = None, graph_def: Any = None) -> None:
        """Nothing is written: tensors of all models are in one graph here. `TensorBoard` writes a model's layers."""


NAMES: dict[str, Any] = {"Summary": Summary, "HistogramProto": HistogramProto, "summary.Summary": Summary,
                         "summary.FileWriter": FileWriter, "train.SummaryWriter": FileWriter}
