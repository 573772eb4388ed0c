"""What must hold of every call of a kernel, right or wrong, on both backends.

`judge` returns sentences about what does not hold. Knows nothing of how calls are made up.
"""

from __future__ import annotations

import functools
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pynn.kernels import reference

from .kernel_calls import Call
from .wrong_values import Refused, WrongFloat, WrongInt

try:
    import resource
except ImportError:  # Windows: memory is not watched there
    resource = None  # type: ignore[assignment]

EXPECTED = (ValueError, TypeError, OverflowError, MemoryError, Refused)
MOST_SECONDS = 2.0
PIECEWISE_LINEAR = ("identity", "relu", "leaky_relu")
RETURNED = "the returned number"
SUMS = ("penalty", "norm")  # return that of all numbers they take
# NaN natively where another input is not finite: it meets the zeros around the gradients, which the twin leaves out.
SPREADING = {"conv2d_backward": ("dx", "dweight")}
MOST_BYTES = 300_000_000
# Of the largest number: from here on inputs, and results, overflow in one order of a sum and not in another.
NEAR_INPUT, NEAR_RESULT = 1e-6, 1e-2
Make = Callable[[bool], Call]  # guarded -> the same call in new memory


@dataclass
class Outcome:
    """What became of one call."""

    call: Call
    error: BaseException | None = None
    returned: Any = None

    @property
    def said(self) -> str:
        return f"{type(self.error).__name__}: {self.error}" if self.error is not None else "accepted"

    @property
    def short(self) -> str:
        return self.said if len(self.said) < 300 else f"{self.said[:300]}… ({len(self.said)} characters)"


@functools.cache
def written(kernel: str) -> frozenset[str]:
    """The arguments that a kernel writes into, from its documentation, which is made of what it checks."""
    text = getattr(reference, kernel).__doc__ or ""
    return frozenset(re.findall(r"^(\w+) : .*; written into$", text, re.MULTILINE))


def observed(function: Any, call: Call, found: list[str], who: str) -> Outcome:
    """Calls, and notes what no call may do."""
    outcome, most, begun = Outcome(call), _peak(), time.thread_time()
    try:
        outcome.returned = call(function)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        outcome.error = error
    seconds, grown = time.thread_time() - begun, _peak() - most
    if seconds > MOST_SECONDS:
        found.append(f"{who} took {seconds:.1f} s: {outcome.short}")
    if grown > MOST_BYTES:
        found.append(f"{who} took {grown >> 20} MB: {outcome.short}")
    if outcome.error is not None and not isinstance(outcome.error, EXPECTED):
        found.append(f"{who} raised {outcome.short}")
    if len(outcome.said) > 2000:
        found.append(f"{who} says too much: {outcome.short}")
    found += [f"{who} {sentence}" for sentence in _changes(outcome)]
    return outcome


def _peak() -> int:
    return (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        if resource
        else 0
    )


def _changes(outcome: Outcome) -> Iterator[str]:
    """Bytes that changed though they must not."""
    call = outcome.call
    refused = outcome.error is not None and not isinstance(outcome.error, MemoryError)
    for memory in call.memory:
        if memory.changed_outside():
            yield f"wrote outside {memory.name}: {outcome.short}"
        if memory.changed_inside() and (refused or not _may_be_written(call, memory.whole)):
            which = "a refused" if refused else "its input in an accepted"
            yield f"changed {memory.name}, {which} call: {outcome.short}"


def _may_be_written(call: Call, whole: np.ndarray) -> bool:
    """Whether an argument that is written into lies there."""
    targets = (value for name, value in call.passed.items() if name in written(call.op.kernel))
    return any(isinstance(target, np.ndarray) and np.may_share_memory(target, whole) for target in targets)


def results(outcome: Outcome) -> dict[str, np.ndarray]:
    """The arrays that were written into, and what was returned."""
    call = outcome.call
    found = {
        name: value
        for name, value in call.passed.items()
        if name in written(call.op.kernel) and isinstance(value, np.ndarray)
    }
    if outcome.returned is not None:
        found[RETURNED] = np.atleast_1d(np.asarray(outcome.returned, np.float64))
    return found


