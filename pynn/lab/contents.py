"""The experiments in the order of the course."""

from __future__ import annotations

import difflib

from .experiment import Experiment, read

CHAPTERS: dict[str, tuple[str, ...]] = {}


def names() -> tuple[str, ...]:
    """The names of all experiments."""
    return tuple(name for chapter in CHAPTERS.values() for name in chapter)


def find(name: str) -> Experiment:
    """The experiment of this name, however it is spelled; ValueError with a suggestion for an unknown one."""
    known = {_plain(each): each for each in names()}
    if _plain(name) in known:
        return read(known[_plain(name)])
    near = difflib.get_close_matches(_plain(name), known, n=3, cutoff=0.5)
    near += [each for each in known if _plain(name) and _plain(name) in each and each not in near]
    hint = f"; did you mean {' or '.join(known[each] for each in near[:3])}?" if near else ""
    raise ValueError(f"there is no experiment {name!r}{hint} (pynn lab lists all)")


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "").replace(" ", "")
