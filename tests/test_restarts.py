"""Schedules that start again: every boundary k·period is one, also where k·period/period misses k by rounding."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

import pynn

PERIODS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.6, 0.7, 0.9, 1 / 3, 2 / 3, 1, 1.1, 1.3, 2.2, 2.5, 3.3, 7)


def boundaries() -> Iterator[tuple[float, float, int]]:
    """(epoch, period, k): k·period as a product, as a sum, and as a decimal that somebody types."""
    for period in PERIODS:
        total = 0.0
        for k in range(1, 60):
            total += period
            for epoch in {k * period, total, round(k * period, 14)}:
                yield epoch, period, k


def test_rounding_of_a_plain_quotient_misses_some_boundaries() -> None:
    missed = [epoch for epoch, period, k in boundaries() if math.floor(epoch / period) != k]
    assert len(missed) > 100


def test_cosines_start_again_at_every_boundary() -> None:
    assert pynn.CosineRestarts(0.1, 0.2)(0.6) == 0.1
    for epoch, period, _ in boundaries():
        assert pynn.CosineRestarts(0.1, period)(epoch) == 0.1, (epoch, period)


def test_steps_fall_at_every_boundary() -> None:
    assert pynn.StepDecay(1, 0.2, 0.5)(0.6) == 0.125
    for epoch, period, k in boundaries():
        assert pynn.StepDecay(1, period, 0.5)(epoch) == 0.5**k, (epoch, period)


def test_triangles_are_at_their_foot_at_every_boundary() -> None:
    for epoch, period, _ in boundaries():
        assert pynn.Cyclic(0.25, 1, period)(epoch) == 0.25, (epoch, period)


@pytest.mark.parametrize("batches", [3, 5, 7, 10, 49, 469])
def test_progress_of_batches_meets_the_boundaries(batches: int) -> None:
    """As `fit` counts: epoch + i/batches."""
    for per_cycle in range(1, batches + 1):
        period = per_cycle / batches
        restarts, steps = pynn.CosineRestarts(0.1, period), pynn.StepDecay(1, period, 0.5)
        for cycle in range(1, 4 * batches // per_cycle):
            epoch, i = divmod(cycle * per_cycle, batches)
            assert restarts(epoch + i / batches) == 0.1
            assert steps(epoch + i / batches) == 0.5**cycle


def test_a_warmup_moves_the_boundaries() -> None:
    for epochs in (0.3, 1, 10, 100):
        for period in (0.1, 0.2, 0.7):
            schedule = pynn.Warmup(pynn.CosineRestarts(0.1, period), epochs)
            assert all(schedule(epochs + k * period) == 0.1 for k in range(1, 50))


def test_between_the_boundaries_nothing_has_changed() -> None:
    rng = np.random.default_rng(0)
    for period in PERIODS:
        for epoch in rng.uniform(0, 60 * period, 200).tolist():
            turns = epoch / period
            if abs(turns - round(turns)) < 1e-9:
                continue
            assert pynn.StepDecay(1, period, 0.5)(epoch) == 0.5 ** math.floor(turns)
            share = (1 + math.cos(math.pi * (turns % 1))) / 2
            assert pynn.CosineRestarts(0.1, period)(epoch) == 0.0 * (1 - share) + 0.1 * share
    for period in (0.2, 1, 2.5):
        for k in range(1, 20):
            assert pynn.StepDecay(1, period, 0.5)(k * period - 1e-9) == 0.5 ** (k - 1)
            assert pynn.CosineRestarts(0.1, period)(k * period - 1e-9) < 1e-9


def test_fit_takes_the_first_rate_again_where_a_cycle_begins(backend: str) -> None:
    class Recorder(pynn.SGD):
        rates: tuple[float, ...] = ()

        def update(self, parameters: np.ndarray, gradients: np.ndarray) -> None:
            self.rates += (self.learning_rate,)
            super().update(parameters, gradients)

    optimizer = Recorder(pynn.CosineRestarts(0.1, 0.2))
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 3)), rng.integers(0, 2, 50)
    pynn.Sequential(pynn.Affine(2)).fit(x, y, optimizer=optimizer, epochs=3, batch_size=5, progress=False)
    assert len(optimizer.rates) == 30
    assert all(rate == 0.1 for rate in optimizer.rates[::2])
    assert all(rate == pytest.approx(0.05) for rate in optimizer.rates[1::2])


def test_snapshots_are_taken_where_the_cosine_starts_again(backend: str) -> None:
    cycle = 3
    schedule, snapshots = pynn.CosineRestarts(0.1, cycle), pynn.SnapshotEnsemble(cycle)
    taken: list[int] = []
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 3)), rng.integers(0, 2, 20)
    pynn.Sequential(pynn.Affine(2)).fit(
        x, y, optimizer=pynn.SGD(schedule), epochs=9, progress=False,
        callbacks=[snapshots, lambda trainer: taken.append(len(snapshots.snapshots))],
    )  # fmt: skip
    ends = [epoch for epoch in range(1, 10) if schedule(epoch) == 0.1]
    assert [taken[epoch - 1] for epoch in ends] == [1, 2, 3]
    assert taken == [0, 0, 1, 1, 1, 2, 2, 2, 3]
