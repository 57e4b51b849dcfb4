"""Models as ONNX files."""

from __future__ import annotations

import os
from typing import Any

from ..device.files import write_file
from ..engine.generators import refuse_unknown
from ..engine.network import Network
from ..utils.extras import need
from . import elementwise, recurrent, shapes, windows  # noqa: F401 - they declare the translations
from .exporter import Exporter, ExportError
from .graph import Port, as_proto

OLDEST = 13  # the first opset in which axes to insert and drop are inputs
DEFAULT = 17
_LARGEST = (1 << 31) - (1 << 20)  # bytes: a protocol buffer ends at two gibibytes


def to_onnx(model: Any, path: Any = None, opset: int = DEFAULT) -> Any:
    """The model as it predicts (learning phase 0), as onnx.ModelProto; written to `path` if there is one.

    Inputs and outputs have the names of the model's; the batch and all other dimensions that the model leaves open stay
    open. Weights are stored as they are now, in their dtypes. `opset` is the version of ONNX's operators, 13 or newer.
    The file appears whole or not at all.

    Raises `export.ExportError`, a ValueError, naming layer and op, for what ONNX can't express: states that are kept
    between batches, and ops without a translation. ImportError where the package onnx is missing.
    Source: https://onnx.ai/onnx/operators

    >>> from gpukeras.layers import Dense
    >>> from gpukeras.models import Sequential
    >>> proto = to_onnx(Sequential([Dense(2, input_shape=(3,), name="last")]))  # doctest: +SKIP
    >>> [x.name for x in proto.graph.output]  # doctest: +SKIP
    ['last']
    """
    onnx = need("onnx", "onnx", "Exporting a model to ONNX")
    newest = onnx.defs.onnx_opset_version()
    if not isinstance(opset, int) or not OLDEST <= opset <= newest:
        raise ValueError(f"opset must be a number from {OLDEST} to {newest} (the newest that onnx {onnx.__version__} "
                         f"knows), got {opset!r}")
    exporter = _exported(model, opset)
    read = exporter.graph.prune()
    weights = {name: a for name, a in exporter.constants.items() if name in read}
    size = sum(a.nbytes for a in weights.values())
    if size > _LARGEST:
        raise ExportError(f"Model '{model.name}' has {size / 2**30:.1f} GiB of weights; an ONNX file holds less than 2")
    from .. import __version__

    opsets = [onnx.helper.make_opsetid("", opset)]
    proto = onnx.helper.make_model(as_proto(exporter.graph, weights), opset_imports=opsets, producer_name="gpukeras",
                                   producer_version=__version__,
                                   ir_version=onnx.helper.find_min_ir_version_for(opsets))
    onnx.checker.check_model(proto, full_check=True)
    if path is not None:
        write_file(path, [proto.SerializeToString()])
    return proto


def export_model(model: Any, path: Any, format: str | None = None, opset_version: int | None = None,
                 opset: int | None = None, **kwargs: Any) -> None:
    """`Model.export`, with newer Keras's arguments; `verbose` and `input_signature` say nothing here."""
    refuse_unknown("export", [name for name in kwargs if name not in ("verbose", "input_signature")], export_model)
    if format not in (None, "onnx"):
        raise ValueError(f"export: the only format is 'onnx', got {format!r}")
    if format is None and not os.fspath(path).endswith(".onnx"):
        raise ValueError(f"export: the name must end in '.onnx', or say format='onnx'; got {os.fspath(path)!r}")
    to_onnx(model, path, opset_version or opset or DEFAULT)


def _exported(model: Any, opset: int) -> Exporter:
    if not isinstance(model, Network):
        raise TypeError(f"to_onnx takes a Model or a Sequential, got {type(model).__name__}")
    if not model.built or not model.outputs:
        raise ExportError(f"Model '{model.name}' has no graph yet, since its input shape isn't known: build it, or let "
                          "it see data, before it is exported.")
    stateful = [layer.name for layer in model._graph.layers if layer.stateful]
    if stateful:
        raise ExportError(f"layer '{stateful[0]}' is stateful: an ONNX model forgets its states between two calls. "
                          "Build the model with stateful=False, or make the states inputs and outputs "
                          "(initial_state=..., return_state=True).")
    inputs = dict(zip(_unique(model._feed_input_names), model._feed_inputs))
    outputs = _unique(model.output_names, set(inputs))
    exporter = Exporter(model.name, inputs, opset, outputs)
    exporter.graph.inputs = [Port(name, t.dtype, [_dimension(name, a, d) for a, d in enumerate(t.shape)])
                             for name, t in inputs.items()]
    exporter.walk(model.outputs)
    for name, t in zip(outputs, model.outputs):
        exporter.result(t, name, ["batch" if a == 0 and d is None else d for a, d in enumerate(t.shape)])
    return exporter


def _dimension(name: str, axis: int, length: int | None) -> int | str:
    return length if length is not None else "batch" if axis == 0 else f"{name}_{axis}"


def _unique(names: list[str], taken: set[str] | None = None) -> list[str]:
    """The names, those that were there before with a number."""
    seen = set(taken or ())
    found = []
    for name in names:
        new, number = name, 1
        while new in seen:
            new, number = f"{name}_{number}", number + 1
        seen.add(new)
        found.append(new)
    return found
