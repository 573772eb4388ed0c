"""Calls of kernels that go wrong somewhere: rows of the table of operations with mutated arguments.

A call is a function of (seed, number) alone, so it can be made again: for another backend, or to reproduce it. Arrays
lie in memory whose every byte is known. Knows nothing of what a kernel should do with a call.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from operations import OPERATIONS, Operation, arguments

from pynn import kernels

from .walls import walled
from .wrong_values import HUGE, Rng, changes, other_scalar, total

GUARD = 256  # bytes on each side of an array
CANARY = 0xFF  # NaN as a float, -1 as an integer
MOST_BYTES = 4_000_000  # of the arrays of a row
ROWS = {name: [op for op in OPERATIONS if op.kernel == name] for name in kernels.NAMES}


class Subclass(np.ndarray):
    pass


@dataclass
class Memory:
    """The bytes that arrays of one argument lie in, and those that they may not touch."""

    name: str
    whole: np.ndarray  # of uint8
    begin: int
    end: int
    before: bytes = b""

    def changed_inside(self) -> bool:
        return self.whole[self.begin : self.end].tobytes() != self.before[self.begin : self.end]

    def changed_outside(self) -> bool:
        now = self.whole.tobytes()
        return now[: self.begin] != self.before[: self.begin] or now[self.end :] != self.before[self.end :]


@dataclass
class Call:
    """One call: what is passed, the memory behind it, and in words what was done to the row's arguments."""

    op: Operation
    sizes: tuple[int, ...]
    dtype: str
    passed: dict[str, Any]
    positional: int = 0  # how many of them go by position
    surplus: tuple[Any, ...] = ()
    done: list[str] = field(default_factory=list)
    memory: list[Memory] = field(default_factory=list)

    def __call__(self, function: Callable[..., Any]) -> Any:
        names = list(self.passed)
        first = [self.passed[name] for name in names[: self.positional]]
        return function(*first, *self.surplus, **{name: self.passed[name] for name in names[self.positional :]})

    def __str__(self) -> str:
        return f"{self.op.name} {self.sizes} {self.dtype}: {'; '.join(self.done) or 'as in the table'}"


# Rows


@functools.lru_cache(maxsize=400)
def row(kernel: str, place: int, sizes: tuple[int, ...], dtype: str) -> dict[str, Any]:
    args = arguments(ROWS[kernel][place], sizes, np.dtype(dtype).type)
    return {name: value for name, value in args.items() if not name.startswith("#")}


@functools.cache
def usable_sizes(kernel: str, place: int) -> list[tuple[int, ...]]:
    """The sizes of a row from the smallest; those that take long to make are left out."""
    sizes = sorted(ROWS[kernel][place].sizes, key=lambda sizes: np.prod([max(1, size) for size in sizes], dtype=float))
    product = [float(np.prod([max(1, size) for size in one], dtype=float)) for one in sizes]
    return [one for one, work in zip(sizes, product, strict=True) if work < 3e7] or sizes[:1]


def make_call(seed: int, number: int, names: tuple[str, ...], guarded: bool = True) -> Call:
    """Call `number`; guarded: with known bytes around each array, else in memory that ends where the array does."""
    kind = "guarded" if guarded else "exact" if number // len(names) % 3 == 0 else "walls"
    with np.errstate(all="ignore"):
        return _make_call(seed, number, names, kind)


