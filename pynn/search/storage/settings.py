"""What all trials of a study have in common, as a storage holds it, and how two studies differ. Knows no storage."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ...messages.terminal import brief
from .. import parts
from ..space import Space

IN_MEMORY = "memory"


class Settings(NamedTuple):
    """What all trials of a study have in common; a study goes on with the same settings only.

    Parameters
    ----------
    space : Space
        What is chosen from.
    metric, mode : str
        The score, and how it is compared.
    epochs : int
        Of a trial.
    seed : int
        Of the search.
    parts : dict
        How the samples are parted, of `parts`.
    samples : int
        Number of samples.
    contents : str
        Their fingerprint.
    """

    space: Space
    metric: str
    mode: str
    epochs: int
    seed: int
    parts: dict[str, Any]
    samples: int
    contents: str

    def plain(self) -> dict[str, Any]:
        """The settings as a storage holds them."""
        return plain({**self._asdict(), "space": self.space.data()})


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as a storage gives them back: lists for tuples, text for keys."""
    found: dict[str, Any] = json.loads(json.dumps(values))
    return found


class OtherSettings(ValueError):
    """A study was begun with other settings.

    Parameters
    ----------
    name : str
        Of the study.
    changes : str
        In words.
    where : str, default "the storage"
        Where its trials are, in words.
    """

    def __init__(self, name: str, changes: str, where: str = "the storage") -> None:
        instead = "go on with the same settings, or pass Search another name= or storage="
        if where == IN_MEMORY:
            instead = "go on with the same settings, or make a new Search for others, which begins anew"
        super().__init__(
            f"the study {name!r} was begun with other settings: {changes}. Its trials are in {where}: {instead}"
        )
        self.changes = changes


def differences(before: Any, now: Mapping[str, Any]) -> Iterator[str]:
    """In words what differs between two settings."""
    if not isinstance(before, Mapping):
        yield f"they were {brief(before)}"
        return
    alike = all(before.get(name) == now[name] for name in ("samples", "parts", "seed"))  # then in the same order
    if alike and before.get("contents") != now["contents"]:
        yield "values of x, y, sample_weight or validation were others"
    for name in now:
        if name not in ("space", "contents") and before.get(name) != now[name]:
            was, is_now = (parts.text(one) if name == "parts" else brief(one) for one in (before.get(name), now[name]))
            yield f"{name} was {was}, now it is {is_now}"
    old, new = before.get("space") or {}, now["space"]
    for name in dict.fromkeys((*old, *new)):
        if old.get(name) != new.get(name):
            was, is_now = (brief(one[name]) if name in one else "not there" for one in (old, new))
            yield f"in the space, {name} was {was}, now it is {is_now}"
