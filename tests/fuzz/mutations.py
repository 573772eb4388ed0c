"""Changes of bytes and of JSON values, all drawn from a `random.Random`: what damage and malice do to a file."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Sequence
from typing import Any

EDGES = (0, 1, 2, 127, 128, 255, 256, 2**15, 2**16 - 1, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**63)
FILLS = (b"\0", b"\1", b"\x7f", b"\x80", b"\xff", b" ", b"\x1b")
Places = Sequence[tuple[Any, Any]]  # containers in a value, and a key of each


def of_bytes(rng: random.Random, content: bytes, others: Sequence[bytes] = (), head: int | None = None) -> bytes:
    """The content with one to eight changes. others: valid files to splice in. head: where most changes fall."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 1, 2, 3, 8))):
        changed = changed or bytearray(b"\0")
        limit = len(changed) if head is None or rng.random() < 0.3 else max(1, min(head, len(changed)))
        if others and rng.random() < 0.04:
            changed = _spliced(rng, changed, rng.choice(others))
        else:
            rng.choice(_CHANGES)(rng, changed, rng.randrange(limit))
    return bytes(changed)


def _spliced(rng: random.Random, first: bytearray, second: bytes) -> bytearray:
    share = rng.random()
    other = share if rng.random() < 0.7 else rng.random()
    return first[: int(share * len(first))] + second[int(other * len(second)) :]


def _flip(rng: random.Random, content: bytearray, at: int) -> None:
    content[at] ^= 1 << rng.randrange(8)


def _set(rng: random.Random, content: bytearray, at: int) -> None:
    content[at] = rng.randrange(256)


def _fill(rng: random.Random, content: bytearray, at: int) -> None:
    count = min(rng.choice((1, 2, 4, 8, 64)), len(content) - at)
    content[at : at + count] = rng.choice(FILLS) * count


def _cut_off(rng: random.Random, content: bytearray, at: int) -> None:
    del content[at if rng.random() < 0.5 else max(0, len(content) - rng.randrange(1, 9)) :]


def _cut_out(rng: random.Random, content: bytearray, at: int) -> None:
    del content[at : at + rng.choice((1, 1, 2, 4, 8, 32))]


def _insert(rng: random.Random, content: bytearray, at: int) -> None:
    content[at:at] = rng.randbytes(rng.choice((1, 1, 2, 4, 8)))


def _append(rng: random.Random, content: bytearray, at: int) -> None:
    content += rng.randbytes(rng.randrange(1, 9)) if rng.random() < 0.5 else bytes(rng.randrange(1, 64))


def _repeat(rng: random.Random, content: bytearray, at: int) -> None:
    piece = content[at : at + rng.choice((1, 4, 16, 64))]
    content[at:at] = piece * rng.choice((1, 1, 2, 16, 1024))


def _swap(rng: random.Random, content: bytearray, at: int) -> None:
    other, count = rng.randrange(len(content)), rng.choice((1, 2, 4, 8))
    low, high = sorted((at, other))
    if low + count <= high and high + count <= len(content):
        content[low : low + count], content[high : high + count] = (
            content[high : high + count],
            content[low : low + count],
        )


def _integer(rng: random.Random, content: bytearray, at: int) -> None:
    """A number of a header becomes one at an edge, or a near one."""
    size, order = rng.choice((1, 2, 2, 4, 4, 4, 8)), rng.choice(("little", "big"))
    old = int.from_bytes(content[at : at + size], order)
    new = rng.choice(EDGES) if rng.random() < 0.6 else old + rng.choice((-1, 1, -2, 2, 256, -256, old))
    piece = (new % (1 << 8 * size)).to_bytes(size, order)
    content[at : at + size] = piece[: len(content) - at]


def _digit(rng: random.Random, content: bytearray, at: int) -> None:
    """A digit of a text becomes another one, or a long number, or what is no number."""
    near = [place for place in range(max(0, at - 60), min(len(content), at + 60)) if 48 <= content[place] <= 57]
    if near:
        place = rng.choice(near)
        new = rng.choice((b"0", b"1", b"2", b"9", b"-1", b"1e999", b"NaN", b"9" * 25, b"9" * 5000))
        content[place : place + 1] = new if rng.random() < 0.3 else b"%d" % rng.randrange(10)


_CHANGES: tuple[Callable[[random.Random, bytearray, int], None], ...] = (
    *(_flip, _flip, _set, _set, _fill, _cut_off, _cut_out, _insert, _append, _repeat, _swap),
    *(_integer, _integer, _integer, _digit),
)


