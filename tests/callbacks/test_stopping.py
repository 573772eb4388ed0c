"""EarlyStopping, TerminateOnNaN, ModelCheckpoint, CSVLogger, LearningRateSchedule; names of measurements."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn

Points = tuple[np.ndarray, np.ndarray]


def network(**settings: Any) -> pynn.Sequential:
    return pynn.Sequential(pynn.Affine(8), pynn.BatchNorm(), pynn.ReLU(), pynn.Affine(3), **settings)


class Scripted(pynn.Callback):
    """Puts numbers of its own in the place of a measurement, before the callbacks after it see them."""

    def __init__(self, values: list[float], name: str = "val_loss") -> None:
        self.values, self.name = values, name

    def on_epoch_end(self, trainer: pynn.Trainer) -> None:
        trainer.values[self.name] = self.values[trainer.history.epochs - 1]


class Snapshots(pynn.Callback):
    """All tensors after each epoch."""

    def __init__(self) -> None:
        self.tensors: list[dict[str, np.ndarray]] = []

    def on_epoch_end(self, trainer: pynn.Trainer) -> None:
        self.tensors.append({name: array.copy() for name, array in trainer.model.tensors().items()})


def run(points: Points, *callbacks: Any, epochs: int = 10, **settings: Any) -> pynn.Sequential:
    model = network()
    model.fit(
        *points, **{"validation": points, "epochs": epochs, "batch_size": 10, "progress": False, **settings},
        callbacks=callbacks,
    )  # fmt: skip
    return model


# EarlyStopping ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "settings", "epochs", "best"),
    [
        ([3, 2, 1, 1, 1, 0], {"patience": 2}, 5, 3),  # as large as the best is no improvement
        ([3, 2, 1, 2, 0.5, 1, 1, 1], {"patience": 3}, 8, 5),
        ([1, 0.95, 0.91, 0.85, 0.8, 0.7], {"patience": 2, "min_delta": 0.1}, 3, 1),
        ([1, 0.95, 0.85, 0.8, 0.74, 0.7], {"patience": 2, "min_delta": 0.1}, 6, 5),
        ([1, math.nan, math.nan, 0], {"patience": 2}, 3, 1),
        ([math.nan, math.nan, 0], {"patience": 2}, 2, None),
        ([math.inf, 5, 6, 6], {"patience": 2}, 4, 2),
        ([1, 2, 2, 1, 3], {"patience": 2, "mode": "max"}, 4, 2),
        ([6, 5, 4, 3], {"patience": 9}, 4, 4),
    ],
)
def test_early_stopping_stops_when_nothing_gets_better(
    values: list[float], settings: dict[str, Any], epochs: int, best: int | None, points: Points
) -> None:
    stopping, kept = pynn.EarlyStopping(**settings), Snapshots()
    model = run(points, Scripted(values), kept, stopping, epochs=len(values))
    assert model.epoch == len(kept.tensors) == epochs
    assert stopping.best_epoch == best
    assert stopping.best == (None if best is None else values[best - 1])
    expected = kept.tensors[(best or epochs) - 1]
    for name, tensor in model.tensors().items():
        np.testing.assert_array_equal(tensor, expected[name])
    assert model.history is not None
    stopped = model.history.stopped
    assert (stopped is None) == (stopping.waited < settings["patience"])
    if stopped and best is not None:
        assert f"val_loss has not improved for {settings['patience']} epochs (best: " in stopped


@pytest.mark.parametrize(
    ("values", "settings", "epochs", "best"),
    [
        ([3, 1, 1, 2, 1, 2], {}, 6, 5),
        ([3, 1, 1, 2, 1, 2], {"ties": "first"}, 6, 2),
        ([3, 1, 1, 2, 1, 0], {"patience": 2}, 4, 3),  # patience counts since the first of the two
        ([3, 1, 1, 2, 1, 0], {"patience": 3}, 5, 5),
        ([3, 2.9, 3, 2.8, 2.9], {"min_delta": 0.5}, 5, 3),  # only equal numbers are ties
        ([1, 2, 2, 1], {"mode": "max"}, 4, 3),
        ([math.nan, math.inf, math.inf], {}, 3, None),
    ],
)
def test_ties_last_takes_the_newest_of_equal_epochs(
    values: list[float], settings: dict[str, Any], epochs: int, best: int | None, points: Points
) -> None:
    stopping, kept = pynn.EarlyStopping(**{"ties": "last", "patience": 9, **settings}), Snapshots()
    model = run(points, Scripted(values), kept, stopping, epochs=len(values))
    assert (model.epoch, stopping.best_epoch) == (epochs, best)
    for name, tensor in model.tensors().items():
        np.testing.assert_array_equal(tensor, kept.tensors[(best or epochs) - 1][name])


def test_without_patience_it_never_stops_but_restores_the_best(points: Points) -> None:
    stopping, kept = pynn.EarlyStopping(patience=None), Snapshots()
    model = run(points, Scripted([3, 1, *range(2, 12)]), kept, stopping, epochs=12)
    assert (model.epoch, stopping.best_epoch, stopping.waited) == (12, 2, 10)
    assert model.history is not None
    assert model.history.stopped is None
    for name, tensor in model.tensors().items():
        np.testing.assert_array_equal(tensor, kept.tensors[1][name])
    with pytest.raises(ValueError, match=r"EarlyStopping\(patience=None, restore_best=False\) does nothing"):
        pynn.EarlyStopping(patience=None, restore_best=False)
    with pytest.raises(ValueError, match="EarlyStopping: ties is 'newest', expected one of first, last"):
        pynn.EarlyStopping(ties="newest")


def test_without_patience_a_resumed_run_restores_the_best_of_both_parts(points: Points, tmp_path: Path) -> None:
    options: dict[str, Any] = {"checkpoint": tmp_path}
    values, kept = [3, 1, 2, 1], Snapshots()
    stopping = pynn.EarlyStopping(patience=None, restore_best=True, ties="last")
    run(points, Scripted(values[:2]), stopping, epochs=2, **options)
    again = pynn.EarlyStopping(patience=None, ties="last")
    model = run(points, Scripted(values), kept, again, epochs=4, resume=True, **options)
    assert (model.epoch, again.best_epoch, again.waited) == (4, 4, 2)
    for name, tensor in model.tensors().items():
        np.testing.assert_array_equal(tensor, kept.tensors[-1][name])


def test_mode_auto_knows_which_measurements_should_grow(points: Points) -> None:
    for name in ("accuracy", "val_accuracy"):
        stopping = pynn.EarlyStopping(name, patience=2)
        model = run(points, Scripted([0.5, 0.6, 0.4, 0.3, 0.9], name), stopping, epochs=5)
        assert (model.epoch, stopping.best_epoch) == (4, 2)


def test_without_restore_best_the_last_weights_stay(points: Points) -> None:
    kept = Snapshots()
    model = run(points, Scripted([1, 2, 3, 4]), kept, pynn.EarlyStopping(patience=3, restore_best=False), epochs=4)
    for name, tensor in model.tensors().items():
        np.testing.assert_array_equal(tensor, kept.tensors[-1][name])


def test_the_best_weights_come_back_whatever_ended_the_run(points: Points) -> None:
    class Ending(pynn.Callback):
        def __init__(self, error: BaseException | None) -> None:
            self.error = error

        def on_step_end(self, trainer: pynn.Trainer) -> None:
            if trainer.step == 11:
                if self.error is not None:
                    raise self.error
                trainer.stop("enough")

    for error in (KeyboardInterrupt("x"), RuntimeError("x"), None):
        kept, model = Snapshots(), network()
        settings = {"validation": points, "epochs": 9, "batch_size": 10, "progress": False}
        callbacks = [Scripted([2, 1, 3, 4]), kept, pynn.EarlyStopping(), Ending(error)]
        if error is None:
            model.fit(*points, **settings, callbacks=callbacks)
        else:
            with pytest.raises(type(error)):
                model.fit(*points, **settings, callbacks=callbacks)
        assert model.epoch == 3
        for name, tensor in model.tensors().items():
            np.testing.assert_array_equal(tensor, kept.tensors[1][name])


def test_every_run_begins_afresh(points: Points) -> None:
    stopping, model = pynn.EarlyStopping(patience=2), network()
    settings = {"validation": points, "epochs": 3, "batch_size": 10, "progress": False}
    model.fit(*points, **settings, callbacks=[Scripted([1, 2, 3]), stopping])
    model.fit(*points, **settings, callbacks=[Scripted([9, 8, 7]), stopping])
    assert (stopping.best, stopping.best_epoch, model.epoch) == (7, 6, 6)


# Names --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("callback", "settings", "message"),
    [
        (lambda: pynn.EarlyStopping(), {"validation": None}, r"EarlyStopping reads val_loss, which needs validation="),
        (
            lambda: pynn.EarlyStopping("val_acc", mode="max"),
            {},
            r"EarlyStopping reads val_acc, which is not measured; there are loss, accuracy, .*val_loss, val_accuracy",
        ),
        (
            lambda: pynn.ModelCheckpoint("x", save_best_only=True),
            {"validation": None},
            r"ModelCheckpoint reads val_loss, which needs",
        ),
        (
            lambda: pynn.EarlyStopping("accuracy"),
            {"loss": "l2", "y": np.zeros((30, 3))},
            r"EarlyStopping reads accuracy, which is not measured; there are loss, data_loss",
        ),
    ],
)
def test_a_measurement_that_will_not_come_is_refused_before_training(
    callback: Any, settings: dict[str, Any], message: str, points: Points
) -> None:
    model = network()
    y = settings.pop("y", points[1])
    with pytest.raises(ValueError, match=message):
        model.fit(points[0], y, **{"validation": (points[0], y), "progress": False, **settings}, callbacks=[callback()])
    assert not model.built


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: pynn.EarlyStopping(patience=0),
            ValueError,
            r"EarlyStopping: patience is 0, expected an integer of at",
        ),
        (lambda: pynn.EarlyStopping(min_delta=-1), ValueError, r"EarlyStopping: min_delta is -1, expected"),
        (
            lambda: pynn.EarlyStopping(mode="down"),
            ValueError,
            r"EarlyStopping: mode is 'down', expected one of auto",
        ),
        (
            lambda: pynn.EarlyStopping("val_auc"),
            ValueError,
            r"not known whether lower or higher is better for val_auc; pass mode=",
        ),
        (lambda: pynn.EarlyStopping(3), TypeError, r"EarlyStopping: monitor is 3, expected the name of a measurement"),
        (lambda: pynn.ModelCheckpoint("x", every=0), ValueError, r"ModelCheckpoint: every is 0, expected an integer"),
        (
            lambda: pynn.ModelCheckpoint("x", mode="down"),
            ValueError,
            r"ModelCheckpoint: mode is 'down', expected one of auto",
        ),
        (lambda: pynn.LearningRateSchedule(0.1), TypeError, r"schedule is 0\.1, expected a function or a pynn\.Sched"),
        (
            lambda: pynn.LearningRateSchedule(pynn.ReduceOnPlateau(0.1)),
            ValueError,
            r"ReduceOnPlateau\(rate=0\.1\) listens to measurements; give it to the optimizer",
        ),
    ],
)
def test_settings_are_checked(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


# TerminateOnNaN -----------------------------------------------------------------------------------


def test_a_run_that_diverges_ends_quietly_with_finite_parameters(points: Points) -> None:
    settings = {"optimizer": pynn.SGD(1e30), "epochs": 50, "batch_size": 10, "progress": False}
    model = pynn.Sequential(pynn.Affine(8), pynn.ReLU(), pynn.Affine(3))
    history = model.fit(*points, **settings, callbacks=[pynn.TerminateOnNaN()])
    assert history.stopped is not None
    assert history.stopped.startswith("the loss is ")
    assert np.isfinite(model.parameters).all()


def test_a_measurement_that_is_no_number_ends_the_run(points: Points) -> None:
    model = run(points, Scripted([1, math.nan, 1]), pynn.TerminateOnNaN(), epochs=3)
    assert model.epoch == 2
    assert model.history.stopped == "val_loss is nan"  # type: ignore[union-attr]


def test_other_errors_stay_errors(points: Points) -> None:
    def fail(trainer: pynn.Trainer) -> None:
        raise RuntimeError("another")

    with pytest.raises(RuntimeError, match="another"):
        run(points, pynn.TerminateOnNaN(), fail)


# Files --------------------------------------------------------------------------------------------


def test_the_model_is_saved_after_each_epoch(points: Points, tmp_path: Path) -> None:
    kept = Snapshots()
    saver = pynn.ModelCheckpoint(tmp_path / "{epoch:02d}-{val_accuracy:.2f}.safetensors", every=2)
    model = run(points, kept, saver, epochs=5)
    assert [path.name[:3] for path in sorted(tmp_path.iterdir())] == ["02-", "04-"]
    for path, epoch in zip(sorted(tmp_path.iterdir()), (2, 4), strict=True):
        loaded = pynn.load(path)
        assert loaded.epoch == epoch
        for name, tensor in loaded.tensors().items():
            np.testing.assert_array_equal(tensor, kept.tensors[epoch - 1][name])
    assert f"{model.history['val_accuracy'][3]:.2f}" in sorted(tmp_path.iterdir())[1].name  # type: ignore[index]


def test_only_the_best_model_is_saved(points: Points, tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    run(points, Scripted([3, 1, 2, 0.5, 0.6]), pynn.ModelCheckpoint(path, save_best_only=True), epochs=5)
    assert pynn.load(path).epoch == 4
    run(points, Scripted([3, 1]), pynn.ModelCheckpoint(str(path)), epochs=2, validation=None)
    assert pynn.load(path).epoch == 2


def test_a_folder_that_is_not_there_is_found_before_training(points: Points, tmp_path: Path) -> None:
    def never(trainer: pynn.Trainer) -> None:
        raise AssertionError("it trained")

    for callback in (pynn.ModelCheckpoint(tmp_path / "no" / "x"), pynn.CSVLogger(tmp_path / "no" / "x")):
        with pytest.raises(FileNotFoundError, match="no"):
            run(points, callback, never)


def test_a_field_that_is_not_measured_lists_those_that_are(points: Points, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"its fields may be epoch, loss, accuracy, val_loss, val_accuracy"):
        run(points, pynn.ModelCheckpoint(tmp_path / "{f1}.safetensors"))


def test_the_table_holds_the_history(points: Points, tmp_path: Path) -> None:
    model, path = network(), tmp_path / "run.csv"
    settings = {"validation": points, "batch_size": 10, "progress": False, "callbacks": [pynn.CSVLogger(path)]}
    for first, epochs in ((0, 3), (3, 2)):  # the second run begins anew, and counts on
        history = model.fit(*points, epochs=epochs, **settings)
        with open(path, newline="") as file:
            rows = list(csv.DictReader(file))
        assert list(rows[0]) == ["epoch", *history]
        assert [int(row["epoch"]) for row in rows] == [first + 1 + number for number in range(epochs)]
        for name, values in history.items():
            assert [float(row[name]) for row in rows] == values


# LearningRateSchedule -----------------------------------------------------------------------------


def test_the_rate_follows_a_function_of_the_epoch(points: Points) -> None:
    model = network()
    callbacks = [pynn.LearningRateSchedule(lambda epoch: 0.1 / (1 + epoch))]
    settings = {"batch_size": 10, "progress": False, "callbacks": callbacks}
    assert model.fit(*points, epochs=3, **settings)["learning_rate"] == [0.1, 0.05, 0.1 / 3]
    assert model.fit(*points, epochs=1, **settings)["learning_rate"] == [0.1]
    steps = run(points, pynn.LearningRateSchedule(pynn.StepDecay(0.2, 2, 0.5)), epochs=4).history
    assert steps["learning_rate"] == [0.2, 0.2, 0.1, 0.1]  # type: ignore[index]


def test_two_schedules_of_one_optimizer_are_refused(points: Points) -> None:
    with pytest.raises(ValueError, match="already has a schedule; use only one of the two"):
        run(points, pynn.LearningRateSchedule(lambda epoch: 0.1), optimizer=pynn.SGD(pynn.LinearDecay(0.1, 3)))
