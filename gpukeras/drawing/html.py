"""What notebooks show of a model and of a training, as HTML with the pictures in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from .curves import draw_curves, panels
from .models import draw_model
from .scene import printable
from .summary import summary_counts, summary_rows

SMALL = 40  # layers: larger models are not drawn unasked
_CELL = 'style="text-align:left;padding:2px 10px;white-space:nowrap"'
_RIGHT = 'style="text-align:right;padding:2px 10px;white-space:nowrap"'


def model_html(model: Any) -> str | None:
    """The summary's table and the drawing, side by side; None for a model of more than 40 layers, and for one whose
    shapes are not known yet."""
    if not model.built or len(model._graph.layers) > SMALL:
        return None
    titles, rows = summary_rows(model)
    head = "".join(f"<th {_RIGHT if title == 'Param #' else _CELL}>{title}</th>" for title in titles)
    body = "".join(f"<tr>{''.join(_cell(i, field) for i, field in enumerate(row))}</tr>" for row in rows)
    counts = "".join(f"<div>{name}: {count:,}</div>" for name, count in summary_counts(model).items())
    return (f'<div style="display:flex;gap:24px;align-items:flex-start;flex-wrap:wrap"><div>'
            f"<b>{_text(model.name)}</b> ({_text(type(model).__name__)})"
            f'<table style="border-collapse:collapse;margin:6px 0"><thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table>{counts}</div>"
            f'<div>{draw_model(model).svg(0.8)}</div></div>')


def history_html(epochs: Sequence[int], history: Mapping[str, Sequence[Any]]) -> str | None:
    """The curves, and under them the last value of each quantity; None if nothing was recorded."""
    if not epochs or not history:
        return None
    last = "".join(f"<tr><td {_CELL}>{_text(name)}</td><td {_RIGHT}>{float(values[-1]):.4g}</td></tr>"
                   for name, values in history.items() if values)
    return (f"<div>{draw_curves(panels(epochs, history)).svg()}</div>"
            f'<table style="border-collapse:collapse"><thead><tr><th {_CELL}>after epoch {epochs[-1] + 1}</th>'
            f"<th></th></tr></thead><tbody>{last}</tbody></table>")


def _cell(column: int, field: Any) -> str:
    text = "<br>".join(_text(one) for one in field) if isinstance(field, list) else _text(field)
    return f"<td {_RIGHT if column == 2 else _CELL}>{text}</td>"


def _text(value: Any) -> str:
    return escape(printable(str(value)))
