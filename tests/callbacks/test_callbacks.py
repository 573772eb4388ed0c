"""Callbacks: when they are called, what they see, how they stop a run, and that nothing is lost by Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import pynn

Points = tuple[np.ndarray, np.ndarray]
HOOKS = ["on_train_begin", "on_epoch_begin", "on_step_begin", "on_step_end", "on_epoch_end", "on_train_end"]


@pytest.fixture(autouse=True)
def _ctrl_c_interrupts() -> Iterator[None]:
    """Also where the tests run in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def network(**settings: Any) -> pynn.Sequential:
    return pynn.Sequential(pynn.Affine(8), pynn.BatchNorm(), pynn.ReLU(), pynn.Dropout(0.2), pynn.Affine(3), **settings)


def trained(points: Points, **settings: Any) -> pynn.Sequential:
    model = network()
    model.fit(*points, **{"epochs": 2, "batch_size": 10, "progress": False, **settings})
    return model


class Recorder(pynn.Callback):
    """Writes down who was called, and how far the run was."""

    def __init__(self, name: str = "", seen: list[Any] | None = None) -> None:
        self.name, self.seen = name, [] if seen is None else seen


def _recording(hook: str) -> Callable[..., None]:
    def record(self: Recorder, trainer: pynn.Trainer) -> None:
        self.seen.append((hook + self.name, trainer.epoch, trainer.step, trainer.batch))

    return record


for _hook in HOOKS:
    setattr(Recorder, _hook, _recording(_hook))


def test_every_method_is_called_in_its_place(points: Points) -> None:
    seen = Recorder()
    trained(points, callbacks=[seen], batch_size=15)
    assert seen.seen == [
        ("on_train_begin", 0, 0, 0),
        ("on_epoch_begin", 0, 0, 0),
        ("on_step_begin", 0, 0, 0), ("on_step_end", 0, 1, 1), ("on_step_begin", 0, 1, 1), ("on_step_end", 0, 2, 2),
        ("on_epoch_end", 1, 2, 0),
        ("on_epoch_begin", 1, 2, 0),
        ("on_step_begin", 1, 2, 0), ("on_step_end", 1, 3, 1), ("on_step_begin", 1, 3, 1), ("on_step_end", 1, 4, 2),
        ("on_epoch_end", 2, 4, 0),
        ("on_train_end", 2, 4, 0),
    ]  # fmt: skip


def test_callbacks_are_called_in_their_order_and_end_in_the_reverse_one(points: Points) -> None:
    seen: list[Any] = []
    trained(points, callbacks=(Recorder(" 1", seen), Recorder(" 2", seen)), epochs=1, batch_size=30)
    names = [name for name, *_ in seen]
    assert names == [f"{hook} {which}" for hook in HOOKS[:-1] for which in (1, 2)] + [
        "on_train_end 2",
        "on_train_end 1",
    ]


def test_callbacks_read_losses_and_counts_from_the_trainer(points: Points) -> None:
    found: list[Any] = []

    class Reader(pynn.Callback):
        def on_step_end(self, trainer: pynn.Trainer) -> None:
            found.append(trainer.batch_loss)
            assert trainer.values == {}

        def on_epoch_end(self, trainer: pynn.Trainer) -> None:
            assert trainer.model is model
            assert trainer.optimizer is model.optimizer
            assert trainer.loss is model.loss
            assert trainer.history is model.history
            assert (trainer.epochs, trainer.batches, trainer.stopped, trainer.error) == (2, 3, None, None)
            assert set(trainer.values) == {
                "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "samples_per_second"
            }  # fmt: skip
            assert {name: values[-1] for name, values in trainer.history.items()} == trainer.values

    model = network()
    history = model.fit(*points, validation=points, epochs=2, batch_size=10, progress=False, callbacks=[Reader()])
    assert history is model.history
    assert np.mean(found[:3]) == pytest.approx(history["loss"][0], rel=1e-12)
    assert np.mean(found[3:]) == pytest.approx(history["loss"][1], rel=1e-12)


def test_a_function_is_called_at_each_epochs_end(points: Points) -> None:
    epochs: list[int] = []
    trained(points, callbacks=[lambda trainer: epochs.append(trainer.epoch)], epochs=3)
    assert epochs == [1, 2, 3]


