"""Single convolutions, at the sizes of the networks for images: forward, weight gradient, both gradients.

`pytest bench/bench_convolutions.py --benchmark-columns=median,iqr` prints a table for each size and pass. GFLOP/s count
the operations of a direct convolution, zeros around the image included; Winograd's needs fewer. pynn's kernel never
computes the input gradient alone: its speed ("dx") is derived from the time of both minus that of the weight gradient.
"""

from __future__ import annotations

import functools
import statistics
import time
from dataclasses import dataclass, replace

import numpy as np
import pytest
from operations import assert_close
from peers_convolutions import PEERS, Answers
from pytest_benchmark.fixture import BenchmarkFixture
from workloads import Step

from pynn import kernels
from pynn.kernels import reference

BACKENDS = {"native": native, "numpy": reference} if (native := kernels.native_module()) else {"numpy": reference}
FORWARD, WEIGHT, BOTH = "forward", "weight gradient", "both gradients"


@dataclass(frozen=True)
class Convolution:
    """One pass over images of size x size x inputs with `padding` zeros on each side."""

    way: str  # FORWARD, WEIGHT or BOTH
    batch: int
    size: int
    inputs: int
    outputs: int
    kernel: int = 3
    stride: int = 1
    padding: int = 1

    @property
    def out(self) -> int:
        return (self.size + 2 * self.padding - self.kernel) // self.stride + 1

    @property
    def flop(self) -> int:
        once = 2 * self.batch * self.out**2 * self.kernel**2 * self.inputs * self.outputs
        return once * (2 if self.way == BOTH else 1)

    @property
    def name(self) -> str:
        stride = f" stride {self.stride}" if self.stride > 1 else ""
        images = f"{self.batch}x{self.size}x{self.size}x{self.inputs}"
        return f"{images} to {self.outputs}, {self.kernel}x{self.kernel}{stride}, {self.way}"


def convolutions() -> dict[str, Convolution]:
    first = [Convolution(FORWARD, 64, 32, 3, 64), Convolution(FORWARD, 64, 28, 1, 6, 5, padding=2)]
    inner = [
        Convolution(FORWARD, 64, size, channels, channels)
        for size, channels in ((32, 64), (16, 128), (8, 256), (32, 16), (16, 32), (8, 64))
    ]
    inner += [Convolution(FORWARD, 64, 32, 16, 32, stride=2), Convolution(FORWARD, 64, 32, 16, 32, 1, 2, padding=0)]
    cases = [replace(case, way=way) for case in first for way in (FORWARD, WEIGHT)]  # the first layer needs no dx
    cases += [replace(case, way=way) for case in inner for way in (FORWARD, WEIGHT, BOTH)]
    return {case.name: case for case in cases}


CONVOLUTIONS = convolutions()
Arrays = dict[str, np.ndarray]


@functools.lru_cache(maxsize=1)  # the cases of a group follow each other
def prepared(name: str) -> tuple[Arrays, list[np.ndarray]]:
    """x, weight and dy, and the results of the NumPy kernel for them."""
    c = CONVOLUTIONS[name]
    rng = np.random.default_rng(0)
    arrays = {
        "x": rng.standard_normal((c.batch, c.size, c.size, c.inputs), dtype=np.float32),
        "weight": rng.standard_normal((c.kernel, c.kernel, c.inputs, c.outputs), dtype=np.float32),
        "dy": rng.standard_normal((c.batch, c.out, c.out, c.outputs), dtype=np.float32),
    }
    step, answers = pynn_convolution(c, arrays, "numpy")
    return arrays, answers(step())


def pynn_convolution(c: Convolution, arrays: Arrays, backend: str) -> tuple[Step, Answers]:
    x, weight, dy = arrays.values()
    y = np.empty_like(dy)
    settings = (c.stride, c.stride, c.padding, c.padding, 1, 1, "identity", 0.0)
    table = BACKENDS[backend]
    if c.way == FORWARD:
        return lambda: table.conv2d_forward(x, weight, None, *settings, y), lambda _: [y]
    dx, dweight = np.empty_like(x) if c.way == BOTH else None, np.empty_like(weight)
    return (
        lambda: table.conv2d_backward(dy, x, weight, y, *settings, None, dx, dweight, None),
        lambda _: [dweight] if dx is None else [dx, dweight],
    )


def prepare(c: Convolution, arrays: Arrays, library: str) -> tuple[Step, Answers]:
    return pynn_convolution(c, arrays, library) if library in BACKENDS else PEERS[library](c, *arrays.values())


def median_seconds(step: Step, span: float = 0.2) -> float:
    times, start = [], time.perf_counter()
    while (before := time.perf_counter()) - start < span or len(times) < 3:
        step()
        times.append(time.perf_counter() - before)
    return statistics.median(times)


CASES = [(name, library) for name in CONVOLUTIONS for library in (*BACKENDS, *PEERS)]


@pytest.mark.filterwarnings("ignore")  # of the other libraries
@pytest.mark.parametrize(("name", "library"), CASES)
def test_convolution(benchmark: BenchmarkFixture, name: str, library: str) -> None:
    c = CONVOLUTIONS[name]
    arrays, expected = prepared(name)
    step, answers = prepare(c, arrays, library)
    for result, right in zip(answers(step()), expected, strict=True):
        assert_close(result, right, 256, f"{name} {library}")
    benchmark.group = name
    if library == "numpy":
        benchmark.pedantic(step, rounds=3)
    else:
        benchmark(step)
    if benchmark.stats is None:  # under --benchmark-disable
        return
    median = benchmark.stats.stats.median
    benchmark.extra_info["GFLOP/s"] = round(c.flop / median / 1e9, 1)
    if c.way == BOTH and library == "native":
        alone = median_seconds(prepare(replace(c, way=WEIGHT), arrays, library)[0])
        if alone < median:
            benchmark.extra_info["dx GFLOP/s"] = round(c.flop / 2 / (median - alone) / 1e9, 1)
