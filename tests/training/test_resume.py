"""Checkpoints of a run: whatever ends it, the run that goes on ends with the bits of one that was never ended."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from resumed_runs import Data, Killed, KilledAt, assert_same, fit, network

import pynn

RUN = """
import os, random, signal, sys, threading, time
import numpy as np, pynn

def run(folder, resume, deadline=None, **settings):
    rng = np.random.default_rng(0)
    y = np.arange(50) % 3
    x = rng.integers(0, 256, (50, 6, 6, 1)).astype(np.uint8)
    x[y == 1, :3] //= 4
    model = pynn.Sequential(
        pynn.Flatten(), pynn.Affine(8), pynn.BatchNorm(), pynn.ReLU(), pynn.Dropout(0.3), pynn.Affine(3), seed=3,
    )
    model.fit(
        x[:38], y[:38], validation=(x[38:], y[38:]), batch_size=8, epochs=25, penalty=pynn.L2(1e-3),
        optimizer=pynn.Adam(pynn.Warmup(pynn.ReduceOnPlateau(0.02, factor=0.5, patience=1), 0.7)),
        augmentation=[pynn.Flip(), pynn.PadCrop(1), pynn.Brightness(0.2)], sample_weight=1 + y[:38],
        callbacks=[pynn.EarlyStopping(patience=12), lambda trainer: time.sleep(0.002), *settings.pop("callbacks", [])],
        checkpoint=pynn.Checkpoint(folder, every_steps=2, keep=3), resume=resume, progress=False, **settings,
    )
    return model

if __name__ == "__main__":
    delay = float(sys.argv[2])
    if delay:
        threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL)).start()
    model = run(sys.argv[1], True)
    tensors = {name: array for name, array in model.tensors().items()}
    state = {name: array for name, array in model.optimizer.state()["slots"].items()}
    history = {name: np.array(values) for name, values in model.history.items() if name != "samples_per_second"}
    np.savez(
        sys.argv[3], **tensors, **state, **history, counts=[model.epoch, model.context.step, model.optimizer.steps],
        rate=model.optimizer.learning_rate, stopped=str(model.history.stopped),
    )
    os._exit(0)
"""


def _same(one: Path, other: Path) -> None:
    with np.load(one) as expected, np.load(other) as found:
        assert sorted(expected) == sorted(found)
        for name in expected:
            np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_twenty_kills_at_random_moments_change_no_bit(tmp_path: Path) -> None:
    (tmp_path / "run.py").write_text(RUN)
    environment = {**os.environ, "PYTHONPATH": str(Path(pynn.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    environment["PYNN_BACKEND"] = pynn.kernels.backend()

    def start(folder: str, delay: float, output: str) -> int:
        command = [sys.executable, "run.py", folder, str(delay), output]
        return subprocess.run(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL).returncode

    assert start("whole", 0, "whole.npz") == 0
    chance, kills = random.Random(0), 0
    folder = "run0"
    for number in range(60):
        code = start(folder, chance.uniform(0.001, 0.05), "killed.npz")
        if code == 0:  # it came to its end: that must be the end of all others; the next one begins anew
            _same(tmp_path / "whole.npz", tmp_path / "killed.npz")
            folder = f"run{number + 1}"
        else:
            assert code == -signal.SIGKILL
            kills += 1
        if kills == 20:
            break
    assert kills == 20
    assert start(folder, 0, "killed.npz") == 0
    _same(tmp_path / "whole.npz", tmp_path / "killed.npz")


# In one process: every moment, every optimizer, every source ----------------------------------------


@pytest.fixture(autouse=True)
def _ctrl_c_interrupts() -> Iterator[None]:
    """Also where the tests run in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


SCHEDULED: dict[str, Callable[[], Any]] = {
    **pynn.optimizers.OPTIMIZERS,
    "plateau": lambda: pynn.Momentum(pynn.ReduceOnPlateau(0.1, patience=1, min_delta=1), weight_decay=0.01),
    "one cycle": lambda: pynn.NAdam(pynn.OneCycle(0.01, 3), clip_norm=1.0),
}