def _make_call(seed: int, number: int, names: tuple[str, ...], kind: str) -> Call:
    rng, kernel = Rng(f"{seed} {number}"), names[number % len(names)]
    place = rng.randrange(len(ROWS[kernel]))
    sizes = usable_sizes(kernel, place)
    chosen = sizes[min(rng.randrange(len(sizes)), rng.randrange(len(sizes)))]  # small ones more often
    dtype = rng.choice(("float32", "float64"))
    call = Call(ROWS[kernel][place], chosen, dtype, {})
    args = dict(row(kernel, place, chosen, dtype))
    if (number // len(names)) % 8 == 0:  # as it is, but for where its arrays lie
        placed(call, args, {}, rng, kind)
        call.positional = rng.choice((0, len(args)))
        return call
    if rng.random() < 0.12:
        resize(call, args, rng)
    layouts = {}
    for _ in range(rng.choice((0, 1, 1, 1, 2, 2, 3))):
        name = rng.choice(list(args))
        if isinstance(args[name], np.ndarray):
            if rng.random() < 0.35:
                layouts[name] = rng.choice(LAYOUTS)
                call.done.append(f"{name} {layouts[name].__name__.replace('_', ' ')}")
            else:
                change = rng.choice(changes(args[name]))
                args[name] = change(args[name], rng)
                call.done.append(f"{name} {change.__name__.replace('_', ' ')}{shown(args[name])}")
        else:
            args[name] = other_scalar(args[name], rng)
            call.done.append(f"{name} is {shown(args[name])}")
    placed(call, args, layouts, rng, kind)
    misuse(call, rng)
    return call


def shown(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f" {type(value).__name__ if type(value) is not np.ndarray else ''}{value.dtype}{value.shape}"
    if isinstance(value, int) and value.bit_length() > 200:
        return f"an integer of {value.bit_length()} bits"
    plain = isinstance(value, (str, bytes, int, float, complex, list, tuple, np.number))
    return f"{type(value).__name__} {value!r}"[:60] if plain else type(value).__name__


# Sizes of all arrays together


def resize(call: Call, args: dict[str, Any], rng: Rng) -> None:
    """Other numbers for the sizes, the same in all arrays; huge ones where another one is 0."""
    arrays = {name: value for name, value in args.items() if isinstance(value, np.ndarray)}
    sizes = sorted({size for array in arrays.values() for size in array.shape})
    if not sizes:
        return
    if rng.random() < 0.3:
        zero = rng.choice(sizes)
        others = {size: 0 if size == zero else rng.choice((size, size, 0, *HUGE)) for size in sizes}
    else:
        others = {size: rng.choice((size, 0, 1, 2, 3, size + 1, max(size - 1, 0), 2 * size)) for size in sizes}
    if any(total(tuple(others[size] for size in array.shape)) > 10**6 for array in arrays.values()):
        return
    for name, array in arrays.items():
        shape = tuple(others[size] for size in array.shape)
        try:
            args[name] = np.resize(array, shape) if total(shape) > 0 and array.size else np.zeros(shape, array.dtype)
        except (ValueError, MemoryError):  # more than NumPy can count
            args[name] = np.zeros((0,) * array.ndim, array.dtype)
    call.done.append(f"sizes { ({old: new for old, new in others.items() if old != new}) }")


# Where arrays lie


def read_only(a: np.ndarray) -> np.ndarray:
    a = a[...]
    a.flags.writeable = False
    return a


def strided(a: np.ndarray) -> np.ndarray:
    return a[..., ::2] if a.ndim else a


def reversed_(a: np.ndarray) -> np.ndarray:
    return a[::-1] if a.ndim else a


def transposed(a: np.ndarray) -> np.ndarray:
    return a.T


def in_fortran_order(a: np.ndarray) -> np.ndarray:
    return a.reshape(-1).reshape(a.shape, order="F")


def broadcast(a: np.ndarray) -> np.ndarray:
    return a if a.dtype.names else np.lib.stride_tricks.as_strided(a, a.shape, (0,) * a.ndim)


def huge_by_strides_of_0(a: np.ndarray) -> np.ndarray:
    if not a.size or not a.ndim or a.dtype.names:
        return a
    return np.lib.stride_tricks.as_strided(a, (2**40,) + (1,) * (a.ndim - 1), (0,) * a.ndim)


def misaligned(a: np.ndarray) -> np.ndarray:
    return a  # by `placed`


def of_a_subclass(a: np.ndarray) -> np.ndarray:
    return a.view(Subclass)


def a_matrix(a: np.ndarray) -> np.ndarray:
    return a.view(np.matrix) if a.ndim == 2 else a.view(np.recarray) if a.dtype.names else a.view(Subclass)


def masked(a: np.ndarray) -> np.ndarray:
    return np.ma.array(a, mask=False, copy=False)


def overlapping(a: np.ndarray) -> np.ndarray:
    return a  # by `placed`


LAYOUTS = (
    read_only, read_only, strided, reversed_, transposed, in_fortran_order, broadcast, huge_by_strides_of_0, misaligned,
    misaligned, of_a_subclass, a_matrix, masked, overlapping, overlapping, overlapping,
)  # fmt: skip


@dataclass(frozen=True)
class Where:
    """ "guarded": known bytes around each array. "exact": as many bytes as it needs. "walls": between walls."""

    kind: str
    shift: int  # elements off the alignment of vectors


def placed(call: Call, args: dict[str, Any], layouts: dict[str, Any], rng: Rng, kind: str) -> None:
    """Copies the arrays into memory of their own, in their layouts, and notes every byte."""
    where = Where(kind, rng.randrange(17) if rng.random() < 0.5 else 0)
    for name, value in args.items():
        call.passed[name] = value
        if isinstance(value, np.ndarray) and not value.dtype.hasobject and value.nbytes <= 2 * MOST_BYTES:
            twist = layouts.get(name)
            call.passed[name] = array = place(call, name, value, where, twist is misaligned)
            if twist not in (None, overlapping, misaligned):
                call.passed[name] = twist(array)
    for name, twist in layouts.items():
        if twist is overlapping:
            overlap(call, name, rng)
    for memory in call.memory:
        memory.before = memory.whole.tobytes()


def place(call: Call, name: str, value: np.ndarray, where: Where, odd: bool) -> np.ndarray:
    """A copy of `value`; odd: one byte off its alignment."""
    size = value.nbytes
    if where.kind == "walls":
        whole = walled(size + odd)
        begin = 0 if where.shift % 4 == 1 and not odd else len(whole) - size - odd
    else:
        around, shift = (GUARD, where.shift * value.itemsize) if where.kind == "guarded" else (0, 0)
        whole = np.empty(2 * around + shift + size + odd, np.uint8)
        begin = around + shift + odd
    whole[...] = CANARY
    call.memory.append(Memory(name, whole, begin, begin + size))
    array = whole[begin : begin + size].view(value.dtype) if size else np.empty(0, value.dtype)
    array = array.reshape(value.shape) if size else np.empty(value.shape, value.dtype)
    array[...] = value
    return array


def overlap(call: Call, name: str, rng: Rng) -> None:
    """The argument becomes another one, or lies in its memory."""
    own, others = call.passed[name], [m for m in call.memory if m.name != name]
    if not others or not isinstance(own, np.ndarray):
        return
    memory = rng.choice(others)
    other = call.passed[memory.name]
    part = memory.whole[memory.begin : memory.end]
    fits = 0 < own.nbytes <= part.nbytes and not own.dtype.hasobject
    if rng.random() < 0.4 or not fits or not isinstance(other, np.ndarray) or own.itemsize > other.itemsize:
        call.passed[name] = other
        return
    steps = (part.nbytes - own.nbytes) // own.itemsize
    start = rng.choice((0, steps, rng.randint(0, steps))) * own.itemsize
    call.passed[name] = part[start : start + own.nbytes].view(own.dtype).reshape(own.shape)


# The call itself


def misuse(call: Call, rng: Rng) -> None:
    """By position or by name; now and then an argument is missing or too many."""
    kind = rng.random()
    if kind < 0.03:
        name = rng.choice(list(call.passed))
        del call.passed[name]
        call.done.append(f"without {name}")
    elif kind < 0.05:
        name = rng.choice(("axis", "out_", "ñ", "\ud800", "self", ""))
        call.passed[name] = 1
        call.done.append(f"with {name!r}")
    elif kind < 0.07:
        call.positional, call.surplus = len(call.passed), (None,) * rng.choice((1, 2, 40))
        call.done.append(f"{len(call.surplus)} arguments too many")
    elif kind < 0.5:
        call.positional = rng.randint(0, len(call.passed))
