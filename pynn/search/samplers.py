"""Samplers and pruners of Optuna by name. Each trial has a new sampler: what it draws depends on the number alone."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, CmaEsSampler, GridSampler, RandomSampler, TPESampler

from ..messages.terminal import brief
from .space import Space, grid

GRID = "grid"
SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    "random": lambda seed: RandomSampler(seed=seed),
    GRID: lambda seed: RandomSampler(seed=seed),  # for what no grid has
    "tpe": lambda seed: TPESampler(seed=seed),
}
FORGETFUL = ("random", GRID)  # that need not be told how a trial ended
PRUNERS: dict[str, Callable[[int], BasePruner]] = {
    "median": lambda _: MedianPruner(),
    "hyperband": lambda epochs: HyperbandPruner(min_resource=1, max_resource=epochs),
}


def expect_sampler(sampler: Any) -> None:
    """TypeError or ValueError for anything but a name or a sampler of Optuna."""
    _expect("sampler", sampler, SAMPLERS, BaseSampler)
    if isinstance(sampler, CmaEsSampler) and find_spec("cmaes") is None:  # Optuna says it in the first trial
        raise ImportError("Search: sampler is a CmaEsSampler, which needs the package cmaes: pip install cmaes")


def expect_for_stages(sampler: str | BaseSampler, space: Space, stages: Sequence[tuple[int, int]]) -> None:
    """ValueError for a grid that cannot be searched in these stages."""
    if sampler == GRID:
        grid.expect_stages(space, stages)
    elif isinstance(sampler, GridSampler):
        raise ValueError("coarse_to_fine: Optuna's GridSampler has the same points in all stages; use sampler='grid'")


def expect_pruner(pruner: Any) -> None:
    """TypeError or ValueError for anything but None, a name or a pruner of Optuna."""
    if pruner is not None:
        _expect("pruner", pruner, PRUNERS, BasePruner)


def _expect(what: str, value: Any, known: Any, base: type) -> None:
    if isinstance(value, base) or (isinstance(value, str) and value in known):
        return
    hint = "; make an object of it" if isinstance(value, type) and issubclass(value, base) else ""
    error = ValueError if isinstance(value, str) else TypeError
    names = ", ".join(known)
    raise error(f"Search: {what} is {brief(value)}, expected one of {names}, or a {what} of Optuna{hint}")


def sampler(choice: str | BaseSampler, seed: int, study: str, number: int) -> BaseSampler:
    """The sampler for a trial: a new one whose draws follow from seed, study and number, or the user's own."""
    if isinstance(choice, BaseSampler):
        return choice
    key = [seed, zlib.crc32(study.encode()), number]
    return SAMPLERS[choice](int(np.random.SeedSequence(key).generate_state(1)[0]))


def pruner(choice: str | BasePruner | None, epochs: int) -> BasePruner:
    """The pruner for trials of so many epochs."""
    if choice is None:
        return NopPruner()
    return PRUNERS[choice](epochs) if isinstance(choice, str) else choice
