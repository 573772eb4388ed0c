"""The table that ``model.summary()`` and ``repr(model)`` show."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ..layers.base import Activation, Layer
from ..messages.terminal import called, printable
from ..saving.config import arguments
from ..typing import Shape
from .model import Model

LONGEST = 60  # characters of a layer with others inside


def _shape_text(shape: Shape) -> str:
    return f"({', '.join(['N', *map(str, shape)])})"


def _text(layer: Layer) -> str:
    """The layer as its constructor shows it; the inner layers of a long layer have their own lines."""
    text, inside = Layer.__repr__(layer), layer.children()
    if not inside or len(text) <= LONGEST:
        return text
    named = arguments(layer)[1]
    parts = [f"{name}={called(value) if value in inside else repr(value)}" for name, value in named.items()]
    return f"{layer.kind}({', '.join(['...', *parts])})"


def _factors(factor: float | Mapping[str, float]) -> list[str]:
    if isinstance(factor, Mapping):
        return [f"learning rate of {printable(name)} × {value:g}" for name, value in factor.items() if value != 1]
    return [] if factor == 1 else [f"learning rate × {factor:g}"]


def _row(layer: Layer, depth: int) -> tuple[str, str, str, str]:
    count = sum(math.prod(parameter.shape) for parameter in layer.declared)
    fused = layer.fused_into if isinstance(layer, Activation) else None
    notes = [f"fused into {called(fused)}"] if fused is not None else []
    if layer.declared and layer.frozen:
        notes.append("frozen")
    if layer.declared:
        notes += _factors(layer.learning_rate_factor)
    if layer.declared and layer.penalty is not None and "penalty" not in arguments(layer)[1]:
        notes.append(f"penalty {layer.penalty!r}")
    return (
        f"{'  ' * depth}{printable(_text(layer))}  [{called(layer)}]",
        _shape_text(layer.output_shape),
        f"{count:,}" if count else "",
        ", ".join(notes),
    )


def table(model: Model, width: int | None = None) -> str:
    """The model's layers with names, output shapes, parameter counts, fusion and frozen layers.

    width: that of the terminal; longer rows continue on a second line.
    """
    if not model.built:
        return f"{model!r}\nnot built yet: call model.build(input_shape) or fit it"
    rows = [("layer", "output", "parameters", ""), ("input", _shape_text(model.input_shape), "", "")]

    def add(layer: Layer, depth: int) -> None:
        rows.append(_row(layer, depth))
        for child in layer.children():
            add(child, depth + 1)

    for layer in model.layers:
        add(layer, 0)
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    if width is not None:
        widths[0] = max(min(widths[0], width - widths[1] - widths[2] - 4), len("layer"))
    lines = [line for row in rows for line in _lines(row, widths, width)]
    lines.insert(1, "-" * max(map(len, lines)))
    size = model.parameters.nbytes / 1e6
    if model.preprocessing is not None and model.preprocessing.fitted:
        text = f"preprocessing of inputs {_shape_text(model.preprocessing.input_shape_)}: {model.preprocessing!r}"
        lines += _broken(text, width)
    text = f"{model.parameter_count:,} parameters, {size:.2f} MB in {model.dtype}, seed {model.seed}"
    return "\n".join([*lines, *_broken(text, width)])


def _lines(row: tuple[str, ...], widths: list[int], width: int | None) -> list[str]:
    """A row of the table: one line, or several if the terminal is too narrow for its layer or its notes."""
    layer, output, count, notes = row
    above, below = [], []
    if len(layer) > widths[0]:
        above, layer = _broken(layer, width), ""
    numbers = f"{layer:<{widths[0]}}  {output:<{widths[1]}}  {count:>{widths[2]}}"
    if notes and width is not None and len(numbers) + 2 + len(notes) > width:
        below, notes = _broken(f"    {notes}", width), ""
    return [*above, f"{numbers}  {notes}".rstrip(), *below]


def _broken(text: str, width: int | None) -> list[str]:
    """The text broken into lines of this width."""
    if width is None or len(text) <= width:
        return [text]
    import textwrap  # here: only narrow terminals need it

    indent = " " * (len(text) - len(text.lstrip()))
    return textwrap.wrap(text.strip(), width, initial_indent=indent, subsequent_indent=f"{indent}    ")