def test_an_iterable_without_a_length_has_no_number_of_batches_in_its_first_epoch(points: Points) -> None:
    class Stream:
        def __iter__(self) -> Any:
            return iter([points, points])

    found: list[Any] = []
    network().fit(Stream(), epochs=2, progress=False, callbacks=[lambda trainer: found.append(trainer.batches)])
    assert found == [2, 2]
    begun: list[Any] = []

    class Begun(pynn.Callback):
        def on_epoch_begin(self, trainer: pynn.Trainer) -> None:
            begun.append(trainer.batches)

    network().fit(Stream(), epochs=2, progress=False, callbacks=[Begun()])
    assert begun == [None, 2]


def test_callbacks_change_nothing_in_training(points: Points) -> None:
    np.testing.assert_array_equal(trained(points, callbacks=[Recorder()]).parameters, trained(points).parameters)


def test_methods_that_nobody_overrides_are_not_called(points: Points) -> None:
    trainer = pynn.Trainer(trained(points), None, 0, callbacks=[pynn.Callback(), pynn.Callback()])  # type: ignore[arg-type]
    assert trainer._hooks == {name: [] for name in HOOKS}
    watching = pynn.Callback()
    watching.on_step_end = lambda trainer: None  # type: ignore[method-assign]
    trainer = pynn.Trainer(trained(points), None, 0, callbacks=[watching])  # type: ignore[arg-type]
    assert len(trainer._hooks["on_step_end"]) == 1


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        (3, r"callbacks holds 3, expected pynn\.Callback objects or functions of a trainer"),
        ([3], r"callbacks holds 3, expected pynn\.Callback objects or functions of a trainer"),
        ([pynn.callbacks.ProgressBar], r"callbacks holds <class .*; write ProgressBar\(\.\.\.\)"),
    ],
)
def test_invalid_callbacks_are_refused(callbacks: Any, message: str, points: Points) -> None:
    model = network()
    with pytest.raises(TypeError, match=message):
        model.fit(*points, callbacks=callbacks, progress=False)
    assert not model.built


# Stopping -----------------------------------------------------------------------------------------


class Stop(pynn.Callback):
    def __init__(self, hook: str, step: int) -> None:
        def stop(trainer: pynn.Trainer) -> None:
            if trainer.step >= step:
                trainer.stop("enough")

        setattr(self, hook, stop)


@pytest.mark.parametrize(
    ("hook", "step", "steps", "epochs"),
    [
        ("on_train_begin", 0, 0, 0),
        ("on_step_begin", 0, 1, 0),  # after this step
        ("on_step_end", 2, 2, 0),
        ("on_step_end", 3, 3, 1),  # the last one of the epoch
        ("on_step_end", 4, 4, 1),
        ("on_epoch_end", 3, 3, 1),
        ("on_epoch_end", 4, 6, 2),
    ],
)
def test_a_run_that_is_stopped_ends_cleanly(hook: str, step: int, steps: int, epochs: int, points: Points) -> None:
    model, last = network(), Recorder()
    history = model.fit(*points, callbacks=[Stop(hook, step), last], epochs=5, batch_size=10, progress=False)
    assert (model.context.step, model.epoch, history.epochs) == (steps, epochs, epochs)
    assert history.stopped == "enough"
    assert last.seen[-1][0] == "on_train_end"


def test_a_run_that_comes_to_its_end_was_not_stopped(points: Points) -> None:
    assert trained(points).history.stopped is None


def test_the_reason_for_stopping_is_shown(points: Points, capsys: pytest.CaptureFixture[str]) -> None:
    trained(points, callbacks=[lambda trainer: trainer.stop("that will do")], progress="auto")
    assert capsys.readouterr().err.splitlines()[-1] == "stopped: that will do"


# Errors and Ctrl-C --------------------------------------------------------------------------------


def test_an_error_reaches_every_callback_and_the_caller(points: Points) -> None:
    found: list[Any] = []

    class Watcher(pynn.Callback):
        def on_train_end(self, trainer: pynn.Trainer) -> None:
            found.append(trainer.error)

    def fail(trainer: pynn.Trainer) -> None:
        raise RuntimeError("from a callback")

    model = network()
    with pytest.raises(RuntimeError, match="from a callback") as raised:
        model.fit(*points, epochs=2, batch_size=10, progress=False, callbacks=[Watcher(), fail, Watcher()])
    assert found == [raised.value] * 2
    assert model.history is not None
    assert model.history.epochs == 1


