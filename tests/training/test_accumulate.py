"""fit(accumulate=k): k batches make up one step, by the gradient of all their samples. And the order of batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn

Points = tuple[np.ndarray, np.ndarray]


@pytest.fixture
def points(rng: np.random.Generator) -> Points:
    x = rng.standard_normal((70, 5)).astype(np.float32)
    return x, (np.abs(x[:, 0]) * 2).astype(np.int64).clip(0, 2)


def _trained(points: Points, model: pynn.Sequential | None = None, **settings: Any) -> pynn.Sequential:
    if model is None:
        model = pynn.Sequential(pynn.Affine(12), pynn.ReLU(), pynn.Affine(3), dtype="float64")
    settings = {"optimizer": pynn.Momentum(0.1), "epochs": 3, "progress": False, **settings}
    model.fit(*points, **settings)
    return model


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"penalty": pynn.ElasticNet(0.01, 0.1)},
        {"class_weight": "balanced", "sample_weight": np.arange(70) % 4},
        {"optimizer": lambda: pynn.Adam(0.01, clip_norm=0.5)},
        {"metrics": ["accuracy", "top2", "f1"]},
        {"loss": "hinge"},
    ],
)
def test_parts_train_like_the_whole_batch(settings: dict[str, Any], points: Points, backend: str) -> None:
    """70 samples: steps of 30, 30 and 10, whichever way they come."""
    found = []
    for parts in ({"batch_size": 30}, {"batch_size": 10, "accumulate": 3}):
        own = {name: value() if callable(value) else value for name, value in settings.items()}
        found.append(_trained(points, **own, **parts))
    whole, parted = found
    assert whole.context.step == parted.context.step == 9
    np.testing.assert_allclose(parted.parameters, whole.parameters, rtol=1e-9, atol=1e-12)
    for name, values in whole.history.items():
        if name != "samples_per_second":
            assert parted.history[name] == pytest.approx(values, rel=1e-9), name


def test_a_layer_that_brings_its_loss_learns_from_parts(points: Points, backend: str) -> None:
    def tree() -> pynn.Sequential:
        return pynn.Sequential(pynn.Affine(12), pynn.ReLU(), pynn.HierarchicalSoftmax(3), dtype="float64")

    whole = _trained(points, tree(), batch_size=35)
    parted = _trained(points, tree(), batch_size=7, accumulate=5)
    np.testing.assert_allclose(parted.parameters, whole.parameters, rtol=1e-9, atol=1e-12)


def test_iterables_are_gathered_too_and_the_last_step_takes_what_is_left(points: Points, backend: str) -> None:
    x, y = points
    batches = [(x[i : i + 10], y[i : i + 10]) for i in range(0, 70, 10)]
    model = pynn.Sequential(pynn.Affine(3), dtype="float64")
    model.fit(batches, optimizer=pynn.SGD(0.1), epochs=1, accumulate=4, progress=False)
    expected = pynn.Sequential(pynn.Affine(3), dtype="float64")
    expected.fit([(x[:40], y[:40]), (x[40:], y[40:])], optimizer=pynn.SGD(0.1), epochs=1, progress=False)
    assert model.context.step == 2
    np.testing.assert_allclose(model.parameters, expected.parameters, rtol=1e-12)


def test_hooks_schedules_and_counts_are_those_of_steps(points: Points) -> None:
    class Seen(pynn.Callback):
        def __init__(self) -> None:
            self.begun: list[int] = []
            self.ended: list[tuple[int, int, float]] = []

        def on_step_begin(self, trainer: pynn.Trainer) -> None:
            self.begun.append(trainer.batch)

        def on_step_end(self, trainer: pynn.Trainer) -> None:
            self.ended.append((trainer.batch, trainer.step, trainer.optimizer.learning_rate))

    seen = Seen()
    optimizer = pynn.SGD(pynn.LinearDecay(0.7, 1))
    _trained(points, optimizer=optimizer, epochs=1, batch_size=10, accumulate=3, callbacks=[seen])
    assert seen.begun == [0, 3, 6]
    assert seen.ended == [(3, 1, 0.7), (6, 2, pytest.approx(0.4)), (7, 3, pytest.approx(0.1))]


def test_each_part_meets_masks_of_its_own(points: Points, backend: str) -> None:
    drawn = []

    class Watched(pynn.Dropout):
        def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
            y = super().forward(x, training)
            drawn.append(self._draw)
            return y

    _trained(points, pynn.Sequential(Watched(0.5), pynn.Affine(3)), epochs=1, batch_size=10, accumulate=3)
    assert len(set(drawn)) == len(drawn) == 7


def test_a_run_that_is_stopped_between_steps_goes_on_to_the_same_bits(points: Points, tmp_path: Path) -> None:
    class Stop(pynn.Callback):
        def on_step_end(self, trainer: pynn.Trainer) -> None:
            if trainer.step == 4:
                trainer.stop("in the middle of the second epoch")

    def network() -> pynn.Sequential:
        return pynn.Sequential(pynn.Affine(12), pynn.BatchNorm(), pynn.ReLU(), pynn.Dropout(0.3), pynn.Affine(3))

    settings: dict[str, Any] = {"batch_size": 10, "accumulate": 3, "checkpoint": tmp_path / "run"}
    whole = _trained(points, network(), batch_size=10, accumulate=3)
    stopped = _trained(points, network(), callbacks=[Stop()], **settings)
    assert stopped.context.step == 4
    resumed = _trained(points, network(), resume=True, **settings)
    np.testing.assert_array_equal(resumed.parameters, whole.parameters)
    with pytest.raises(ValueError, match="accumulate was 3, now it is None"):
        _trained(points, network(), resume=True, batch_size=10, checkpoint=tmp_path / "run")


def test_a_part_that_diverges_leaves_the_parameters_and_the_next_fit_starts_afresh(points: Points) -> None:
    x, y = points
    model = pynn.Sequential(pynn.Affine(3))
    model.build((5,))
    before = model.parameters.copy()
    bad = x.copy()
    bad[40] = 3e38
    with pytest.raises(FloatingPointError, match="the loss is"):
        model.fit(bad, y, optimizer=pynn.SGD(0.1), batch_size=10, accumulate=7, epochs=1, shuffle=False, progress=False)
    np.testing.assert_array_equal(model.parameters, before)
    model.fit(x, y, optimizer=pynn.SGD(0.1), batch_size=70, epochs=1, progress=False)
    fresh = pynn.Sequential(pynn.Affine(3))
    fresh.fit(x, y, optimizer=pynn.SGD(0.1), batch_size=70, epochs=1, progress=False)
    np.testing.assert_array_equal(model.parameters, fresh.parameters)


@pytest.mark.parametrize("count", [0, -1, 1.5, True, "2", None])
def test_other_counts_are_refused(count: Any, points: Points) -> None:
    with pytest.raises(ValueError, match=f"accumulate is {count!r}, expected an integer of at least 1"):
        _trained(points, accumulate=count)


# The order of samples and the size of batches -----------------------------------------------------


def test_samples_stand_in_their_order_without_shuffling(points: Points, backend: str) -> None:
    seen = []

    class Watched(pynn.Flatten):
        def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
            seen.append(x.copy())
            return super().forward(x, training)

    _trained(points, pynn.Sequential(Watched(), pynn.Affine(3)), batch_size=30, epochs=2, shuffle=False)
    assert [len(x) for x in seen] == [30, 30, 10] * 2
    np.testing.assert_array_equal(np.concatenate(seen), np.concatenate([points[0]] * 2))
    with pytest.raises(TypeError, match="shuffle is 0, expected True or False"):
        _trained(points, shuffle=0)


def test_images_are_augmented_without_shuffling() -> None:
    x, y = (part[:50] for part in pynn.datasets.digits().train)
    model = pynn.Sequential(pynn.Flatten(), pynn.Affine(10))
    history = model.fit(x, y, augmentation=pynn.PadCrop(1), shuffle=False, epochs=2, progress=False)
    assert history["loss"][1] < history["loss"][0]


def test_a_batch_size_above_the_number_of_samples_means_all_of_them(points: Points, backend: str) -> None:
    one, other = (_trained(points, batch_size=size) for size in (70, 1000))
    np.testing.assert_array_equal(one.parameters, other.parameters)
    assert [len(x) for x, _ in pynn.batches(*points, 1000)] == [70]


def test_the_bar_counts_batches(points: Points, capsys: pytest.CaptureFixture[str]) -> None:
    class Watch(pynn.ProgressBar):
        counts: list[int]

        def on_step_end(self, trainer: pynn.Trainer) -> None:
            super().on_step_end(trainer)
            self.counts = [*getattr(self, "counts", []), self._bar.n]

    bar = Watch()
    _trained(points, epochs=1, batch_size=10, accumulate=3, callbacks=[bar])
    assert bar.counts == [3, 6, 7]
