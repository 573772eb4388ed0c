"""The page on a run, or on several beside each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..diagnosis import of_record
from ..record import Record
from ..sources import Source
from . import about, compare, curves, data, document, layers, predictions, words
from .document import guarded, with_contents

TITLES = {"verdicts": "Verdicts", "curves": "Curves", "predictions": "Predictions", "layers": "Layers", "data": "Data",
          "settings": "Settings"}  # fmt: skip


def html(sources: Sequence[Source], live: str = "") -> str:
    """The whole page; live: where its script asks for news, "" for a file."""
    return document.html(title_of(sources), main(sources), live)


def title_of(sources: Sequence[Source]) -> str:
    """The title of the page."""
    if len(sources) > 1:
        return f"{len(sources)} training runs"
    name = words.escaped(sources[0].name, 80)
    return f"Training run {name}" if name else "Training run"


def main(sources: Sequence[Source]) -> str:
    """What is inside the page."""
    return _of_one(sources[0]) if len(sources) == 1 else _of_several(sources)


def _of_one(source: Source) -> str:
    record = source.record
    kind, sentence = about.ending(source)
    sections = {
        "verdicts": guarded(lambda: about.verdicts(of_record(record), source)),
        "curves": guarded(curves.html, record),
        "predictions": guarded(predictions.html, record),
        "layers": guarded(layers.html, record) + guarded(data.weights, record),
        "data": guarded(data.html, record),
        "settings": guarded(about.html, record),
    }
    head = f'<h1>{title_of([source])}</h1><p class="subtitle">{_summary(record)}</p>'
    return (
        f'<header>{head}<p class="ending {kind}" id="ending" role="status">{sentence}</p>'
        f"{guarded(_tiles, record)}</header>" + with_contents(sections, TITLES)
    )


def _of_several(sources: Sequence[Source]) -> str:
    names = compare.names(sources)
    sections = {
        "verdicts": guarded(compare.verdicts, sources, names),
        "curves": guarded(compare.curves_of, sources, names),
        "settings": guarded(compare.settings, sources, names),
    }
    head = f"<h1>{title_of(sources)}</h1>{guarded(compare.overview, sources, names)}"
    return f"<header>{head}</header>{with_contents(sections, TITLES)}"


def _summary(record: Record) -> str:
    settings = record.settings
    kinds = [layer["kind"] for layer in record.layers if layer["parameters"]]
    counted = [f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)]
    parts = [
        ", ".join(counted) or "no layers with parameters",
        f"{words.number(settings.get('parameters', 0))} parameters",
        f"{settings.get('optimizer', '')}",
        f"{settings.get('loss', '')}",
        f"{words.number(settings.get('samples', 0))} samples",
    ]
    return " · ".join(words.escaped(part, 200) for part in parts if part)


def _tiles(record: Record) -> str:
    """The last numbers, large."""
    tiles = []
    for name in curves.measured(record)[:2]:
        for prefix, told in (("", "training"), (curves.HELD, "validation")):
            values = record.curve(prefix + name)
            finite = values[np.isfinite(values)]
            if len(finite):
                label = f"{told} {name.replace('_', ' ')}"
                tiles.append(
                    f"<div><dt>{words.escaped(label, 60)}</dt><dd>{words.number(float(finite[-1]))}</dd></div>"
                )
    return f'<dl class="tiles">{"".join(tiles)}</dl>' if tiles else ""