def test_an_error_at_the_end_hides_neither_the_first_nor_the_other_callbacks(points: Points) -> None:
    class Broken(Recorder):
        def on_train_end(self, trainer: pynn.Trainer) -> None:
            super().on_train_end(trainer)  # type: ignore[misc]
            raise OSError("no space left")

    first = Recorder()
    with pytest.raises(OSError, match="no space left") as raised:
        network().fit(
            *points, optimizer=pynn.SGD(1e30), epochs=50, batch_size=10, progress=False, callbacks=[first, Broken()]
        )
    assert isinstance(raised.value.__context__, FloatingPointError)
    assert first.seen[-1][0] == "on_train_end"


def test_a_callback_may_take_an_error_away(points: Points) -> None:
    class Forgiving(pynn.Callback):
        def on_train_end(self, trainer: pynn.Trainer) -> None:
            trainer.error = None

    history = network().fit(
        *points, optimizer=pynn.SGD(1e30), epochs=50, batch_size=10, progress=False, callbacks=[Forgiving()]
    )
    assert history.epochs < 50


class CtrlC(pynn.Callback):
    """Presses it at a moment."""

    def __init__(self, hook: str, step: int) -> None:
        def press(trainer: pynn.Trainer) -> None:
            if trainer.step == step:
                signal.raise_signal(signal.SIGINT)

        setattr(self, hook, press)


@pytest.mark.parametrize(
    ("hook", "step", "steps", "epochs"),
    [("on_step_begin", 4, 5, 1), ("on_step_end", 4, 4, 1), ("on_epoch_end", 6, 6, 2), ("on_train_begin", 0, 0, 0)],
)
def test_ctrl_c_ends_the_step_and_keeps_the_history(
    hook: str, step: int, steps: int, epochs: int, points: Points
) -> None:
    model, last = network(), Recorder()
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match=f"interrupted after step {steps}, in epoch {epochs + 1}"):
        model.fit(*points, epochs=5, batch_size=10, progress=False, callbacks=[CtrlC(hook, step), last])
    assert (model.context.step, model.epoch) == (steps, epochs)
    assert model.history is not None
    assert model.history.epochs == epochs
    assert last.seen[-1][0] == "on_train_end" or not steps
    assert signal.getsignal(signal.SIGINT) is handler
    expected = network()
    if steps:
        expected.fit(*points, epochs=5, batch_size=10, progress=False, callbacks=[Stop("on_step_end", steps)])
    else:
        expected.build((4,))
    np.testing.assert_array_equal(model.parameters, expected.parameters)


def test_ctrl_c_while_a_batch_is_waited_for_strikes_at_once(points: Points) -> None:
    def batches() -> Any:
        yield points
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("it was not interrupted")

    with pytest.raises(KeyboardInterrupt):
        network().fit(batches(), epochs=1, progress=False)


def test_ctrl_c_at_the_end_waits_for_what_is_written(points: Points) -> None:
    class Writing(pynn.Callback):
        written = False

        def on_train_end(self, trainer: pynn.Trainer) -> None:
            signal.raise_signal(signal.SIGINT)
            self.written = True

    writing, last = Writing(), Recorder()
    with pytest.raises(KeyboardInterrupt, match="interrupted at its end"):
        trained(points, callbacks=[last, writing])
    assert writing.written
    assert last.seen[-1][0] == "on_train_end"
    writing.written = False
    with pytest.raises(KeyboardInterrupt, match="after step 2, in epoch 1"):
        trained(points, callbacks=[CtrlC("on_step_end", 2), writing])
    assert writing.written


def test_a_second_ctrl_c_does_not_wait(points: Points) -> None:
    class Twice(pynn.Callback):
        def on_step_begin(self, trainer: pynn.Trainer) -> None:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            raise AssertionError("it was not interrupted")

    model = network()
    with pytest.raises(KeyboardInterrupt):
        model.fit(*points, batch_size=10, progress=False, callbacks=[Twice()])
    assert model.context.step == 0


def test_somebody_elses_handler_stays(points: Points) -> None:
    presses: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: presses.append(number))
    try:
        model = trained(points, callbacks=[CtrlC("on_step_end", 2)])
    finally:
        signal.signal(signal.SIGINT, before)
    assert presses == [signal.SIGINT]
    assert model.epoch == 2