@pytest.mark.parametrize("kind", SCHEDULED)
def test_every_optimizer_goes_on_from_every_moment(kind: str, pictures: Data, tmp_path: Path) -> None:
    expected = fit(pictures, optimizer=SCHEDULED[kind]())
    assert expected.context.step == 9
    for step in range(1, 10):
        folder = tmp_path / str(step)
        with pytest.raises(Killed):
            fit(pictures, pynn.Checkpoint(folder, every_steps=2), False, SCHEDULED[kind](), [KilledAt(step)])
        if step == 1:
            assert not list(folder.iterdir())
        assert_same(expected, fit(pictures, folder, True, SCHEDULED[kind]()))


class Batches:
    """Batches that go by no length."""

    def __init__(self, data: Data) -> None:
        self.data = data

    def __iter__(self) -> Iterator[Any]:
        x, y = self.data
        return iter([(x[start : start + 7], y[start : start + 7]) for start in range(0, 21, 7)])


@pytest.mark.parametrize("prefetch", [0, 2])
@pytest.mark.parametrize("step", [1, 2, 3, 4, 6, 8])
def test_iterables_go_on_too(step: int, prefetch: int, pictures: Data, tmp_path: Path) -> None:
    def run(*arguments: Any, **settings: Any) -> pynn.Sequential:
        model = network()
        optimizer = pynn.SGD(pynn.LinearDecay(0.1, 3))
        model.fit(
            Batches(pictures), optimizer=optimizer, epochs=3, progress=False, prefetch=prefetch, penalty=pynn.L1(1e-3),
            **settings,
        )  # fmt: skip
        return model

    expected = run()
    checkpoint = pynn.Checkpoint(tmp_path, every_seconds=0)
    with pytest.raises(Killed):
        run(checkpoint=checkpoint, callbacks=[KilledAt(step)])
    assert_same(expected, run(checkpoint=tmp_path, resume=True))


@pytest.mark.parametrize("source", ["arrays", "iterable"])
def test_an_epoch_whose_batches_are_done_is_closed_first(source: str, pictures: Data, tmp_path: Path) -> None:
    """Killed after the last step of an epoch, before it was measured and counted."""

    def killed(trainer: pynn.Trainer) -> None:
        if trainer.epoch == at:
            raise Killed

    def run(**settings: Any) -> pynn.Sequential:
        model = network()
        data = pictures if source == "arrays" else (Batches(pictures),)
        model.fit(
            *data,
            optimizer=pynn.SGD(pynn.LinearDecay(0.1, 3)),
            epochs=3,
            progress=False,
            validation=pictures,
            **settings,
        )
        return model

    expected = run()
    for at in (1, 2, 3):
        folder = tmp_path / str(at)
        with pytest.raises(Killed):
            run(checkpoint=pynn.Checkpoint(folder, every_steps=1), callbacks=[killed])
        assert_same(expected, run(checkpoint=folder, resume=True))


def test_own_optimizers_and_schedules_go_on(pictures: Data, tmp_path: Path) -> None:
    class Falling(pynn.Schedule):
        def __init__(self, rate: float) -> None:
            self.rate, self._fallen = rate, 1.0

        def at(self, epoch: float) -> float:
            return self.rate * self._fallen

        def observe(self, values: Any) -> None:
            self._fallen *= 0.7

    class Alternating(pynn.Optimizer):
        slots = ("last",)
        last: np.ndarray

        def __init__(self, learning_rate: Any) -> None:
            super().__init__(learning_rate)
            self._sign = 1.0

        def update(self, parameters: np.ndarray, gradients: np.ndarray) -> None:
            parameters -= self.effective_learning_rate * (gradients + self._sign * 0.1 * self.last)
            self.last, self._sign = gradients.copy(), -self._sign

    expected = fit(pictures, optimizer=Alternating(Falling(0.1)))
    for step in (2, 5, 8):
        folder = tmp_path / str(step)
        with pytest.raises(Killed):
            fit(pictures, pynn.Checkpoint(folder, every_steps=1), False, Alternating(Falling(0.1)), [KilledAt(step)])
        assert_same(expected, fit(pictures, folder, True, Alternating(Falling(0.1))))


