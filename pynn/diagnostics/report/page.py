"""The page: one HTML file with its style and script, which loads nothing and sends nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any

import numpy as np

from ..diagnosis import of_record
from ..record import Record
from ..sources import Source
from . import about, compare, curves, data, layers, predictions, words

TITLES = {"verdicts": "Verdicts", "curves": "Curves", "predictions": "Predictions", "layers": "Layers", "data": "Data",
          "settings": "Settings"}  # fmt: skip


def html(sources: Sequence[Source], live: str = "") -> str:
    """The whole page; live: where its script asks for news, "" for a file."""
    style, script = (files(__package__).joinpath(name).read_text("utf-8") for name in ("style.css", "page.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        f"connect-src '{'self' if live else 'none'}'; base-uri 'none'; form-action 'none'"
    )
    title = title_of(sources)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer">'
        '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
        f"<title>{title} – pynn</title><style>{style}</style></head>"
        f'<body data-live="{words.escaped(live)}"><main id="main">{main(sources)}</main>'
        f"<script>{script}</script></body></html>\n"
    )


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
        "verdicts": _guarded(lambda: about.verdicts(of_record(record), source)),
        "curves": _guarded(curves.html, record),
        "predictions": _guarded(predictions.html, record),
        "layers": _guarded(layers.html, record) + _guarded(data.weights, record),
        "data": _guarded(data.html, record),
        "settings": _guarded(about.html, record),
    }
    head = f'<h1>{title_of([source])}</h1><p class="subtitle">{_summary(record)}</p>'
    return (
        f'<header>{head}<p class="ending {kind}" id="ending" role="status">{sentence}</p>'
        f"{_guarded(_tiles, record)}</header>" + _with_contents(sections)
    )


def _of_several(sources: Sequence[Source]) -> str:
    names = compare.names(sources)
    sections = {
        "verdicts": _guarded(compare.verdicts, sources, names),
        "curves": _guarded(compare.curves_of, sources, names),
        "settings": _guarded(compare.settings, sources, names),
    }
    head = f"<h1>{title_of(sources)}</h1>{_guarded(compare.overview, sources, names)}"
    return f"<header>{head}</header>{_with_contents(sections)}"


def _guarded(section: Callable[..., str], *of: Any) -> str:
    """The section; a line instead if the run holds what it does not expect: the others must not be lost with it."""
    try:
        return section(*of)
    except Exception as cause:
        told = words.escaped(f"{type(cause).__name__}: {cause}")
        return f'<p class="hint">This part cannot be drawn: {told}</p>'


def _with_contents(sections: dict[str, str]) -> str:
    filled = {name: text for name, text in sections.items() if text}
    links = "".join(f'<a href="#{name}">{TITLES[name]}</a>' for name in filled)
    body = "".join(f'<section id="{name}"><h2>{TITLES[name]}</h2>{text}</section>' for name, text in filled.items())
    return f'<nav aria-label="Contents">{links}</nav>{body}'


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
