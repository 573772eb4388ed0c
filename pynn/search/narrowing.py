"""From coarse to fine: ranges around the best trials, each on its own scale, and ends at which the best ones sit.

Reference: CS231n notes, "Neural Networks Part 3", hyperparameter optimization.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from ..messages.counting import several
from .space import Choice, Space
from .space.ranges import EDGE, Range

Params: TypeAlias = Mapping[str, Any]

LEAST = 8  # trials from which their best ones say something of the ranges
SHARE = 6  # every so many trials one is among the best, and 3 at least
TRIED = 3  # trials of an option, without which it is not left out
WIDTH = 0.1  # of the range before: no range becomes narrower
MOVE = 0.25  # of the range before: so far a range goes beyond its end if the best sit there


def best_of(params: Sequence[Params]) -> list[Params]:
    """The best of these parameters, which come best first."""
    return list(params[: max(3, round(len(params) / SHARE))])


def edges(space: Space, ranked: Sequence[Params]) -> dict[str, str]:
    """By name the end, "lower" or "upper", at which the best trial and at least half of the best ones sit.

    ranked: the parameters of all finished trials, the best first; none sit at an end if there are too few.
    """
    if len(ranked) < LEAST:
        return {}
    best, found = best_of(ranked), {}
    for name, part in space.active(best[0]).items():
        positions = _positions(part, name, space, best)
        for end in ("lower", "upper"):
            inside = [(position if end == "lower" else 1 - position) <= EDGE for position in positions]
            if inside[0] and sum(inside) >= max(2, math.ceil(len(best) / 2)) and _may_move(part, end):
                found[name] = end
    return found


def _values(part: Range | Choice, name: str, space: Space, params: Sequence[Params]) -> list[Any]:
    """What trials have taken from a range or a choice, as far as it exists for them."""
    return [one[name] for one in params if space.present(one).get(name) is part]


def _positions(part: Range, name: str, space: Space, best: Sequence[Params]) -> list[float]:
    """Where the best trials lie on the scale of a range."""
    return list(map(part.position, _values(part, name, space, best)))


def _may_move(part: Range, end: str) -> bool:
    """Whether there is anything beyond that end."""
    least, most = part.limits
    return part.low > least if end == "lower" else part.high < most


def edge_warning(space: Space, ranked: Sequence[Params]) -> list[str]:
    """A sentence for each range at whose end the best trials sit."""
    few = f"the best {len(best_of(ranked))} of {len(ranked)} trials"
    return [
        f"{few} sit at the {end} end of {name}, {space.active(ranked[0])[name]!r}: "
        f"better values may lie {'below' if end == 'lower' else 'above'} it"
        for name, end in edges(space, ranked).items()
    ]


class _Trials(NamedTuple):
    """The space of a stage, with the parameters of its best trials and of all, and the ends beyond which it goes."""

    space: Space
    best: Sequence[Params]
    tried: Sequence[Params]
    moved: Mapping[str, str]


def narrowed(space: Space, ranked: Sequence[Params], tried: Sequence[Params]) -> tuple[Space, list[str]]:
    """The space around the best trials, and in words what became of each part.

    ranked: the parameters of finished trials, the best first; the space stays as it is if there are too few. tried:
    those of all trials that have ended.
    """
    finer = space
    if len(ranked) >= LEAST:
        finer = _narrowed(space, _Trials(space, best_of(ranked), tried, edges(space, ranked)))
    return finer, changes(space, finer, ranked)


def _narrowed(space: Space, trials: _Trials) -> Space:
    parts: dict[str, Range | Choice] = {}
    at_best = trials.space.active(trials.best[0])
    for name, part in space.parts.items():
        if isinstance(part, Range):
            values = _values(part, name, trials.space, trials.best)
            end = trials.moved.get(name) if at_best.get(name) is part else None  # not another option's of that name
            parts[name] = _around(part, values, end) if len(values) > 1 else part
        else:
            parts[name] = _chosen(part, name, trials)
    return Space(parts)


def _around(part: Range, values: Sequence[float], end: str | None) -> Range:
    """The range around these values, beyond its end if the best sit there."""
    least, most = min(values), max(values)
    low, high = part.position(least), part.position(most)
    pad = max((high - low) / (len(values) - 1), (WIDTH - (high - low)) / 2)
    low, high = max(low - pad, 0.0), min(high + pad, 1.0)
    if end == "lower":
        low = -MOVE
    elif end == "upper":
        high = 1 + MOVE
    return part.between(min(part.at_exactly(low), least), max(part.at_exactly(high), most))  # of logarithms, last bits


def _chosen(part: Choice, name: str, trials: _Trials) -> Choice:
    """The options that are among the best or were hardly tried, each with its own parameters narrowed."""
    best, tried = (_values(part, name, trials.space, several) for several in (trials.best, trials.tried))
    kept = [one for one in part.options if not best or one[0] in best or tried.count(one[0]) < TRIED]
    return Choice([(value, None if inner is None else _narrowed(inner, trials)) for value, inner in kept])


# In words ------------------------------------------------------------------------------------------


def changes(before: Space, after: Space, ranked: Sequence[Params]) -> list[str]:
    """In words what became of each part between two stages. ranked: finished trials of the first, the best first."""
    at_best = before.active(ranked[0]) if ranked else {}
    moved = {id(at_best[name]): end for name, end in edges(before, ranked).items()}
    found = list(_changes(before, after, moved))
    return found or ([too_few(len(ranked))] if len(ranked) < LEAST else [])


def too_few(count: int) -> str:
    """What is said if so many finished trials are too few to narrow ranges."""
    return f"the ranges stay, because only {several(count, 'trial')} finished; {LEAST} would narrow them"


def _changes(before: Space, after: Space, moved: Mapping[int, str]) -> Iterator[str]:
    """moved: the ends beyond which ranges went, by the ranges' identities; options may have ranges of one name."""
    for name, part in before.parts.items():
        now = after.parts.get(name)
        if isinstance(part, Choice) and isinstance(now, Choice):
            left = dict(zip(now.labels, (inner for _, inner in now.options), strict=True))
            for label, (_, inner) in zip(part.labels, part.options, strict=True):
                if inner is not None and (kept := left.get(label)) is not None:
                    yield from _changes(inner, kept, moved)
            dropped = [value for label, (value, _) in zip(part.labels, part.options, strict=True) if label not in left]
            if dropped:
                yield f"{name}: {', '.join(map(repr, dropped))} left out, not among the best"
        elif part != now:
            end = moved.get(id(part))
            where = f", beyond the {end} end, where the best sat" if end else ""
            yield f"{name}: {part!r} became {now!r}{where}"