def test_the_state_of_another_optimizer_is_refused(pictures: Data) -> None:
    model = fit(pictures, optimizer=pynn.Adam(pynn.LinearDecay(0.1, 3)))
    assert model.optimizer is not None
    state, parameters = model.optimizer.state(), model.parameters
    unclaimed, other, constant = pynn.Adam(pynn.LinearDecay(0.1, 3)), pynn.SGD(0.1), pynn.Adam(0.1)
    other.claim(parameters)
    constant.claim(parameters)
    for optimizer in (unclaimed, other, constant):
        with pytest.raises(
            ValueError, match=r"this is the state of another optimizer: it has .*'first'.*, this (Adam|SGD) has"
        ):
            optimizer.restore(state)
        assert optimizer.steps == 0
    unclaimed.claim(parameters)
    unclaimed.restore(state)
    np.testing.assert_array_equal(unclaimed.first, model.optimizer.first)  # type: ignore[attr-defined]
    assert (unclaimed.steps, unclaimed.learning_rate) == (9, model.optimizer.learning_rate)


@pytest.mark.parametrize("prefetch", [0, 2])
def test_augmentation_weights_and_preprocessing_go_on(prefetch: int, pictures: Data, tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "augmentation": [pynn.PadCrop(1), pynn.Contrast(0.8, 1.2)],
        "preprocessing": pynn.Standardization(),
        "class_weight": "balanced",
        "sample_weight": np.linspace(0.5, 2, 25),
        "prefetch": prefetch,
        "seed": 7,
    }
    expected = fit(pictures, **settings)
    with pytest.raises(Killed):
        fit(pictures, pynn.Checkpoint(tmp_path, every_steps=1), callbacks=[KilledAt(6)], **settings)
    assert_same(expected, fit(pictures, tmp_path, True, **settings))


def test_settings_that_a_callback_changes_go_on(pictures: Data, tmp_path: Path) -> None:
    class Thaw(pynn.Callback):
        def on_epoch_end(self, trainer: pynn.Trainer) -> None:
            layers = trainer.model.layers  # type: ignore[attr-defined]
            if trainer.epoch == 1:
                layers[0].unfreeze()
                layers[0].learning_rate_factor = 0.5
                layers[6].penalty = None
                trainer.optimizer.weight_decay = 0.1
                trainer.optimizer.learning_rate = 0.005

    def run(*arguments: Any, callbacks: Any = ()) -> pynn.Sequential:
        model = network()
        model.layers[0].freeze()
        model.layers[6].penalty = pynn.L2(0.1)
        return fit(pictures, *arguments, callbacks=[Thaw(), *callbacks], model=model, penalty=pynn.L1(0.01))

    expected = run()
    with pytest.raises(Killed):
        run(pynn.Checkpoint(tmp_path, every_steps=1), callbacks=[KilledAt(5)])
    assert_same(expected, run(tmp_path, True))


def test_early_stopping_goes_on_and_stays_stopped(pictures: Data, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"optimizer": "sgd", "epochs": 12}

    def watching() -> list[pynn.Callback]:
        return [pynn.EarlyStopping("val_accuracy", patience=2, min_delta=0.1)]

    expected = fit(pictures, callbacks=watching(), **settings)
    assert expected.epoch < 12
    for step in range(3, expected.context.step, 3):
        folder = tmp_path / str(step)
        with pytest.raises(Killed):
            fit(pictures, folder, callbacks=[*watching(), KilledAt(step + 1)], **settings)
        found = watching()
        model = fit(pictures, folder, True, callbacks=found, **settings)
        assert_same(expected, model)
        assert found[0].best_epoch is not None  # type: ignore[attr-defined]
    again = fit(pictures, folder, True, callbacks=watching(), **settings)
    assert_same(expected, again)
    assert again.history.stopped == expected.history.stopped  # type: ignore[union-attr]