# JSON ---------------------------------------------------------------------------------------------

NUMBERS = (
    *(0, 1, -1, 2, 3, 7, 64, 255, 2**31 - 1, 2**31, 2**32, 2**53, 2**62, 2**63, 2**64, -(2**63), 10**30, 10**400),
    *(0.0, 0.5, 1.5, -0.5, -0.0, 1e-320, 1e308, float("inf"), float("-inf"), float("nan")),
)
TEXTS = (
    *("", "x", "/", "../../etc/passwd", "a/b", "a\0b", "\x1b[2J\x1b]0;title\x07", "\n", "\u202e", "\ud800", "Ü"),
    *("__class__", "identity", "relu", "float64", "float32", "float16", "object", "O", "(9,)f8", "S5", "V99999999"),
)
EMPTY: tuple[Any, ...] = (None, True, False, [], {}, [[]], [0], [1], [-1], [2**40], [1, 2, 3], [None], ["x"])


def atom(rng: random.Random) -> Any:
    """A value that stands alone."""
    pool = rng.choice((NUMBERS, NUMBERS, TEXTS, EMPTY))
    if pool is TEXTS and rng.random() < 0.03:
        return rng.choice("xÄ\x1b") * 200_000
    return copy.deepcopy(rng.choice(pool))


def of_json(rng: random.Random, value: Any, new: Callable[[random.Random], Any] = atom) -> Any:
    """A copy of the value with one to three changes. new: draws a value to put in."""
    whole = [copy.deepcopy(value)]  # a list: the value itself can be another one, too
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        places: list[tuple[Any, Any]] = []
        _collect(whole, places)
        if places:
            place = rng.choice(places[1:] or places)
            (_of_mapping if isinstance(place[0], dict) and rng.random() < 0.4 else _of_item)(rng, place, places, new)
    return whole[0] if whole else None


def _collect(value: Any, places: list[tuple[Any, Any]]) -> None:
    """All places in a value, with a limit: what changes have made may be large."""
    todo = [value]
    while todo and len(places) < 20_000:
        container = todo.pop()
        items = container.items() if isinstance(container, dict) else enumerate(container)
        for key, item in items:
            places.append((container, key))
            if isinstance(item, (dict, list)):
                todo.append(item)


def _of_item(rng: random.Random, place: tuple[Any, Any], places: Places, new: Callable[[random.Random], Any]) -> None:
    """Another value for this place."""
    container, key = place
    old = container[key]
    how = rng.randrange(9)
    if isinstance(old, (int, float)) and not isinstance(old, bool) and rng.random() < 0.5:
        how = 3  # more often a number near the old one
    if how == 0:
        del container[key]
    elif how == 1 and isinstance(container, list):
        container[key:key] = [copy.deepcopy(old)] * rng.choice((1, 1, 2, 50))
    elif how == 2:
        other, name = rng.choice(places)
        if name in other if isinstance(other, dict) else name < len(other):
            container[key] = copy.deepcopy(other[name])
    elif how == 3 and isinstance(old, (int, float)) and not isinstance(old, bool):
        container[key] = rng.choice((old + 1, old - 1, -old, 2 * old, old * 1000, str(old), [old], bool(old)))
    elif how == 4 and isinstance(old, str):
        container[key] = of_bytes(rng, old.encode("utf-8", "surrogatepass")).decode("utf-8", "replace")
    elif how == 5:
        container[key] = [old] if rng.random() < 0.5 else {"kind": old}
        if rng.random() < 0.1:
            container[key] = _nested(container[key], rng.choice((10, 50, 200)))
    else:
        container[key] = new(rng)


def _nested(value: Any, depth: int) -> Any:
    for _ in range(depth):
        value = [value]
    return value


def _of_mapping(
    rng: random.Random, place: tuple[Any, Any], places: Places, new: Callable[[random.Random], Any]
) -> None:
    """Another key for this place, or one more."""
    mapping, key = place
    how = rng.randrange(4)
    if how == 0:
        other, name = rng.choice(places)
        mapping[name if isinstance(other, dict) else "x"] = mapping.pop(key)
    elif how == 1:
        mapping[of_bytes(rng, str(key).encode("utf-8", "surrogatepass")).decode("utf-8", "replace")] = mapping.pop(key)
    elif how == 2:
        mapping[rng.choice(TEXTS)] = new(rng)
    else:
        mapping[f"{key}x"] = copy.deepcopy(mapping[key])