def judge(make: Make, native: Any, twin: Any, threads: Callable[[int], object]) -> tuple[list[str], str]:
    """Findings, and the outcome of the first call. Where `native` is None the twin is watched alone."""
    found: list[str] = []
    guarded = make(True)
    kernel = guarded.op.kernel
    second = observed(getattr(twin, kernel), guarded, found, "numpy")
    if native is None:
        return found, second.said
    threads(1)
    first = observed(getattr(native, kernel), make(True), found, "native")
    if found:
        return found, first.said
    threads(2)
    other = observed(getattr(native, kernel), make(False), found, "native in exact memory, 2 threads,")
    threads(1)
    if first.said != other.said:
        found.append(f"native says {first.short!r}, in exact memory, on 2 threads, {other.short!r}")
    elif first.error is None:
        found += [
            f"{name} has other bits in exact memory, on 2 threads"
            for name, value in results(first).items()
            if value.tobytes() != results(other)[name].tobytes()
        ]
    memory = isinstance(first.error, MemoryError) and isinstance(second.error, MemoryError)
    if first.said != second.said and not memory:
        found.append(f"native says {first.short!r}, numpy {second.short!r}")
    elif first.error is None:
        found += differences(make, first, second, twin)
    return found, first.said


# Numbers


def differences(make: Make, first: Outcome, second: Outcome, twin: Any) -> Iterator[str]:
    """Numbers of both backends further apart than rounding moves the answer."""
    fresh = make(True)
    if not comparable(fresh):
        return
    wanted, got = results(second), results(first)
    op, epsilon = first.call.op, _epsilon(first.call)
    tolerance = {name: (2 * op.tolerance + summands(fresh, name) / 16) * epsilon for name in got}
    far = {name: apart(got[name], wanted[name], tolerance[name], op) for name in got}
    if not any(where.any() for where in far.values()):
        return
    moves, infinite, large = sensitivity(make, twin, second), overflows(fresh), magnitude(fresh)
    near = NEAR_RESULT * float(np.finfo(fresh.dtype).max)
    for name, where in far.items():
        value, right = np.asarray(got[name], np.float64), np.asarray(wanted[name], np.float64)
        with np.errstate(all="ignore"):
            where &= ~(np.abs(value - right) <= 64 * moves[name] + tolerance[name] * large)  # NaN excuses nothing
        if infinite:
            where &= np.isfinite(value) | np.isfinite(right)
        where &= ~np.isinf(moves[name])
        where &= ~(np.isinf(value) & (np.abs(right) > near))
        if name in SPREADING.get(op.kernel, ()) and not finite(fresh):
            where &= ~np.isnan(value)
        if where.any():
            place = tuple(int(axis) for axis in np.argwhere(where)[0])
            yield (
                f"{name}{list(place)} is {value[place]!r}, in numpy {right[place]!r}"
                f" ({int(where.sum())} of {where.size} numbers differ)"
            )


def _epsilon(call: Call) -> float:
    """The rounding of the coarsest array."""
    floats = [v.dtype for v in call.passed.values() if isinstance(v, np.ndarray) and v.dtype.kind == "f"]
    return max(float(np.finfo(dtype).eps) for dtype in (*floats, np.dtype(call.dtype)) if dtype.itemsize >= 4)


# Turns up to which the kernels say that they are accurate, by the precision of the arrays.
TURNS = {float(np.finfo(np.float32).eps): 2.0**13, float(np.finfo(np.float64).eps): 2.0**42}


def comparable(call: Call) -> bool:
    """Whether both backends must agree: native kernels count subnormal inputs as 0, and what is near the largest number
    overflows on the way to a result in an order of its own.
    """
    for value in call.passed.values():
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.size:
            sizes, limits = np.abs(value.view(np.ndarray)), np.finfo(value.dtype)
            if sizes[sizes > 0].min(initial=np.inf) < limits.tiny:
                return False
            if sizes[np.isfinite(sizes)].max(initial=0) > NEAR_INPUT * limits.max:
                return False
        elif isinstance(value, (int, float, np.number)) and not isinstance(value, (WrongFloat, WrongInt)):
            size = abs(float(value))
            if not size < 1e30 or 0 < size < np.finfo(call.dtype).tiny:
                return False
    return not call.op.kernel.startswith("periodic") or turns(call) < TURNS[_epsilon(call)]