def test_own_callbacks_with_a_memory_go_on(pictures: Data, tmp_path: Path) -> None:
    class Counter(pynn.Callback):
        def __init__(self) -> None:
            self.total, self.vector = 0.0, np.zeros(3)

        def on_step_end(self, trainer: pynn.Trainer) -> None:
            self.total += trainer.batch_loss or 0.0
            self.vector += trainer.step

        def state(self) -> dict[str, Any]:
            return {"total": self.total, "vector": self.vector, "nested": [(1, None), {"a": True}]}

        def restore(self, state: dict[str, Any]) -> None:
            assert state["nested"] == [[1, None], {"a": True}]
            self.total, self.vector = state["total"], state["vector"]

    expected, found = Counter(), Counter()
    fit(pictures, callbacks=[expected])
    with pytest.raises(Killed):
        fit(pictures, pynn.Checkpoint(tmp_path, every_steps=1), callbacks=[Counter(), KilledAt(5)])
    fit(pictures, tmp_path, True, callbacks=[found])
    assert found.total == expected.total
    np.testing.assert_array_equal(found.vector, expected.vector)


def test_a_table_goes_on_without_the_lines_of_epochs_that_come_again(pictures: Data, tmp_path: Path) -> None:
    path, folder = tmp_path / "run.csv", tmp_path / "run"
    with pytest.raises(Killed):
        fit(pictures, folder, callbacks=[pynn.CSVLogger(path), KilledAt(8)])
    (folder / "checkpoint-00000002.safetensors").unlink()
    model = fit(pictures, folder, True, callbacks=[pynn.CSVLogger(path)])
    lines = path.read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["epoch", "1", "2", "3"]
    assert [float(line.split(",")[1]) for line in lines[1:]] == model.history["loss"]  # type: ignore[index]


# Stops, ends, Ctrl-C --------------------------------------------------------------------------------


def test_a_run_that_came_to_its_end_is_not_trained_again_but_may_go_on(pictures: Data, tmp_path: Path) -> None:
    model = fit(pictures, tmp_path)
    again = fit(pictures, tmp_path, True)
    assert_same(model, again)
    assert_same(fit(pictures, epochs=5), fit(pictures, tmp_path, True, epochs=5))


def test_a_run_that_was_stopped_in_a_step_goes_on(pictures: Data, tmp_path: Path) -> None:
    class Stop(pynn.Callback):
        def on_step_end(self, trainer: pynn.Trainer) -> None:
            if trainer.step == 4:
                trainer.stop("out of time")

    assert fit(pictures, tmp_path, callbacks=[Stop()]).context.step == 4
    assert_same(fit(pictures), fit(pictures, tmp_path, True))


@pytest.mark.parametrize("step", [1, 3, 5])
def test_ctrl_c_saves_and_says_how_to_go_on(step: int, pictures: Data, tmp_path: Path) -> None:
    class CtrlC(pynn.Callback):
        def on_step_begin(self, trainer: pynn.Trainer) -> None:
            if trainer.step == step - 1:
                signal.raise_signal(signal.SIGINT)

    folder = tmp_path / "run"
    with pytest.raises(
        KeyboardInterrupt, match=rf"after step {step}, in .*checkpoint='.*run', resume=True\) continues"
    ):
        fit(pictures, folder, callbacks=[CtrlC()])
    assert_same(fit(pictures), fit(pictures, folder, True))


def test_ctrl_c_while_it_is_validated_saves_too(pictures: Data, tmp_path: Path) -> None:
    class Slow(pynn.SoftmaxCrossEntropy):
        pressed = False

        def forward(self, outputs: np.ndarray, targets: np.ndarray, weights: Any = None) -> float:
            if len(outputs) == 25 and self.pressed:  # the validation data
                signal.raise_signal(signal.SIGINT)
            return super().forward(outputs, targets, weights)

    loss = Slow()
    loss.pressed = True
    with pytest.raises(KeyboardInterrupt, match="after step 3, in epoch 1; "):
        fit(pictures, tmp_path, loss=loss)
    assert_same(fit(pictures, loss=Slow()), fit(pictures, tmp_path, True, loss=Slow()))


def test_the_same_model_goes_on_in_the_same_process(pictures: Data, tmp_path: Path) -> None:
    model = network()
    with pytest.raises(Killed):
        fit(pictures, tmp_path, callbacks=[KilledAt(5)], model=model)
    assert_same(fit(pictures), fit(pictures, tmp_path, True, model=model))
