"""fit(drop_last=True): which samples take part, what is counted, resumed runs, refusals."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from resumed_runs import Data, Killed, KilledAt, assert_same, fit

import pynn

Points = tuple[np.ndarray, np.ndarray]


@pytest.fixture
def points(rng: np.random.Generator) -> Points:
    x = rng.standard_normal((30, 4)).astype(np.float32)
    return x, (x[:, 0] > 0).astype(np.int64)


class Sizes(pynn.Callback):
    """Notes what each epoch trains on."""

    def on_train_begin(self, trainer: pynn.Trainer) -> None:
        self.steps: list[int] = []
        self.batches: set[int | None] = set()
        self.counted: list[int] = []

    def on_step_end(self, trainer: pynn.Trainer) -> None:
        self.steps.append(len(trainer.samples.x))
        self.batches.add(trainer.batches)
        self.counted.append(trainer.running.count)


def trained(points: Points, **options: Any) -> tuple[pynn.Sequential, Sizes]:
    model, sizes = pynn.Sequential(pynn.Affine(5), pynn.BatchNorm(), pynn.ReLU(), pynn.Affine(2)), Sizes()
    model.fit(*points, progress=False, callbacks=[sizes], **{"epochs": 2, "batch_size": 8, **options})
    return model, sizes


@pytest.mark.parametrize(
    ("size", "steps"), [(8, [8, 8, 8]), (10, [10, 10, 10]), (29, [29]), (30, [30]), (31, [30]), (1, [1] * 30)]
)
def test_all_steps_have_the_same_number_of_samples(size: int, steps: list[int], points: Points) -> None:
    options = {"batch_size": size, "drop_last": True}
    if size == 1:  # batch normalization takes no batch of one
        model, sizes = pynn.Sequential(pynn.Affine(2)), Sizes()
        model.fit(*points, progress=False, callbacks=[sizes], epochs=2, **options)
    else:
        model, sizes = trained(points, **options)
    assert sizes.steps == steps * 2
    assert sizes.counted == np.cumsum(steps).tolist() * 2
    assert sizes.batches == {len(steps)}
    assert model.context.step == 2 * len(steps)


def test_it_is_as_if_the_rest_of_each_epoch_were_not_there(points: Points) -> None:
    model, _ = trained(points, drop_last=True, optimizer=pynn.SGD(pynn.LinearDecay(0.1, 2)))
    by_hand = pynn.Sequential(pynn.Affine(5), pynn.BatchNorm(), pynn.ReLU(), pynn.Affine(2))
    optimizer, loss = pynn.SGD(pynn.LinearDecay(0.1, 2)), pynn.SoftmaxCrossEntropy()
    for epoch in range(2):
        for i, (x, y) in enumerate(pynn.batches(*points, 8, seed=0, epoch=epoch, drop_last=True)):
            optimizer.set_epoch(epoch + i / 3)
            by_hand.train_step(x, y, loss, optimizer)
    np.testing.assert_array_equal(model.parameters, by_hand.parameters)


def test_parts_of_a_step_are_whole_batches_too(points: Points) -> None:
    _, sizes = trained(points, drop_last=True, accumulate=2, epochs=1)
    assert sizes.counted == [16, 24]


def test_the_same_samples_left_out_in_every_epoch_are_told(points: Points) -> None:
    with pytest.warns(UserWarning, match="leaves out the same last 6 of 30 samples in every epoch"):
        trained(points, drop_last=True, shuffle=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trained(points, drop_last=True, shuffle=False, batch_size=10)
        trained(points, drop_last=True)


@pytest.mark.parametrize("step", [1, 3, 7])
def test_resumed_runs_have_the_bits_of_whole_ones(step: int, pictures: Data, tmp_path: Path) -> None:
    options = {"drop_last": True, "batch_size": 7, "optimizer": pynn.Adam(0.01)}  # 3 batches of 25 samples
    expected = fit(pictures, **options)
    assert expected.context.step == 9
    with pytest.raises(Killed):
        fit(
            pictures, pynn.Checkpoint(tmp_path, every_steps=1), callbacks=[KilledAt(step)],
            **{**options, "optimizer": pynn.Adam(0.01)},
        )  # fmt: skip
    assert_same(expected, fit(pictures, tmp_path, True, **{**options, "optimizer": pynn.Adam(0.01)}))
    with pytest.raises(ValueError, match="drop_last was True, now it is None"):
        fit(pictures, tmp_path, True, batch_size=7, optimizer=pynn.Adam(0.01))


def test_what_cannot_be_is_refused(points: Points) -> None:
    with pytest.raises(TypeError, match="drop_last is 1, expected True or False"):
        trained(points, drop_last=1)
    model = pynn.Sequential(pynn.Affine(2))
    with pytest.raises(TypeError, match="batch_size, shuffle and drop_last need arrays x and y"):
        model.fit([points], drop_last=True)
    assert not model.built
