"""Checkpoints of a run: whatever ends it, the run that goes on ends with the bits of one that was never ended."""

from __future__ import annotations

import io
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


class Killed(Exception):
    pass


class KilledAt(pynn.Callback):
    """Ends the run after a step as if the process were gone: no callback writes anything after it."""

    def __init__(self, step: int) -> None:
        self.at = step

    def on_step_end(self, trainer: pynn.Trainer) -> None:
        if trainer.step == self.at:
            raise Killed


Data = tuple[np.ndarray, np.ndarray]


@pytest.fixture
def pictures(rng: np.random.Generator) -> Data:
    y = np.arange(25) % 3
    return (rng.normal(size=(25, 6, 6, 1)) + y[:, None, None, None]).astype(np.float32), y


def network(**settings: Any) -> pynn.Sequential:
    return pynn.Sequential(
        pynn.Conv2d(4), pynn.BatchNorm(), pynn.ReLU(), pynn.FractionalMaxPool2d(1.5), pynn.Flatten(),
        pynn.Dropout(0.3), pynn.Affine(3), **settings,
    )  # fmt: skip


def fit(
    data: Data, folder: Any = None, resume: bool = False, optimizer: Any = None, callbacks: Any = (), **settings: Any
) -> pynn.Sequential:
    model = settings.pop("model", None) or network()
    settings = {"validation": data, "epochs": 3, "batch_size": 8, "progress": False, **settings}
    model.fit(*data, optimizer=optimizer, callbacks=callbacks, checkpoint=folder, resume=resume, **settings)
    return model


def assert_same(one: pynn.Sequential, other: pynn.Sequential) -> None:
    for name, tensor in one.tensors().items():
        np.testing.assert_array_equal(other.tensors()[name], tensor, err_msg=name)
    assert one.optimizer is not None
    assert other.optimizer is not None
    mine, theirs = one.optimizer.state(), other.optimizer.state()
    for slot, vector in mine.pop("slots").items():
        np.testing.assert_array_equal(theirs["slots"][slot], vector)
    theirs.pop("slots")
    assert mine == theirs
    assert (one.epoch, one.context.step) == (other.epoch, other.context.step)
    assert one.history is not None
    assert other.history is not None
    assert list(one.history) == list(other.history)
    for name in one.history:
        if name != "samples_per_second":
            assert one.history[name] == other.history[name], name


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
            ValueError, match=r"the state is of another optimizer: it has .*'first'.*, this (Adam|SGD) has"
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


# What is refused, and what is damaged ---------------------------------------------------------------


def _changed(data: Data) -> Data:
    x = data[0].copy()
    x[0, 0, 0, 0] += 1
    return x, data[1]


OTHERS: dict[str, tuple[Callable[[Data], dict[str, Any]], str]] = {
    "batch_size": (lambda data: {"batch_size": 5}, r"batch_size was 8, now it is 5"),
    "seed": (lambda data: {"seed": 1}, r"seed was 0, now it is 1"),
    "model seed": (lambda data: {"model": network(seed=1)}, r"the model's seed was 0, now it is 1"),
    "dtype": (lambda data: {"model": network(dtype="float64")}, r"dtype was float32, now it is float64"),
    "model": (lambda data: {"model": pynn.Sequential(pynn.Flatten(), pynn.Affine(3))}, r"the model differs"),
    "frozen": (lambda data: {"model": _frozen()}, r"the model differs"),
    "loss": (lambda data: {"loss": "hinge"}, r"loss was SoftmaxCrossEntropy\(\), now it is Hinge\(\)"),
    "optimizer": (lambda data: {"optimizer": pynn.Adam(0.1)}, r"optimizer was Adam\(\), now it is Adam\(learn"),
    "penalty": (lambda data: {"penalty": pynn.L2(0.1)}, r"penalty was None, now it is L2\(strength=0\.1\)"),
    "fewer samples": (
        lambda data: {"data": (data[0][:24], data[1][:24])},
        r"the shape of x was \[25, 6, 6, 1\], now it is \[24, 6, 6, 1\]",
    ),
    "other samples": (lambda data: {"data": _changed(data)}, r"the data differs"),
    "other labels": (lambda data: {"data": (data[0], data[1][::-1])}, r"the data differs"),
    "validation": (lambda data: {"validation": _changed(data)}, r"the validation data differs"),
    "callbacks": (lambda data: {"callbacks": [pynn.EarlyStopping()]}, r"callbacks with a memory differs"),
    "preprocessing": (
        lambda data: {"augmentation": pynn.Flip(), "preprocessing": pynn.Standardization()},
        r"preprocessing was None, now it is Standardization\(\)",
    ),
    "augmentation": (lambda data: {"augmentation": pynn.Flip()}, r"augmentation was None, now it is Augment\(Flip"),
}  # fmt: skip


def _frozen() -> pynn.Sequential:
    model = network()
    model.layers[0].freeze()
    return model


