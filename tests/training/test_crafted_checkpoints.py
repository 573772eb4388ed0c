"""Checkpoints whose checksum is right and whose state is not: refused with nothing changed, an older one is tried."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn
from pynn.saving import container

State = dict[str, Any]
Points = tuple[np.ndarray, np.ndarray]


class Killed(Exception):
    pass


class Counting(pynn.Callback):
    """An own callback with a memory, which it takes up before it finds fault with it."""

    def __init__(self) -> None:
        self.count = 0

    def on_step_end(self, trainer: pynn.Trainer) -> None:
        self.count += 1

    def state(self) -> State:
        return {"count": self.count}

    def restore(self, state: State) -> None:
        self.count = state["count"]
        if self.count > 1000:
            raise RuntimeError("that many cannot be")


class Run:
    """All that a run has, with everything that a checkpoint keeps."""

    def __init__(self, folder: Path) -> None:
        self.model = pynn.Sequential(
            pynn.Affine(6), pynn.BatchNorm(), pynn.ReLU(), pynn.Dropout(0.3), pynn.Affine(3), seed=3
        )
        self.schedule = pynn.Warmup(pynn.ReduceOnPlateau(0.05, patience=1), 0.5)
        self.optimizer = pynn.Adam(self.schedule, clip_norm=5)
        self.stopping, self.average, self.counting = pynn.EarlyStopping(patience=9), pynn.PolyakAverage(), Counting()
        self.stopping.restore_best = False
        self.snapshots = pynn.SnapshotEnsemble(1)
        self.folder = folder

    def fit(self, points: Points, resume: bool = False, kill: int = 0, **settings: Any) -> pynn.Sequential:
        def killer(trainer: pynn.Trainer) -> None:
            if trainer.epoch == kill:
                raise Killed

        callbacks = [self.stopping, self.average, self.snapshots, self.counting, *([killer] if kill else [])]
        settings = {
            "validation": points,
            "metrics": ["accuracy", "precision"],
            "epochs": 3,
            "batch_size": 10,
            **settings,
        }
        keeper = pynn.Checkpoint(self.folder, every_steps=2, keep=2)
        self.model.fit(
            *points, optimizer=self.optimizer, callbacks=callbacks, checkpoint=keeper, resume=resume, progress=False,
            **settings,
        )  # fmt: skip
        return self.model

    def known(self) -> dict[str, Any]:
        """What a resume that is refused must leave alone."""
        return copy.deepcopy(
            {
                "built": self.model.built,
                "counts": (self.model.epoch, self.model.context.step, self.optimizer.steps, self.counting.count),
                "model": (self.model.optimizer, self.model.inputs, self.model.targets, self.model.history),
                "layers": [layer._training_settings() for layer in self.model.walk()],
                "optimizer": self.optimizer.state(),
                "stopping": self.stopping.state(),
                "average": self.average.state(),
                "snapshots": self.snapshots.state(),
            }
        )


_KILLED: dict[str, dict[str, bytes]] = {}


@pytest.fixture
def killed(points: Points, tmp_path: Path, backend: str) -> Path:
    """A folder with two checkpoints of a run that was killed in its third epoch."""
    folder = tmp_path / "run"
    if backend not in _KILLED:
        with pytest.raises(Killed):
            Run(folder).fit(points, kill=2)
        _KILLED[backend] = {path.name: path.read_bytes() for path in folder.iterdir()}
        assert len(_KILLED[backend]) == 2
    folder.mkdir(exist_ok=True)
    for name, content in _KILLED[backend].items():
        (folder / name).write_bytes(content)
    return folder


def put(*place: Any, value: Any) -> Callable[[State], None]:
    def change(state: State) -> None:
        for key in place[:-1]:
            state = state[key]
        state[place[-1]] = value

    return change


def drop(*place: Any) -> Callable[[State], None]:
    def change(state: State) -> None:
        for key in place[:-1]:
            state = state[key]
        del state[place[-1]]

    return change


def retyped(*place: Any, dtype: Any = np.int32) -> Callable[[State], None]:
    def change(state: State) -> None:
        for key in place[:-1]:
            state = state[key]
        state[place[-1]] = state[place[-1]].view(dtype)

    return change


CRAFTED: dict[str, Callable[[State], None]] = {
    "no tensors": drop("tensors"),
    "a tensor of another name": lambda state: state["tensors"].update(x=state["tensors"].pop("affine1.bias")),
    "a tensor of integers": retyped("tensors", "affine1.weight"),
    "a tensor of another shape": put("tensors", "affine1.bias", value=np.zeros(7, np.float32)),
    "a tensor of float64": put("tensors", "affine1.bias", value=np.zeros(6)),
    "a tensor that is a number": put("tensors", "affine1.bias", value=0),
    "tensors a list": put("tensors", value=[]),
    "step negative": put("step", value=-1),
    "step a float": put("step", value=2.5),
    "step NaN": put("step", value=float("nan")),
    "step huge": put("step", value=10**30),
    "epoch in words": put("epoch", value="3"),
    "first_epoch after the epoch": put("first_epoch", value=9),
    "no batch": drop("batch"),
    "a batch beyond the last": put("batch", value=4),
    "batches of another data set": put("batches", value=7),
    "batch_loss in words": put("batch_loss", value="x"),
    "spent null": put("spent", value=None),
    "spent negative": put("spent", value=-1.0),
    "an unknown key": put("extra", value=1),
    "train too short": lambda state: state["train"].pop(),
    "train a number": put("train", value=3),
    "frozen a number": put("train", 1, "frozen", value=3),
    "an unknown training setting": put("train", 1, "rate", value=3),
    "a parameter that is not there frozen": put("train", 1, "frozen", value=["nothing"]),
    "a factor in words": put("train", 1, "learning_rate_factor", value="x"),
    "a factor that is negative": put("train", 1, "learning_rate_factor", value=-1),
    "a penalty of no class": put("train", 1, "penalty", value={"kind": "os.system"}),
    "the penalties' base": put("train", 1, "penalty", value={"kind": "Penalty", "items": [1]}),
    "no optimizer": put("optimizer", value=None),
    "no slots": drop("optimizer", "slots"),
    "slots of another shape": put("optimizer", "slots", "first", value=np.zeros(3, np.float32)),
    "slots of integers": retyped("optimizer", "slots", "first"),
    "slots of another optimizer": lambda state: state["optimizer"]["slots"].pop("second"),
    "steps negative": put("optimizer", "steps", value=-3),
    "steps NaN": put("optimizer", "steps", value=float("nan")),
    "a rate of NaN": put("optimizer", "_learning_rate", value=float("nan")),
    "a rate that is negative": put("optimizer", "_learning_rate", value=-0.1),
    "beta1 beyond its range": put("optimizer", "beta1", value=1.5),
    "beta1 in words": put("optimizer", "beta1", value="x"),
    "clip_norm of zero": put("optimizer", "clip_norm", value=0),
    "first_epoch in words": put("optimizer", "first_epoch", value="x"),
    "an unknown setting": put("optimizer", "gamma", value=1),
    "missed of two numbers": put("optimizer", "missed", value=[[0, 1]]),
    "missed beyond the vector": put("optimizer", "missed", value=[[0, 10**9, 1]]),
    "missed more steps than there were": put("optimizer", "missed", value=[[0, 16, 10**6]]),
    "schedule a number": put("optimizer", "schedule", value=3),
    "a schedule without its inside": drop("optimizer", "schedule", "inside"),
    "a plateau that waits in words": put("optimizer", "schedule", "inside", "waited", value="x"),
    "a plateau that waits for less than nothing": put("optimizer", "schedule", "inside", "waited", value=-1),
    "a plateau of a negative rate": put("optimizer", "schedule", "inside", "current", value=-1.0),
    "a plateau that looks elsewhere": put("optimizer", "schedule", "inside", "monitor", value="x"),
    "a warm-up of no epochs": put("optimizer", "schedule", "epochs", value=0.0),
    "callbacks too few": lambda state: state["callbacks"].pop(),
    "callbacks an object": put("callbacks", value={}),
    "a callback that waits in words": put("callbacks", 0, "waited", value="x"),
    "a callback that waits for less than nothing": put("callbacks", 0, "waited", value=-1),
    "a best of NaN": put("callbacks", 0, "best", value=float("nan")),
    "a best beyond all floats": put("callbacks", 0, "best", value=10**400),
    "a best in a list": put("callbacks", 0, "best", value=[1]),
    "no best": drop("callbacks", 0, "best"),
    "kept tensors of others": put("callbacks", 0, "kept", value={"x": np.zeros(3, np.float32)}),
    "kept in a list": put("callbacks", 0, "kept", value=[1]),
    "an average of another shape": put("callbacks", 1, "average", value=np.zeros(3, np.float32)),
    "an average of no steps": put("callbacks", 1, "steps", value=0),
    "steps without an average": put("callbacks", 1, "average", value=None),
    "a snapshot that lacks a tensor": drop("callbacks", 2, "snapshots", 0, "affine1.bias"),
    "snapshots a number": put("callbacks", 2, "snapshots", value=3),
    "what an own callback refuses": put("callbacks", 3, "count", value=5000),
    "what an own callback looks for": drop("callbacks", 3, "count"),
    "an own callback's memory a list": put("callbacks", 3, value=[1]),
    "no sums": put("running", value=None),
    "sums without a count": drop("running", "count"),
    "a count that is negative": put("running", "count", value=-5),
    "a loss of infinity": put("running", "loss", value=float("inf")),
    "hits in words": put("running", "hits", value="x"),
    "metrics too few": put("running", "metrics", value=[]),
    "a metric's sums of other shapes": put("running", "metrics", 0, "said", value=np.zeros((2, 3))),
    "a metric's sums in words": put("running", "metrics", 0, "said", value="x"),
    "history a list": put("history", value=[1]),
    "history of words": put("history", "loss", value=["x"]),
    "history a number": put("history", "loss", value=3),
    "history of integers beyond floats": put("history", "loss", value=[10**400]),
    "settings a number": put("settings", value=3),
    "settings missing": drop("settings"),
    "inputs of another kind": lambda state: state.update(input_shape=["x"], train=None),
}  # fmt: skip


def craft(path: Path, change: Callable[[State], None]) -> None:
    state = container.read_state(path)
    change(state)
    container.write_state(path, state)


@pytest.mark.parametrize("case", CRAFTED)
def test_an_older_checkpoint_is_tried(case: str, killed: Path, points: Points, tmp_path: Path) -> None:
    older, newest = sorted(killed.iterdir())
    craft(newest, CRAFTED[case])
    run = Run(killed)
    with pytest.warns(RuntimeWarning, match=rf"{newest.name}.*; continuing from {older.name}"):
        found = run.fit(points, True)
    expected = _uninterrupted(points, tmp_path / "other")
    for name, array in expected.tensors().items():
        np.testing.assert_array_equal(found.tensors()[name], array)
    assert found.history is not None
    assert expected.history is not None
    assert found.history["loss"] == expected.history["loss"]
    assert found.history["precision"] == expected.history["precision"]


_EXPECTED: dict[str, pynn.Sequential] = {}


def _uninterrupted(points: Points, folder: Path) -> pynn.Sequential:
    backend = pynn.kernels.backend()
    if backend not in _EXPECTED:
        _EXPECTED[backend] = Run(folder).fit(points)
    return _EXPECTED[backend]


@pytest.mark.parametrize("case", CRAFTED)
def test_a_resume_that_is_refused_changes_nothing(case: str, killed: Path, points: Points) -> None:
    for path in killed.iterdir():
        craft(path, CRAFTED[case])
    run = Run(killed)
    before, numbers = run.known(), run.model.seed
    with pytest.raises(ValueError, match=r"no checkpoint in .* can be used: .*checkpoint-") as caught:
        run.fit(points, True)
    assert "\n" not in str(caught.value)
    assert repr(run.known()) == repr(before)
    assert run.model.seed == numbers
    for path in killed.iterdir():
        path.unlink()
    run.fit(points)  # model, optimizer, schedule and callbacks are as good as new


def test_a_built_model_keeps_its_weights(killed: Path, points: Points) -> None:
    for path in killed.iterdir():
        craft(path, CRAFTED["what an own callback refuses"])
    run = Run(killed)
    run.model.build((4,))
    run.model.layers[0].freeze("bias")
    run.model.layers[0].unfreeze()
    weights = run.model.parameters.copy()
    with pytest.raises(ValueError, match=r"RuntimeError: that many cannot be"):
        run.fit(points, True)
    np.testing.assert_array_equal(run.model.parameters, weights)
    assert run.model.built
    assert run.counting.count == 0


class Loader:
    """Batches one after the other."""

    def __init__(self, points: Points) -> None:
        self.x, self.y = points

    def __iter__(self) -> Iterator[Any]:
        return ((self.x[place : place + 10], self.y[place : place + 10]) for place in range(0, 30, 10))

    def __len__(self) -> int:
        return 3


@pytest.mark.parametrize(
    "change",
    [
        put("input_shape", value=[10**12]), put("input_shape", value="x"), put("input_shape", value=[5]),
        put("input_shape", value=[-1]), put("inputs", value={"images": "x"}), put("targets", value={"classes": [1, 1]}),
        put("tensors", "affine1.bias", value=np.zeros(7, np.float32)),
    ],
)  # fmt: skip
def test_a_run_on_batches_that_come_is_not_built_by_a_crafted_state(
    change: Callable[[State], None], points: Points, tmp_path: Path, backend: str
) -> None:
    def model() -> pynn.Sequential:
        return pynn.Sequential(pynn.Affine(6), pynn.ReLU(), pynn.Affine(3))

    def fit(one: pynn.Sequential, resume: bool, folder: Path = tmp_path) -> pynn.Sequential:
        one.fit(Loader(points), epochs=3, optimizer=pynn.SGD(0.1), checkpoint=folder, resume=resume, progress=False)
        return one

    expected = fit(model(), False)
    newest = sorted(tmp_path.iterdir())[-1]
    craft(newest, change)
    with pytest.warns(RuntimeWarning, match=rf"{newest.name} cannot be used: .*; continuing from"):
        found = fit(model(), True)
    np.testing.assert_array_equal(found.parameters, expected.parameters)
    for path in tmp_path.iterdir():
        craft(path, change)
    one = model()
    with pytest.raises(ValueError, match=r"no checkpoint in"):
        fit(one, True)
    assert not one.built
    fit(one, False, tmp_path / "new")


def test_a_state_of_other_settings_is_a_refusal_not_passed_over(killed: Path, points: Points) -> None:
    craft(sorted(killed.iterdir())[-1], put("settings", "batch_size", value=7))
    with pytest.raises(ValueError, match=r"the run in .* cannot be resumed: batch_size was 7, now it is 10$"):
        Run(killed).fit(points, True)


def test_checkpoints_of_format_1_are_read(killed: Path, points: Points, tmp_path: Path) -> None:
    """Their checksum is that of the text and the bytes."""
    import json

    import safetensors
    import safetensors.numpy

    for path in killed.iterdir():
        with safetensors.safe_open(path, framework="numpy") as opened:
            entry = json.loads(opened.metadata()[container.ENTRY])
        tensors = safetensors.numpy.load_file(path)
        entry.update(format=1, crc=container._old_checksum(entry["state"], tensors))
        path.write_bytes(safetensors.numpy.save(tensors, {container.ENTRY: json.dumps(entry)}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = Run(killed).fit(points, True)
    np.testing.assert_array_equal(found.parameters, _uninterrupted(points, tmp_path / "other").parameters)


def test_an_own_schedule_keeps_what_it_learned_later(points: Points, tmp_path: Path) -> None:
    """An attribute that came with the first measurement was lost when the run was resumed."""

    class Following(pynn.Schedule):
        seen = 0

        def at(self, epoch: float) -> float:
            return 0.1 * vars(self).get("factor", 1.0)

        def observe(self, values: Any) -> None:
            self.factor = 0.5 * vars(self).get("factor", 1.0)
            self.seen += 1  # from the default of the class

    def fit(folder: Path, epochs: int, resume: bool = False) -> pynn.Sequential:
        model = pynn.Sequential(pynn.Affine(3))
        settings = {"optimizer": pynn.SGD(Following()), "checkpoint": folder, "resume": resume, "progress": False}
        model.fit(*points, batch_size=10, epochs=epochs, **settings)
        return model

    expected = fit(tmp_path / "whole", 4)
    fit(tmp_path / "parts", 2)
    np.testing.assert_array_equal(fit(tmp_path / "parts", 4, True).parameters, expected.parameters)
