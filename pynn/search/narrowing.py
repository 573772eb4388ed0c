"""From coarse to fine: ranges around the best trials, each on its own scale, and ends at which the best ones sit.

Reference: CS231n notes, "Neural Networks Part 3", hyperparameter optimization.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .ranges import Range
from .space import Choice, Space

LEAST = 8  # trials from which their best ones say something of the ranges
SHARE = 6  # every so many trials one is among the best, and 3 at least
EDGE = 0.15  # of a range: so near to its end is at the edge
WIDTH = 0.1  # of the range before: no range becomes narrower
MOVE = 0.25  # of the range before: so far a range goes beyond its end if the best sit there


def best_of(params: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The best of these parameters, which come best first."""
    return list(params[: max(3, round(len(params) / SHARE))])


def edges(space: Space, best: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """By name the end, "lower" or "upper", at which the best trial and at least half of the best ones sit."""
    found = {}
    for name, part in (space.active(best[0]) if best else {}).items():
        positions = _positions(part, name, space, best)
        for end in ("lower", "upper"):
            inside = [(position if end == "lower" else 1 - position) <= EDGE for position in positions]
            if inside[0] and sum(inside) >= max(2, math.ceil(len(best) / 2)) and _may_move(part, end):
                found[name] = end
    return found


def _positions(part: Range, name: str, space: Space, best: Sequence[Mapping[str, Any]]) -> list[float]:
    """Where the best trials lie on the scale of a range, as far as it exists for them."""
    return [part.position(params[name]) for params in best if space.active(params).get(name) is part]


def _may_move(part: Range, end: str) -> bool:
    """Whether there is anything beyond that end."""
    least, most = part.limits
    return part.low > least if end == "lower" else part.high < most


def edge_warning(space: Space, best: Sequence[Mapping[str, Any]], count: int) -> list[str]:
    """A sentence for each range at whose end the best of so many trials sit."""
    return [
        f"the best {len(best)} of {count} trials sit at the {end} end of {name}, {space.active(best[0])[name]!r}: "
        f"better values may lie {'below' if end == 'lower' else 'above'} it"
        for name, end in edges(space, best).items()
    ]


def narrowed(space: Space, best: Sequence[Mapping[str, Any]]) -> tuple[Space, list[str]]:
    """The space around the best trials, and in words what became of each part."""
    finer = _narrowed(space, space, best, edges(space, best))
    return finer, changes(space, finer, best)


def _narrowed(space: Space, whole: Space, best: Sequence[Mapping[str, Any]], moved: Mapping[str, str]) -> Space:
    parts: dict[str, Range | Choice] = {}
    at_best = whole.active(best[0])
    for name, part in space.parts.items():
        if isinstance(part, Range):
            positions = _positions(part, name, whole, best)
            end = moved.get(name) if at_best.get(name) is part else None  # not another option's part of that name
            parts[name] = _around(part, positions, end) if len(positions) > 1 else part
        else:
            parts[name] = _chosen(part, name, whole, best, moved)
    return Space(parts)


def _around(part: Range, positions: Sequence[float], end: str | None) -> Range:
    """The range around these positions, beyond its end if the best sit there."""
    low, high = min(positions), max(positions)
    pad = max((high - low) / (len(positions) - 1), (WIDTH - (high - low)) / 2)
    low, high = max(low - pad, 0.0), min(high + pad, 1.0)
    if end == "lower":
        low = -MOVE
    elif end == "upper":
        high = 1 + MOVE
    return part.between(part.at_exactly(low), part.at_exactly(high))


def _chosen(
    part: Choice, name: str, whole: Space, best: Sequence[Mapping[str, Any]], moved: Mapping[str, str]
) -> Choice:
    """The options that occur among the best, each with its own parameters narrowed."""
    kept = part.kept([params[name] for params in best if name in params] or [value for value, _ in part.options])
    return Choice([
        (value, None if inner is None else _narrowed(inner, whole, best, moved)) for value, inner in kept.options
    ])  # fmt: skip


# In words ------------------------------------------------------------------------------------------


def changes(before: Space, after: Space, best: Sequence[Mapping[str, Any]]) -> list[str]:
    """In words what became of each part between two stages. best: the trials around which the second one searches."""
    at_best = before.active(best[0]) if best else {}
    moved = {id(at_best[name]): end for name, end in edges(before, best).items()}
    return list(_changes(before, after, moved))


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
