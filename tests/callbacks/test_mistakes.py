"""Callbacks that would not do what was meant: they are refused before training, with what to do."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from scripted import Points, network

import pynn
from pynn.callbacks.base import HOOKS
from pynn.callbacks.mistakes import RENAMED


def with_hook(name: str, hook: Any = lambda self, trainer: None) -> pynn.Callback:
    return type("Own", (pynn.Callback,), {name: hook})()


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("on_batch_end", "rename it on_step_end"), ("on_epoch_start", "rename it on_epoch_begin"),
        ("on_train_start", "rename it on_train_begin"), ("on_fit_end", "rename it on_train_end"),
        ("on_train_batch_begin", "rename it on_step_begin"), ("on_validation_end", "rename it on_epoch_end"),
        ("on_whatever", "the hooks are on_train_begin, on_epoch_begin, on_step_begin, on_step_end, on_epoch_end"),
    ],
)  # fmt: skip
def test_hooks_that_nobody_calls_are_refused(name: str, right: str, points: Points, backend: str) -> None:
    model = network()
    with pytest.raises(TypeError, match=rf"Own has the method {name}, which training never calls; {right}"):
        model.fit(*points, callbacks=[with_hook(name)], progress=False)
    assert not model.built


def test_the_right_names_are_hooks() -> None:
    assert set(RENAMED.values()) <= set(HOOKS)
    assert not set(RENAMED) & set(HOOKS)


def test_a_hook_that_is_set_on_the_object_is_seen(points: Points) -> None:
    callback = pynn.Callback()
    callback.on_batch_end = lambda trainer: None  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="on_batch_end, which training never calls"):
        network().fit(*points, callbacks=[callback], progress=False)


def test_data_and_private_names_are_no_hooks(points: Points) -> None:
    class Own(pynn.Callback):
        on_top = 3

        def _on_batch_end(self) -> None: ...

    network().fit(*points, callbacks=[Own()], epochs=1, progress=False)


@pytest.mark.parametrize(
    "hook",
    [lambda self, epoch, logs=None: None, lambda self, epoch, logs: None, lambda self: None, lambda self, a, b: None],
)
def test_hooks_with_other_arguments_are_refused(hook: Any, points: Points) -> None:
    with pytest.raises(
        TypeError, match=r"Own\.on_epoch_end.* is called with the trainer alone: define it with \(train"
    ):
        network().fit(*points, callbacks=[with_hook("on_epoch_end", hook)], progress=False)


def test_hooks_with_more_that_is_optional_are_taken(points: Points) -> None:
    seen: list[Any] = []

    def hook(self: Any, trainer: pynn.Trainer, *rest: Any, quiet: bool = True) -> None:
        seen.append(trainer.epoch)

    network().fit(*points, callbacks=[with_hook("on_epoch_end", hook)], epochs=2, progress=False)
    assert seen == [1, 2]


@pytest.mark.parametrize(
    ("thing", "where"),
    [
        (pynn.ReduceOnPlateau(1e-3), r"optimizer=pynn\.Adam\(ReduceOnPlateau\(rate=0\.001\)\)"),
        (pynn.StepDecay(0.1, 2), r"optimizer=pynn\.Adam\(StepDecay"),
        (pynn.Adam(), r"optimizer=Adam\(\)"),
        (pynn.SquaredError(), r"loss=SquaredError\(\)"),
        (pynn.metrics.F1(), r"a metric is given to fit: metrics=\["),
        (pynn.L2(0.1), r"penalty=L2\(strength=0\.1\)"),
        (pynn.Flip(), r"augmentation=Flip\(\)"),
        (pynn.Standardization(), r"preprocessing=Standardization\(\)"),
        (pynn.ReLU(), r"a layer belongs in the model"),
        (pynn.EarlyStopping, r"write EarlyStopping\(\.\.\.\)"),
        ("early_stopping", r"callbacks holds 'early_stopping', expected pynn\.Callback objects"),
        (lambda: None, r"the function <lambda>\(\) is called with the trainer alone"),
        (lambda epoch, logs: None, r"the function <lambda>\(epoch, logs\) is called with the trainer alone"),
    ],
)
def test_objects_of_other_kinds_passed_as_callbacks_are_told_their_place(
    thing: Any, where: str, points: Points, backend: str
) -> None:
    for given in ([thing], thing):
        model = network()
        with pytest.raises(TypeError, match=where):
            model.fit(*points, callbacks=given, progress=False)
        assert not model.built


def test_one_callback_or_one_function_needs_no_list(points: Points, backend: str) -> None:
    seen: list[int] = []
    stopping = pynn.EarlyStopping("loss", patience=2)
    network().fit(*points, callbacks=lambda trainer: seen.append(trainer.epoch), epochs=2, progress=False)
    assert seen == [1, 2]
    network().fit(*points, callbacks=stopping, epochs=2, progress=False)
    assert stopping.best is not None
    network().fit(*points, callbacks=seen.append, epochs=1, progress=False)  # of C code
    assert len(seen) == 3
    network().fit(*points, callbacks=iter([stopping]), epochs=1, progress=False)


# Files


@pytest.mark.parametrize("name", ["best.h5", "best.keras", "best.pt", "best.pth", "BEST.H5", "runs/{epoch}.pkl"])
def test_a_model_checkpoint_tells_what_it_writes(name: str) -> None:
    with pytest.warns(UserWarning, match=r"ModelCheckpoint: path is .* but the file is written as safetensors") as seen:
        pynn.ModelCheckpoint(name)
    assert seen[0].filename == __file__


@pytest.mark.parametrize("name", ["best.safetensors", "best", "model.pynn", "{val_loss:.4f}"])
def test_other_names_are_left_alone(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pynn.ModelCheckpoint(name)
