"""Each stretch of the flat vector counts its own steps: what a layer has behind it when it is unfrozen."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn
from pynn.callbacks import Checkpoint
from pynn.optimizers import OPTIMIZERS, Segment
from pynn.optimizers.segments import Missed, add_missed, runs

Points = tuple[np.ndarray, np.ndarray]


class Vector:
    """The least that an optimizer drives: a vector and its gradient, as of a model that has one block."""

    def __init__(self, parameters: np.ndarray) -> None:
        self.parameters, self.gradients = parameters, np.zeros_like(parameters)

    def advance(self) -> None:
        """Nothing."""


class Blocks(Vector):
    """Two blocks of 16 numbers, either of which may be frozen."""

    def __init__(self, parameters: np.ndarray) -> None:
        super().__init__(parameters)
        self.hold()

    def hold(self, *frozen: int) -> None:
        self.found = tuple(Segment(16 * i, 16 * i + 16, frozen=i in frozen) for i in range(2))

    def segments(self) -> tuple[Segment, ...]:
        return self.found


def stepped(model: Vector, optimizer: pynn.Optimizer, gradients: np.ndarray) -> None:
    model.gradients[...] = gradients
    optimizer.step(model)


def gradients_of(rng: np.random.Generator, steps: int, dtype: str = "float32") -> np.ndarray:
    return rng.standard_normal((steps, 32)).astype(dtype)


# The examples that were wrong


@pytest.mark.parametrize(("kind", "longest"), [(pynn.Adam, 1.0), (pynn.AdamW, 1.0), (pynn.NAdam, 1.2)])
def test_the_first_step_after_unfreezing_is_one_learning_rate_long(
    kind: Any, longest: float, backend: str, rng: np.random.Generator
) -> None:
    """One counter for all made Adam's 3.2 and more learning rates long."""
    model, optimizer = Blocks(np.zeros(32, np.float32)), kind(0.01)
    model.hold(0)
    for one in gradients_of(rng, 100):
        stepped(model, optimizer, one)
    model.hold()
    before = model.parameters.copy()
    stepped(model, optimizer, gradients_of(rng, 1)[0])
    moved = np.abs(model.parameters - before)[:16] / 0.01
    assert 0.9 < moved.min() <= moved.max() <= longest * (1 + 1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_block_takes_the_path_it_takes_alone(
    name: str, dtype: str, backend: str, rng: np.random.Generator
) -> None:
    """A block is one vector with one optimizer that takes those steps only in which it is not frozen."""
    start = rng.standard_normal(32).astype(dtype)
    model, optimizer = Blocks(start.copy()), OPTIMIZERS[name](0.01, weight_decay=0.1)
    alone = [(Vector(start[part].copy()), OPTIMIZERS[name](0.01, weight_decay=0.1), part)
             for part in (slice(16), slice(16, 32))]  # fmt: skip
    for step, one in enumerate(gradients_of(rng, 40, dtype)):
        frozen = ((0,), (), (1,), (0, 1), (0,), ())[step // 7]
        model.hold(*frozen)
        stepped(model, optimizer, one)
        for place, (vector, own, part) in enumerate(alone):
            if place not in frozen:
                stepped(vector, own, one[part])
    assert optimizer.steps == 40
    for vector, own, part in alone:
        np.testing.assert_array_equal(model.parameters[part], vector.parameters)
        for slot in optimizer.slots:
            np.testing.assert_array_equal(getattr(optimizer, slot)[part], getattr(own, slot))


def test_an_optimizer_of_your_own_reads_the_count_of_what_it_updates(rng: np.random.Generator) -> None:
    class Counting(pynn.Optimizer):
        def update(self, parameters: np.ndarray, gradients: np.ndarray) -> None:
            seen.append((parameters.size, self.steps))

    seen: list[tuple[int, int]] = []
    model, optimizer = Blocks(np.zeros(32)), Counting(0.1)
    for frozen in ((), (1,), (1,), ()):
        model.hold(*frozen)
        stepped(model, optimizer, np.ones(32))
    assert seen == [(32, 1), (16, 2), (16, 3), (16, 4), (16, 2)]
    assert optimizer.steps == 4


def test_a_whole_model_that_was_frozen_begins_at_one(backend: str) -> None:
    model, optimizer = Blocks(np.zeros(32)), pynn.Adam(0.01)
    model.hold(0, 1)
    for _ in range(50):
        stepped(model, optimizer, np.ones(32))
    model.hold()
    stepped(model, optimizer, np.ones(32))
    np.testing.assert_allclose(model.parameters, -0.01, rtol=1e-6)


def test_a_step_that_fails_leaves_the_count_of_the_whole(rng: np.random.Generator) -> None:
    class Failing(pynn.Optimizer):
        def update(self, parameters: np.ndarray, gradients: np.ndarray) -> None:
            raise FloatingPointError("no")

    model, optimizer = Blocks(np.zeros(32)), Failing(0.1)
    model.hold(0, 1)
    for _ in range(5):
        stepped(model, optimizer, np.ones(32))
    model.hold()
    with pytest.raises(FloatingPointError, match="no"):
        stepped(model, optimizer, np.ones(32))
    assert optimizer.steps == 6


def test_gradual_unfreezing_follows_torch(backend: str, torch: Any, rng: np.random.Generator) -> None:
    ours = {"adam": pynn.Adam(0.01), "nadam": pynn.NAdam(0.01)}
    theirs = {"adam": torch.optim.Adam, "nadam": torch.optim.NAdam}
    for name, optimizer in ours.items():
        model = Blocks(np.ones(32))
        parts = [torch.ones(16, dtype=torch.float64, requires_grad=True) for _ in range(2)]
        oracle = theirs[name](parts, lr=0.01)
        for step, one in enumerate(gradients_of(rng, 60, "float64")):
            frozen = (0,) if step < 20 else (1,) if 30 <= step < 35 else ()
            model.hold(*frozen)
            stepped(model, optimizer, one)
            for place, part in enumerate(parts):
                part.grad = None if place in frozen else torch.tensor(one[16 * place : 16 * place + 16])
            oracle.step()
        for place, part in enumerate(parts):
            found = model.parameters[16 * place : 16 * place + 16]
            np.testing.assert_allclose(found, part.detach().numpy(), rtol=1e-9)


# In a model, and over a checkpoint


def network() -> pynn.Sequential:
    return pynn.Sequential(pynn.Affine(8), pynn.BatchNorm(), pynn.ReLU(), pynn.Affine(3))


@pytest.mark.parametrize("name", ["adam", "nadam"])
def test_a_checkpoint_carries_the_counts(name: str, backend: str, points: Points, tmp_path: Path) -> None:
    """Stopped and resumed, both while a layer is frozen and after: the bits of the run that was not stopped."""

    class Thaw(pynn.callbacks.Callback):
        def on_epoch_begin(self, trainer: Any) -> None:
            if trainer.epoch == 4:
                trainer.model.unfreeze()

    def run(epochs: int, folder: str, resume: bool) -> pynn.Sequential:
        model = network()
        model.layers[0].freeze()
        model.fit(
            *points, optimizer=OPTIMIZERS[name](0.01), epochs=epochs, batch_size=10, progress=False,
            callbacks=[Thaw()], checkpoint=Checkpoint(tmp_path / folder, every_steps=5), resume=resume,
        )  # fmt: skip
        return model

    whole = run(9, "whole", False)
    for epochs in (2, 5, 7, 9):
        parted = run(epochs, "parts", epochs > 2)
    np.testing.assert_array_equal(parted.parameters, whole.parameters)


def test_the_state_tells_what_was_missed_and_takes_it_back(points: Points) -> None:
    model, optimizer, loss = network(), pynn.Adam(0.01), pynn.SoftmaxCrossEntropy()
    model.build((4,))
    model.layers[0].freeze()
    for _ in range(3):
        model.train_step(*points, loss, optimizer)
    stop = model.segments()[1].stop
    assert optimizer.state()["missed"] == [[0, stop, 3]]  # while it is frozen still
    model.unfreeze()
    for _ in range(2):
        model.train_step(*points, loss, optimizer)
    state = copy.deepcopy(optimizer.state())
    assert state["missed"] == [[0, stop, 3]]
    again, other = pynn.Adam(0.01), copy.deepcopy(model)
    again.claim(other.parameters)
    again.restore(state)
    for one, its in ((model, optimizer), (other, again)):
        one.train_step(*points, loss, its)
    np.testing.assert_array_equal(model.parameters, other.parameters)


@pytest.mark.parametrize("copying", [copy.deepcopy, lambda both: pickle.loads(pickle.dumps(both))])
@pytest.mark.parametrize("kind", [pynn.Adam, pynn.NAdam])
def test_a_copy_made_while_a_layer_is_frozen_counts_on(kind: Any, copying: Any, backend: str, points: Points) -> None:
    model, optimizer, loss = network(), kind(0.01), pynn.SoftmaxCrossEntropy()
    model.build((4,))
    model.layers[0].freeze()
    for _ in range(30):
        model.train_step(*points, loss, optimizer)
    other, again = copying((model, optimizer))
    for one, its in ((model, optimizer), (other, again)):
        one.unfreeze()
        before = one.layers[0].weight.copy()
        one.train_step(*points, loss, its)
        assert np.abs(one.layers[0].weight - before).max() < 0.0121
    np.testing.assert_array_equal(model.parameters, other.parameters)


def test_a_state_from_before_counts_were_kept_is_taken(points: Points) -> None:
    model, optimizer, loss = network(), pynn.Adam(0.01), pynn.SoftmaxCrossEntropy()
    model.build((4,))
    model.train_step(*points, loss, optimizer)
    state = copy.deepcopy(optimizer.state())
    del state["missed"]
    again, other = pynn.Adam(0.01), copy.deepcopy(model)
    again.claim(other.parameters)
    again.restore(state)
    for one, its in ((model, optimizer), (other, again)):
        one.train_step(*points, loss, its)
    np.testing.assert_array_equal(model.parameters, other.parameters)


# The arithmetic of stretches


def test_missed_steps_add_up_over_stretches() -> None:
    segments = [Segment(0, 16, frozen=True), Segment(16, 32), Segment(32, 48, frozen=True)]
    once = add_missed((), segments, 5)
    assert once == (Missed(0, 16, 5), Missed(32, 48, 5))
    assert add_missed(once, [], 7) == once
    assert add_missed(once, segments, 0) == once
    assert add_missed(once, [Segment(0, 48, frozen=True)], 2) == (
        Missed(0, 16, 7), Missed(16, 32, 2), Missed(32, 48, 7),
    )  # fmt: skip


def test_runs_are_parted_where_counts_differ() -> None:
    missed = (Missed(8, 16, 3), Missed(16, 24, 5), Missed(40, 48, 3))
    assert runs([Segment(0, 48)], False, missed) == (
        Segment(0, 8), Segment(8, 16, missed=3), Segment(16, 24, missed=5), Segment(24, 40), Segment(40, 48, missed=3),
    )  # fmt: skip
    assert runs([Segment(0, 12), Segment(12, 48)], False, [Missed(0, 48, 2)]) == (Segment(0, 48, missed=2),)
    assert runs([Segment(0, 16, frozen=True), Segment(16, 48)], False, missed[:1]) == (Segment(16, 48),)
