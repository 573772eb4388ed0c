"""A training step of any library, checked and timed: native, NumPy, and the other libraries installed."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from peers import PEERS, First, peers_of
from pytest_benchmark.fixture import BenchmarkFixture
from workloads import Step, Workload, batch, first_weights, pynn_step

import pynn

BACKENDS = ("native", "numpy") if pynn.kernels.native_module() else ("numpy",)
ALONE = ("sklearn_50_steps",)  # starts from its own weights, and returns no loss


@contextmanager
def backend(name: str) -> Iterator[None]:
    before = pynn.kernels.backend()
    pynn.use_backend(name)
    try:
        yield
    finally:
        pynn.use_backend(before)


@functools.lru_cache(maxsize=1)  # the cases of a workload follow each other
def expected(workload: Workload) -> tuple[First, list[float]]:
    """pynn's initial weights and losses: first near the expected loss, then smaller."""
    with backend(BACKENDS[0]):
        values = losses(pynn_step(workload, *batch(workload)), 5)
        first = first_weights(workload)
    assert workload.batch == 1 or 1.5 < values[0] < 5  # near ln 10 plus what unit-variance logits add
    assert np.isfinite(values).all()
    assert values[-1] < values[0]  # it learns
    return first, values


def losses(step: Step, count: int) -> list[float]:
    values = []
    for _ in range(count):
        value = step()
        values.append(float(value.detach() if hasattr(value, "detach") else value))
    return values


def checked(workload: Workload, library: str) -> Step:
    """A library's step that trains the same network as pynn: equally many parameters, and the same loss each step."""
    first, values = expected(workload)
    if library in BACKENDS:
        step = pynn_step(workload, *batch(workload))
    else:
        step = PEERS[library](workload, *batch(workload), first=first)
    if library in ALONE:
        step()  # allocates
        return step
    own_losses = losses(step, len(values))
    if library in BACKENDS or not workload.is_random:
        np.testing.assert_allclose(own_losses, values, rtol=2e-3, err_msg=f"losses of {library}")
    else:  # every library draws its own masks
        assert abs(own_losses[0] - values[0]) < 1
        assert own_losses[-1] < own_losses[0]
    return step


def time_step(benchmark: BenchmarkFixture, workload: Workload, library: str) -> None:
    with backend(library if library in BACKENDS else BACKENDS[0]):
        step = checked(workload, library)
        benchmark.extra_info["steps a call"] = 50 if library == "sklearn_50_steps" else 1
        start = time.perf_counter()
        step()
        if time.perf_counter() - start > 1:
            benchmark.pedantic(step, rounds=3)
        else:
            benchmark(step)


def libraries(workload: Workload) -> list[str]:
    return [*BACKENDS, *peers_of(workload)]