@pytest.mark.parametrize("case", OTHERS)
def test_another_run_is_not_resumed(case: str, pictures: Data, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        fit(pictures, tmp_path, callbacks=[KilledAt(4)])
    change, message = OTHERS[case]
    settings = {"data": pictures, "validation": pictures, "model": network(), **change(pictures)}
    with pytest.raises(ValueError, match=rf"the run in .* cannot be resumed: .*{message}"):
        fit(folder=tmp_path, resume=True, **settings)
    assert not settings["model"].built
    assert_same(fit(pictures), fit(pictures, tmp_path, True))


def test_nothing_to_go_on_from_is_said_and_training_begins(
    pictures: Data, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = fit(pictures)
    assert_same(expected, fit(pictures, tmp_path / "new", True, progress="auto"))
    assert capsys.readouterr().err.splitlines()[0] == f"{tmp_path / 'new'} has no checkpoint: training starts at step 0"
    fit(pictures, tmp_path / "other", True, progress=False)
    assert capsys.readouterr().err == ""


def test_a_new_run_does_not_take_another_ones_folder(pictures: Data, tmp_path: Path) -> None:
    fit(pictures, tmp_path)
    files = sorted(tmp_path.iterdir())
    with pytest.raises(ValueError, match=r"has checkpoints of another run: pass resume=True to continue it"):
        fit(pictures, tmp_path)
    assert sorted(tmp_path.iterdir()) == files


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "cut off": lambda content: content[:-100],
    "a bit of a tensor": lambda content: content[:-50] + bytes([content[-50] ^ 1]) + content[-49:],
    "a bit of the header": lambda content: content[:300] + bytes([content[300] ^ 1]) + content[301:],
    "rubbish": lambda content: b"x" * 1000,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_is_passed_over_with_a_warning(damage: str, pictures: Data, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        fit(pictures, tmp_path, callbacks=[KilledAt(8)])
    first, second = sorted(tmp_path.iterdir())
    second.write_bytes(DAMAGE[damage](second.read_bytes()))
    with pytest.warns(
        RuntimeWarning,
        match=rf"{second.name} is (damaged|not a whole safetensors file).*; continuing from {first.name}",
    ):
        model = fit(pictures, tmp_path, True)
    assert_same(fit(pictures), model)


def test_where_none_can_be_used_it_is_an_error(pictures: Data, tmp_path: Path) -> None:
    fit(pictures, tmp_path)
    for path in tmp_path.iterdir():
        path.write_bytes(b"rubbish")
    with pytest.raises(
        ValueError, match=r"no checkpoint in .* can be used: .*00003.safetensors is not a whole .*00002"
    ):
        fit(pictures, tmp_path, True)


def test_files_of_other_kinds_and_formats_are_told_apart(pictures: Data, tmp_path: Path) -> None:
    from pynn.saving import container

    model = fit(pictures)
    path = tmp_path / "checkpoint-00000001.safetensors"
    model.save(path)
    with pytest.raises(ValueError, match=r"not a pynn checkpoint: .*; it is a model, which pynn\.load reads"):
        fit(pictures, tmp_path, True)
    old, container.FORMAT = container.FORMAT, 99
    try:
        container.write_state(path, {})
    finally:
        container.FORMAT = old
    with pytest.raises(ValueError, match=r"has format 99, this pynn reads 1 and 2"):
        fit(pictures, tmp_path, True)
    with pytest.raises(TypeError, match=r"state\.a\.0 is <object .*expected numbers"):
        container.write_state(path, {"a": [object()]})


def test_a_file_is_no_folder(pictures: Data, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("mine")
    with pytest.raises(NotADirectoryError, match=r"x', which is a file, expected a folder"):
        fit(pictures, tmp_path / "x")
    assert (tmp_path / "x").read_text() == "mine"


def test_the_newest_are_kept_and_leftovers_go(pictures: Data, tmp_path: Path) -> None:
    leftover = tmp_path / ".checkpoint-00000001.safetensors.123"
    leftover.write_bytes(b"half")
    fit(pictures, pynn.Checkpoint(tmp_path, every_steps=1, keep=3))
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        f"checkpoint-{number:08d}.safetensors" for number in (10, 11, 12)
    ]


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"resume": True}, ValueError, r"resume needs checkpoint"),
        ({"checkpoint": "x", "resume": 1}, TypeError, r"resume is 1, expected True or False"),
        ({"checkpoint": 3}, TypeError, r"checkpoint is 3, expected a folder or a pynn\.Checkpoint object"),
    ],
)
def test_arguments_are_checked(settings: dict[str, Any], error: type[Exception], message: str, pictures: Data) -> None:
    model = network()
    with pytest.raises(error, match=message):
        model.fit(*pictures, **settings)
    assert not model.built
    for wrong in ({"every_steps": 0}, {"every_seconds": -1}, {"keep": 0}):
        with pytest.raises(ValueError, match=r"Checkpoint: "):
            pynn.Checkpoint("x", **wrong)


def test_a_bar_goes_on_where_it_was(pictures: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    with pytest.raises(Killed):
        fit(pictures, pynn.Checkpoint(tmp_path, every_steps=1), callbacks=[KilledAt(6)])
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    fit(pictures, tmp_path, True, progress=True)
    shown = terminal.getvalue()
    assert "epoch 1/3" not in shown
    assert "epoch 2/3" in shown
    assert "2/3 [" in shown
    assert "epoch 3/3" in shown
