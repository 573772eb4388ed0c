"""What a storage keeps of a trial: text, which takes a fraction of the memory of dicts and lists."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...messages.terminal import printable
from ..trials.trial import Outcome
from ..trials.watching import FINISHED

RECORD, STUDY = "pynn", "pynn_study"  # names of attributes
KEPT = ("ended", "why", "score", "folds", "best_epochs", "curves", "verdicts", "settings", "first", "went_on", "error",
        "again")  # fmt: skip
MOST = 4000  # characters of a traceback
PART = 30_000  # characters of an attribute: MySQL takes 65,535, in JSON, where quotation marks take two
NOTHING = Outcome(ended="")


@dataclass(frozen=True, eq=False)
class Trial:
    """A trial of a search, as it ended.

    Parameters
    ----------
    number : int
        In its stage, from 0 on.
    params : dict
        What `build` was given.
    score : float or None
        The metric of the best epoch, the mean over folds; None if there is none.
    ended : str
        "finished"; "diverged": the loss was NaN or rose over 3 times the first; "stopped" by its diagnosis; "pruned" by
        Optuna; "failed" with an error; "unfinished". Only finished trials can be the best.
    why : str
        In words; "" if it finished.
    epochs : int
        That it trained, on all folds together.
    seed : int
        Of the order of samples and of the model, unless `build` returned it built.
    seconds : float
        How long it took.
    stage : int
        The number of its stage, from 1 on.
    folds : list of float
        The score of each fold.
    best_epochs : list of int
        The best epoch of each fold, from 1 on.
    curves : list of dict
        The measurements of every epoch by name, for each fold.
    verdicts : list of str
        What the diagnosis found, if it was asked.
    settings : dict
        What `build` gave for `fit`, as text.
    went_on : bool
        Whether it began with the weights of an earlier stage.
    first : float or None
        The loss with the first weights, on samples to train on.
    error : str
        The traceback of a failed trial.
    again : str or None
        The command that trains such a model again, "" if there is none; None if `build` is a function of a script.
    """

    number: int
    params: dict[str, Any]
    score: float | None
    ended: str
    why: str
    epochs: int
    seed: int
    seconds: float
    stage: int = 1
    folds: list[float] = field(default_factory=list)
    best_epochs: list[int] = field(default_factory=list)
    curves: list[dict[str, list[float]]] = field(default_factory=list)
    verdicts: list[str] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)
    went_on: bool = False
    first: float | None = None
    error: str = ""
    again: str | None = None

    def __repr__(self) -> str:
        score = "no score" if self.score is None else f"score {self.score:.5g}"
        return f"Trial({self.number}, {score}, {self.ended}, {self.params})"


def packed(outcome: Outcome) -> dict[str, str]:
    """The outcome as text, by the names of its attributes, of which that of the record is the last to be written.

    Curves are rounded to seven digits. The record of a long text is the number of its parts.
    """
    values = {name: value for name in KEPT if (value := getattr(outcome, name)) != getattr(NOTHING, name)}
    if outcome.curves:
        values["curves"] = [
            {name: [float(f"{value:.7g}") for value in curve] for name, curve in fold.items()}
            for fold in outcome.curves
        ]  # fmt: skip
    if outcome.error:
        values["error"] = printable(outcome.error, MOST, lines=True)
    values["seconds"] = round(outcome.seconds, 4)
    text = json.dumps(values, separators=(",", ":"))
    if len(text) <= PART:
        return {RECORD: text}
    parts = {_part(place): text[place : place + PART] for place in range(0, len(text), PART)}
    return {**parts, RECORD: str(len(parts))}


def _part(place: int) -> str:
    """The name of the part that begins at this place."""
    return f"{RECORD}.{place // PART + 1}"


def unpacked(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """What `packed` wrote; nothing for a trial that has not ended, and for one that another program made."""
    text = attributes.get(RECORD)
    if not isinstance(text, str):
        return {}
    if text.isdecimal():
        text = "".join(attributes[_part(place * PART)] for place in range(int(text)))
    values = json.loads(text)
    return values if isinstance(values, dict) else {}


def trial(number: int, params: dict[str, Any], values: Mapping[str, Any], seed: int, stage: int) -> Trial:
    """The trial of these values from `unpacked`."""
    known = {name: values[name] for name in KEPT if name in values and name not in ("score", "ended", "why")}
    epochs = sum(max(map(len, fold.values()), default=0) for fold in values.get("curves", ()))
    return Trial(
        number, params, values.get("score"), values.get("ended", "unfinished"), values.get("why", ""), epochs, seed,
        values.get("seconds", 0.0), stage, **known,
    )  # fmt: skip


def finished(values: Mapping[str, Any]) -> bool:
    """Whether a trial of these values from `unpacked` may be the best."""
    return values.get("ended") == FINISHED and values.get("score") is not None


def ranked(trials: Iterable[Trial], largest: bool) -> list[Trial]:
    """The finished trials with a score, the best first; of equal ones, the later stage and the earlier trial."""
    sign = -1 if largest else 1
    scored = [(sign * one.score, one) for one in trials if one.ended == FINISHED and one.score is not None]
    return [one for _, one in sorted(scored, key=lambda pair: (pair[0], -pair[1].stage, pair[1].number))]
