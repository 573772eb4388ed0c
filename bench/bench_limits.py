"""Kernels at realistic sizes, compared with the machine's limits and with other libraries.

A kernel limited by memory has a case `triad` in its group: as many bytes, in arrays of the same total size.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from operations import OPERATIONS, Arguments, Operation, Sizes, arguments, assert_close, call
from peers_kernels import PEERS
from pytest_benchmark.fixture import BenchmarkFixture
from triad import triad

from pynn import kernels
from pynn.kernels import reference

BACKENDS = {"numpy": reference} | ({"native": native} if (native := kernels.native_module()) else {})
ROWS = {op.name: op for op in OPERATIONS}


@dataclass(frozen=True)
class Limit:
    """A row of the table of operations at one size, and the floating-point operations or bytes of a call."""

    row: str
    sizes: Sizes
    unit: str  # "GFLOP/s" or "GB/s"
    amount: int

    @property
    def op(self) -> Operation:
        return ROWS[self.row]

    @property
    def name(self) -> str:
        sizes = "x".join(f"{size // 10**6}M" if size >= 10**6 else str(size) for size in self.sizes)
        return f"{self.op.kernel} {sizes}"


def limits() -> list[Limit]:
    cases = []
    for n, d, m in ((1024, 1024, 1024), (256, 3072, 1024), (128, 512, 512), (32, 512, 512)):
        cases += [
            Limit("affine_forward[identity-bias]", (n, d, m), "GFLOP/s", 2 * n * d * m),
            Limit("affine_backward[identity-bias]", (n, d, m), "GFLOP/s", 4 * n * d * m),
        ]
    # Bytes that must be read and written, four for each float; batch normalization needs x twice, dy once.
    for kernel, each in (("sgd", 12), ("momentum", 20), ("rmsprop", 20), ("adagrad", 20), ("adam", 28)):
        cases.append(Limit(f"{kernel}_step", (10_000_000,), "GB/s", each * 10_000_000))
    cases.append(Limit("dropout[rate 0.5]", (16_000_000,), "GB/s", 8 * 16_000_000))
    for n, c in ((256, 4096), (65536, 64)):
        cases += [
            Limit("batchnorm_forward[relu]", (n, c), "GB/s", 12 * n * c),
            Limit("batchnorm_backward[relu]", (n, c), "GB/s", 16 * n * c),
        ]
    return [*cases, Limit("softmax_cross_entropy", (4096, 1000), "GB/s", 8 * 4096 * 1000)]


LIMITS = {limit.name: limit for limit in limits()}


@functools.lru_cache(maxsize=1)  # the cases of a group follow each other
def prepared(name: str) -> tuple[Arguments, Arguments]:
    """The arguments, and the arguments after the NumPy kernel has run, with its return value."""
    limit = LIMITS[name]
    args = arguments(limit.op, limit.sizes, np.float32)
    after = copied(args)
    after["return"] = call(reference, limit.op, after)
    return args, after


def copied(args: Arguments) -> Arguments:
    return {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in args.items()}


def assert_answer(name: str, results: dict[str, Any], ours: bool) -> None:
    args, after = prepared(name)
    tolerance = (16 if ours else 64) * LIMITS[name].op.tolerance  # others have epsilon inside the root, not outside
    for output, value in results.items():
        value, expected = np.atleast_1d(value).astype(np.float32), np.atleast_1d(after[output])
        if output == "return" and not ours:
            expected = expected[:1]  # the others count no hits
        if output == "out" and "rate" in args and not ours:
            assert_dropped(args["x"], value)
        elif expected.dtype.kind == "f":
            assert_close(value, expected, tolerance, f"{name} {output}")


def assert_dropped(x: np.ndarray, out: np.ndarray) -> None:
    """Every library draws its own mask: a random half of the elements is 0, the others are doubled."""
    kept = out != 0
    assert np.array_equal(out[kept], 2 * x[kept])
    assert abs(kept.mean() - 0.5) < 0.002
    assert abs((kept[1:] == kept[:-1]).mean() - 0.5) < 0.002


def timed(benchmark: BenchmarkFixture, name: str, unit: str, amount: int, step: Callable[[], Any]) -> None:
    benchmark.group = name
    benchmark(step)
    if benchmark.stats is not None:  # None under --benchmark-disable
        benchmark.extra_info[unit] = round(amount / benchmark.stats.stats.median / 1e9, 1)


Prepared = tuple[Callable[[], Any], dict[str, Any]]  # the function to time, and its first results


def ours(limit: Limit, backend: str) -> Prepared:
    args = copied(prepared(limit.name)[0])
    kernel = getattr(BACKENDS[backend], limit.op.kernel)
    positional = [value for name, value in args.items() if not name.startswith("#")]
    returned = kernel(*positional)
    first = {name: value for name, value in args.items() if isinstance(value, np.ndarray)}
    return lambda: kernel(*positional), first | ({} if returned is None else {"return": returned})


def theirs(limit: Limit, library: str) -> Prepared:
    step, outputs = PEERS[library][limit.op.kernel](copied(prepared(limit.name)[0]))
    return step, outputs(step())


def the_limit(limit: Limit, _: str) -> Prepared:
    args = prepared(limit.name)[0]
    memory = sum(value.nbytes for name, value in args.items() if isinstance(value, np.ndarray) and name[0] != "#")
    if (step := triad(memory // 12, limit.amount // 12)) is None:
        pytest.skip("no C compiler that knows OpenMP")
    return step, {}


def cases() -> list[tuple[str, str]]:
    """The libraries of a group follow each other, so that they are measured at about the same time."""
    pairs = []
    for name, limit in LIMITS.items():
        pairs += [(name, backend) for backend in BACKENDS]
        pairs += [(name, library) for library, kernels in PEERS.items() if limit.op.kernel in kernels]
        pairs += [(name, "triad")] if limit.unit == "GB/s" else []
    return pairs


@pytest.mark.filterwarnings("ignore")  # of the other libraries
@pytest.mark.parametrize(("name", "library"), cases())
def test_kernel(benchmark: BenchmarkFixture, name: str, library: str) -> None:
    limit = LIMITS[name]
    make = ours if library in BACKENDS else the_limit if library == "triad" else theirs
    step, first = make(limit, library)
    assert_answer(name, first, ours=library in BACKENDS)
    timed(benchmark, name, limit.unit, limit.amount, step)


@pytest.mark.parametrize("size", [10_000_000, 16_000_000])
def test_triad(benchmark: BenchmarkFixture, size: int) -> None:
    if (step := triad(size, size)) is None:
        pytest.skip("no C compiler that knows OpenMP")
    timed(benchmark, f"triad {size // 10**6}M", "GB/s", 12 * size, step)
