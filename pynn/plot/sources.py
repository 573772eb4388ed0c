"""What pictures are drawn from: the measurements of a run, and the record of a Monitor. Read by attribute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..messages.terminal import brief, printable

EXPECTED = "expected a History, a Record or a model"
UNWATCHED = "what the layers did is not known: train with fit(..., callbacks=[pynn.Monitor()])"


def measurements(source: Any) -> Mapping[str, Sequence[float]]:
    """Numbers by name, one per epoch, of a History or another mapping, a record, or a model that was trained."""
    if isinstance(source, Mapping):
        return source
    if is_record(source):
        names = list(dict.fromkeys(name for epoch in source.epochs for name in epoch))
        return {name: np.asarray(source.curve(name)).tolist() for name in names}
    if hasattr(source, "history"):
        return {} if source.history is None else measurements(source.history)
    raise TypeError(f"history is {brief(source)}, {EXPECTED}")


def is_record(source: Any) -> bool:
    """Whether it looks like a Record."""
    return hasattr(source, "snapshots") and hasattr(source, "epochs")


def record_of(source: Any) -> Any:
    """The record in a History or a model, or the record itself."""
    if is_record(source):
        return source
    if isinstance(source, Mapping) or not hasattr(source, "history"):
        if not isinstance(source, Mapping):
            raise TypeError(f"got {brief(source)}, {EXPECTED}")
        record = getattr(source, "record", None)
    else:
        record = getattr(source.history, "record", None)
    if record is None:
        raise ValueError(UNWATCHED)
    return record


def snapshots_of(source: Any) -> list[Any]:
    """The snapshots in a record, at least one."""
    record = record_of(source)
    snapshots = list(record.snapshots)
    if not snapshots:
        reason = record.settings.get("unwatched")
        raise ValueError(
            "the record has no snapshots" + (f": {printable(reason, 200)}" if reason else "; train for at least a step")
        )
    return snapshots


def layer_names(snapshots: list[Any]) -> list[str]:
    """The layers of all snapshots, in the order of the forward pass."""
    return list(dict.fromkeys(name for snapshot in snapshots for name in snapshot.layers))


def computing(source: Any, snapshots: list[Any], wanted: Sequence[str] | None, limit: int = 1000) -> list[str]:
    """The layers to draw; by default those with weights or an activation, if there are some."""
    names = layer_names(snapshots)
    if wanted is None:
        weighty = {one["name"] for one in record_of(source).layers if one["parameters"] or one["activation"]}
        names = [name for name in names if name in weighty] or names
    return chosen(names, wanted, limit)


def chosen(names: list[str], wanted: Sequence[str] | None, limit: int) -> list[str]:
    """The layers to draw: those that are wanted, or up to `limit` spread over the depth."""
    if wanted is not None:
        wanted = [wanted] if isinstance(wanted, str) else list(wanted)
        for name in wanted:
            if name not in names:
                raise ValueError(f"layers has {brief(name)}, expected some of {', '.join(map(printable, names))}")
        return wanted
    if len(names) <= limit:
        return names
    return [names[place] for place in np.unique(np.linspace(0, len(names) - 1, limit).round().astype(int)).tolist()]