def turns(call: Call) -> float:
    """The largest angle of a periodic kernel, in turns: of one that is too large nobody knows the fraction."""
    sizes = [np.abs(np.asarray(call.passed[name], np.float64)).max(initial=0) for name in ("x", "frequency", "phase")]
    return float(sizes[0] * sizes[1] + sizes[2] / 6)


def summands(call: Call, name: str) -> int:
    """Of how many numbers a result is the sum: where they are equal, one rounding after the other goes the same way."""
    sizes = (value.size for value in call.passed.values() if isinstance(value, np.ndarray))
    return max(sizes, default=0) if call.op.kernel in SUMS and name == RETURNED else 0


def finite(call: Call) -> bool:
    """Whether all arrays that are read are."""
    return all(
        bool(np.isfinite(value.view(np.ndarray)).all())
        for name, value in call.passed.items()
        if name not in written(call.op.kernel) and isinstance(value, np.ndarray) and value.dtype.kind == "f"
    )


def overflows(call: Call) -> bool:
    """Whether infinity stands in an input or comes out of its square: then it may meet another one and make NaN."""
    floats = [v.view(np.ndarray) for v in call.passed.values() if isinstance(v, np.ndarray) and v.dtype.kind == "f"]
    return any(bool((np.abs(v) > np.sqrt(np.finfo(v.dtype).max)).any()) for v in floats)


def magnitude(call: Call) -> float:
    """The largest finite input. The slope of a saturated activation is a difference of numbers near 1, which what it
    is multiplied with makes large.
    """
    if not call.op.kernel.endswith("_backward") or call.passed.get("activation", "identity") in PIECEWISE_LINEAR:
        return 1.0
    floats = [v.view(np.ndarray) for v in call.passed.values() if isinstance(v, np.ndarray) and v.dtype.kind == "f"]
    return max(float(np.abs(v[np.isfinite(v)]).max(initial=1)) for v in floats)


def apart(found: np.ndarray, wanted: np.ndarray, tolerance: float, op: Any) -> np.ndarray:
    """Where two arrays differ by more than the operation's tolerance, or only one is NaN or infinite."""
    found, wanted = np.asarray(found), np.asarray(wanted)
    if found.dtype.kind != "f":
        return found != wanted
    if not found.size and found.shape == wanted.shape:  # NumPy converts no float32 of 2^40 x 0 x 2^20 to float64
        return np.zeros(found.shape, bool)
    f, w = found.astype(np.float64), wanted.astype(np.float64)
    finite = np.isfinite(f) & np.isfinite(w)
    with np.errstate(all="ignore"):
        largest = max(op.floor, float(np.abs(w[finite]).max(initial=0)))
        size = np.abs(w) + 1e-37 if op.elementwise else largest
        close = finite & (np.abs(f - w) <= tolerance * size)
    return ~(close | (f == w) | (np.isnan(f) & np.isnan(w)))


def sensitivity(make: Make, twin: Any, second: Outcome) -> dict[str, np.ndarray]:
    """How far the twin's numbers move when its inputs are rounded otherwise; infinite where NaN or inf come and go."""
    right = {name: np.asarray(value, np.float64) for name, value in results(second).items()}
    moves = {name: np.zeros(value.shape) for name, value in right.items()}
    rng, epsilon = np.random.default_rng(0), _epsilon(second.call)
    for draw in range(8):
        call = make(True)
        for value in call.passed.values():
            if isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.flags.writeable:
                reach = (2 if draw < 6 else 64) * epsilon
                with np.errstate(all="ignore"):
                    factor = (1 + reach * rng.uniform(-1, 1, value.shape)).astype(value.dtype)
                    np.multiply(value.view(np.ndarray), factor, out=value.view(np.ndarray))
        try:
            outcome = Outcome(call, returned=call(getattr(twin, call.op.kernel)))
        except EXPECTED:
            continue
        for name, value in results(outcome).items():
            moved, here = np.asarray(value, np.float64), right[name]
            with np.errstate(all="ignore"):
                step = np.abs(moved - here)
            step[(moved == here) | (np.isnan(moved) & np.isnan(here))] = 0
            step[np.isfinite(moved) != np.isfinite(here)] = np.inf
            moves[name] = np.fmax(moves[name], step)
    return moves
