"""Results of a search from its storage: without its samples, and while it goes on elsewhere."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from ..messages.terminal import brief, printable
from . import arguments, narrowing
from .result import Result
from .space import Choice, Space
from .space.ranges import Range
from .stage import Stage
from .storage import journal
from .storage.keeping import Keeper
from .storage.records import STUDY
from .storage.settings import Settings
from .storage.stored import Stored

LISTED = 10  # names in a message


def load(
    storage: str | os.PathLike[str] | BaseStorage,
    name: str | None = None,
    *,
    folder: str | os.PathLike[str] | None = None,
) -> Result:
    """Read what a search has found from its storage.

    Parameters
    ----------
    storage : path, URL or storage of Optuna
        What `Search` was given, or ``pynn search --storage``. Nothing is written to it.
    name : str, optional
        Of the search, if the storage holds several.
    folder : path, optional
        Of the models, as for `Search`. By default the one beside the journal file.

    Returns
    -------
    Result
        What there is so far, if the search still goes on.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it holds no search, or several and none is named.

    Examples
    --------
    >>> result = pynn.search.load("study.log")
    >>> result.best_params, result.report("study.html")
    """
    found = journal.existing(storage)
    names = _named(found, _shown(storage), name)
    return Result(_search(names), _stages_of(names, found), Keeper(arguments.models_folder(folder, storage)))


def _shown(storage: Any) -> str:
    """The storage in messages; a URL may hold a password."""
    return journal.shown(storage)


# Names ---------------------------------------------------------------------------------------------


def _named(storage: BaseStorage, shown: str, name: str | None) -> list[str]:
    """The studies of the search of this name, stage by stage; ValueError if it is not one."""
    studies = storage.get_all_studies()
    searches = grouped([one.study_name for one in studies if STUDY in one.user_attrs])
    if not searches:
        others = _listed(one.study_name for one in studies)
        foreign = f"no search of pynn; its studies are of other programs: {others}"
        raise ValueError(f"{shown} holds {foreign if studies else 'no search yet'}")
    if name is None and len(searches) > 1:
        one = f"choose one by name={brief(next(iter(searches)))}, in a terminal by --name"
        raise ValueError(f"{shown} holds {len(searches)} searches, {_listed(searches)}: {one}")
    chosen = next(iter(searches)) if name is None else name
    if chosen not in searches:
        raise ValueError(f"{shown} holds no search {brief(chosen)}, but {_listed(searches)}")
    return searches[chosen]


def grouped(names: Iterable[str]) -> dict[str, list[str]]:
    """By the name of each search its studies: "a stage 1" and "a stage 2" are of the search "a"."""
    there = set(names)
    found: dict[str, list[str]] = {}
    for name in sorted(there):
        match = re.fullmatch(r"(.+) stage (\d+)", name)
        if match is None or f"{match[1]} stage 1" not in there:
            found[name] = [name]
        elif match[2] == "1":
            own, place = [name], 2
            while f"{match[1]} stage {place}" in there:
                own.append(f"{match[1]} stage {place}")
                place += 1
            found[name if match[1] in there else match[1]] = own
    return found


def _search(names: Sequence[str]) -> str:
    """What the search of these studies was given as its name."""
    return names[0].removesuffix(" stage 1")


def _listed(names: Iterable[str]) -> str:
    listed = [brief(name) for name in names]
    more = f" and {len(listed) - LISTED} more" if len(listed) > LISTED else ""
    return ", ".join(listed[:LISTED]) + more


# Stages --------------------------------------------------------------------------------------------


def _stages_of(names: list[str], storage: BaseStorage) -> list[Stage[Stored]]:
    stages: list[Stage[Stored]] = []
    for place, name in enumerate(names, 1):
        stage = Stage(_study(name, storage, place))
        if stages:
            _join(stages[-1], stage)
        stages.append(stage)
    return stages


def _study(name: str, storage: BaseStorage, place: int) -> Stored:
    study = optuna.load_study(study_name=name, storage=storage)
    settings = _settings(name, study.user_attrs[STUDY])
    found = Stored(study, storage, settings, study.direction == StudyDirection.MAXIMIZE, place)
    found.settings = settings._replace(space=_typed(settings.space, _labels(found.frozen())))
    return found


def _settings(name: str, plain: Mapping[str, Any]) -> Settings:
    """The settings of a study of this name."""
    try:
        return Settings(**{**plain, "space": Space(plain["space"])})
    except (TypeError, KeyError, ValueError) as cause:
        raise ValueError(f"the study {name!r} was written by another version of pynn: {printable(cause)}") from cause


def _labels(trials: Iterable[FrozenTrial]) -> dict[str, tuple[Any, ...]]:
    """By unique name what choices have between these trials, the latest first; a storage keeps their types."""
    labels: dict[str, tuple[Any, ...]] = {}
    for trial in trials:
        for unique, one in trial.distributions.items():
            if isinstance(one, CategoricalDistribution):
                labels[unique] = one.choices
    return labels


def begun(storage: BaseStorage, name: str) -> dict[str, Any] | None:
    """The space of the study of this name as the storage has it; None if no search has begun it."""
    try:
        attributes = storage.get_study_user_attrs(storage.get_study_id_from_name(name))
    except KeyError:
        return None
    settings = attributes.get(STUDY)
    return None if settings is None else settings["space"]


def space(storage: BaseStorage, names: Sequence[str]) -> Space:
    """The space of the last of these studies, whose trials tell the types of its values."""
    keys = [storage.get_study_id_from_name(name) for name in names]
    labels = _labels(one for key in keys for one in storage.get_all_trials(key, deepcopy=False))
    found = _settings(names[-1], storage.get_study_user_attrs(keys[-1])[STUDY])
    return _typed(found.space, labels)


def _join(before: Stage[Stored], after: Stage[Stored]) -> None:
    """Say what became of the ranges between two stages."""
    params = [one.params for one in before.study.ranked()]
    before.words = narrowing.changes(before.study.settings.space, after.study.settings.space, params)


def _typed(space: Space, labels: Mapping[str, tuple[Any, ...]], path: str = "") -> Space:
    """The space with the values of which the storage has made text: the keys of a choice."""
    parts: dict[str, Range | Choice] = {}
    for name, part in space.parts.items():
        if isinstance(part, Range):
            parts[name] = part
            continue
        known = {str(label): label for label in labels.get(f"{path}{name}", ()) if part.conditional}
        options = []
        for text, (value, inner) in zip(part.labels, part.options, strict=True):
            label = known.get(text, text) if isinstance(text, str) else text
            inside = None if inner is None else _typed(inner, labels, f"{path}{name}={label}/")
            options.append((value if isinstance(value, tuple) else label, inside))
        parts[name] = Choice(options)
    return Space(parts)
