"""The page on a search: the best settings in words, all trials as a table and in charts, the stages."""

from __future__ import annotations

from typing import Any

from .... import searched
from .. import document, words
from ..document import guarded
from . import about, panels, parallel, points, reading, table

TITLES = {
    "best": "Best settings", "trials": "Trials", "curves": "Curves", "parameters": "Parameters",
    "together": "All together", "importance": "Importance", "stages": "Stages", "settings": "Settings",
}  # fmt: skip
DEFAULT = "search"  # name of a search that was given none
MORE = ("search/page.css", "search/page.js")


def html(result: Any) -> str:
    """The whole page; ValueError if there are no trials."""
    if not result.trials:
        raise ValueError(f"the search {result.name!r} has no trials yet, so there is nothing to write a page on")
    return document.html(_title(result), _main(result), more=MORE)


def _title(result: Any) -> str:
    return "Search" if result.name == DEFAULT else f"Search: {words.escaped(result.name, 80)}"


def _main(result: Any) -> str:
    trials = searched.ordered(result)
    kind, sentence = about.ending(result)
    sections = {
        "best": guarded(about.best, result),
        "trials": guarded(table.html, result, trials),
        "curves": guarded(panels.html, result),
        "parameters": guarded(points.html, result, trials),
        "together": guarded(parallel.html, result, trials),
        "importance": guarded(about.importance, result),
        "stages": guarded(about.stages, result),
        "settings": guarded(about.settings, result),
    }
    return (
        f'<header><h1>{_title(result)}</h1><p class="subtitle">{_summary(result)}</p>'
        f'<p class="ending {kind}" id="ending" role="status">{sentence}</p>{guarded(about.tiles, result)}</header>'
        + document.with_contents(sections, TITLES)
    )


def _summary(result: Any) -> str:
    first = result.settings[0]
    epochs = words.several(first["epochs"], "epoch")
    parts = [
        words.several(len(result.trials), "trial"),
        words.several(len(result.spaces), "stage") if reading.staged(result) else epochs,
        words.several(len(reading.names(result)), "parameter"),
        words.escaped(result.metric, 60),
        f"{words.number(first['samples'])} samples",
    ]
    return " · ".join(parts)
