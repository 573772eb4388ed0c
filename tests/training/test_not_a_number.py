"""Outputs and parameters that are NaN, infinite or too large: they are never taken for answers."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn

Points = tuple[np.ndarray, np.ndarray]
LABELS = ["accuracy", "top2", "precision", "recall", "f1"]
ATTRIBUTES = ["accuracy", "multilabel_accuracy", "precision", "recall", "f1"]
NUMBERS = ["mae", "r2"]


class Scaled(pynn.Layer):
    """Its inputs, where `factor` is a NaN those of some samples: what a network that overflowed gives."""

    def __init__(self, rows: int = 0, value: float = math.nan) -> None:
        self.rows, self.value = rows, value

    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        y = x.copy()
        y[: self.rows] = self.value
        return y

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return dy


def spoiled(outputs: int, loss: Any, x: np.ndarray, y: np.ndarray, rows: int) -> pynn.Sequential:
    """A model that was fitted, whose outputs for the first samples are NaN now."""
    model = pynn.Sequential(pynn.Affine(outputs), Scaled())
    model.fit(x, y, loss=loss, epochs=1, progress=False)
    model.layers[1].rows = rows
    return model


def cases(y: np.ndarray) -> dict[str, tuple[int, Any, np.ndarray, list[str]]]:
    chain = pynn.StructuredHinge
    return {
        "softmax_cross_entropy": (3, "softmax_cross_entropy", y, LABELS),
        "smoothed": (3, pynn.SoftmaxCrossEntropy(label_smoothing=0.1), y, LABELS),
        "focal": (3, "focal", y, LABELS),
        "hinge": (3, "hinge", y, LABELS),
        "squared_hinge": (3, "squared_hinge", y, LABELS),
        "binary_cross_entropy": (3, "binary_cross_entropy", np.eye(3)[y], ATTRIBUTES),
        "binary_hinge": (3, "binary_hinge", 2 * np.eye(3)[y] - 1, ATTRIBUTES),
        "structured": (3, chain(Largest()), y[:, None], ["accuracy"]),
        "l2": (3, "l2", np.eye(3)[y], NUMBERS),
        "l1": (3, "l1", np.eye(3)[y], NUMBERS),
        "huber": (3, "huber", np.eye(3)[y], NUMBERS),
    }


class Largest(pynn.Decoder):
    """A structure of one label."""

    def decode(self, outputs: np.ndarray, targets: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        gain = outputs if targets is None else outputs + (np.arange(outputs.shape[1]) != targets)
        return gain.argmax(axis=1)[:, None], gain.max(axis=1)

    def features(self, structures: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        return np.eye(outputs.shape[1], dtype=outputs.dtype)[structures[:, 0]]


NAMES = list(cases(np.zeros(3, int)))


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("rows", [1, 30])
@pytest.mark.parametrize("name", NAMES)
def test_metrics_of_outputs_that_are_nan_are_nan(name: str, rows: int, points: Points) -> None:
    outputs, loss, y, metrics = cases(points[1])[name]
    model = spoiled(outputs, loss, points[0], y, rows)
    for weights in (None, np.ones(30)):
        found = model.evaluate(points[0], y, batch_size=7, metrics=metrics, sample_weight=weights)
        assert list(found) == ["loss", *metrics]
        assert all(math.isnan(value) for value in found.values()), found
    model.layers[1].rows = 0
    assert all(math.isfinite(value) for value in model.evaluate(points[0], y, metrics=metrics).values())


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("classes", [1, 2, 3, 8, 17, 100])
@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "focal", "hinge", "squared_hinge"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_nan_wherever_it_stands_is_a_miss(classes: int, loss: str, dtype: Any) -> None:
    made = pynn.losses.loss(loss)
    for place in {0, classes // 2, classes - 1}:
        for label in {0, place, classes - 1}:
            outputs = np.zeros((3, classes), dtype)
            outputs[:, label] = 1
            outputs[1, place] = np.nan
            labels = np.full(3, label)
            value = made.forward(outputs, labels)
            assert made.correct(outputs, labels).tolist() == [True, False, True]
            if classes > 1 or "hinge" not in loss:  # with one class a hinge loss compares it with nothing
                assert math.isnan(value)
                assert made.hits is None  # `correct` is asked


@pytest.mark.parametrize("infinity", [math.inf, -math.inf])
def test_infinite_outputs_are_compared_as_ever(infinity: float, points: Points) -> None:
    x, y = points
    model = spoiled(3, None, x, y, 0)
    loss = model.loss
    outputs = np.zeros((2, 3), np.float32)
    outputs[:, 1] = infinity
    right = loss.correct(outputs, np.array([1, 0]))
    assert right.tolist() == ([True, False] if infinity > 0 else [False, True])


@pytest.mark.usefixtures("backend")
def test_a_nan_output_is_no_loss_of_0_for_structures(points: Points) -> None:
    loss = pynn.StructuredHinge(pynn.ViterbiChain())
    outputs = np.zeros((2, 5, 2), np.float32)
    outputs[0] = np.nan
    assert math.isnan(loss.forward(outputs, np.zeros((2, 3), int)))
    assert loss.correct(outputs, np.zeros((2, 3), int)).tolist() == [False, True]


@pytest.mark.usefixtures("backend")
def test_nan_in_the_nodes_of_hierarchical_softmax(points: Points) -> None:
    x, y = points
    model = pynn.Sequential(pynn.HierarchicalSoftmax(3))
    model.fit(x, y, epochs=1, progress=False)
    model.layers[0].nodes[0, 0] = np.nan
    found = model.evaluate(x, y, metrics=LABELS)
    assert all(math.isnan(value) for value in found.values()), found
    with pytest.warns(UserWarning, match=r"the outputs of 30 of 30 samples are NaN.*hierarchicalsoftmax1\.nodes holds"):
        model.predict(x)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("monitor", ["val_accuracy", "val_top2", "val_f1"])
def test_early_stopping_never_keeps_an_epoch_of_nan(monitor: str, points: Points) -> None:
    x, y = points
    model = pynn.Sequential(pynn.Affine(3), Scaled())
    model.build((4,))
    kept: list[np.ndarray] = []

    stopping = pynn.EarlyStopping(monitor, patience=2)

    class OnlyValidation(pynn.Callback):
        """NaN in validation from the second epoch on; training goes on."""

        def on_step_begin(self, trainer: pynn.Trainer) -> None:
            model.layers[1].rows = 0

        def on_step_end(self, trainer: pynn.Trainer) -> None:
            model.layers[1].rows = 1 if trainer.epoch > 0 else 0

        def on_epoch_end(self, trainer: pynn.Trainer) -> None:
            if not kept:
                kept.append(model.parameters.copy())

    history = model.fit(
        x, y, validation=(x[:20], y[:20]), metrics=["accuracy", "top2", "f1"], epochs=5, batch_size=30, progress=False,
        callbacks=[OnlyValidation(), stopping], optimizer=pynn.SGD(0.1),
    )  # fmt: skip
    assert stopping.best_epoch == 1
    assert len(history["loss"]) == 3
    assert all(math.isnan(value) for value in history[monitor][1:])
    np.testing.assert_array_equal(model.parameters, kept[0])


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("name", NAMES)
def test_predictions_from_nan_are_warned_of(name: str, points: Points) -> None:
    outputs, loss, y, _ = cases(points[1])[name]
    model = spoiled(outputs, loss, points[0], y, 2)
    with pytest.warns(UserWarning, match="the outputs of 4 of 30 samples are NaN, so predictions for them") as caught:
        model.predict(points[0], batch_size=15)
    assert len(caught) == 1
    assert caught[0].filename == __file__


# Steps that go too far ------------------------------------------------------------------------------


def normalized() -> pynn.Sequential:
    return pynn.Sequential(pynn.Affine(8), pynn.BatchNorm(), pynn.ReLU(), pynn.Affine(3))


class FarStep(pynn.SGD):
    """The step number `when` (from 1) overflows."""

    when = 0

    def step(self, model: Any) -> None:
        super().step(model)
        if self.steps == self.when or self.when == 0:
            for tensor in model.tensors().values():
                tensor[...] = np.inf


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("way", ["fit", "partial_fit", "stopped"])
def test_a_last_step_that_overflows_is_told(way: str, points: Points) -> None:
    x, y = points
    model, optimizer = normalized(), FarStep(1e30)

    class Stop(pynn.Callback):
        def on_step_end(self, trainer: pynn.Trainer) -> None:
            trainer.stop("enough")

    def train() -> None:
        if way == "partial_fit":
            model.partial_fit(x, y, optimizer=optimizer)
        elif way == "fit":
            model.fit(x, y, optimizer=optimizer, epochs=1, batch_size=30, progress=False)
        else:
            model.fit(x, y, optimizer=optimizer, epochs=1, batch_size=10, progress=False, callbacks=[Stop()])

    says = r"affine1\.weight holds inf after step 1: .* Lower the learning rate \(1e\+30\)"
    with pytest.raises(FloatingPointError, match=says) as raised:
        train()
    assert "rebuild the model or load one" in str(raised.value)


@pytest.mark.usefixtures("backend")
def test_statistics_that_overflow_are_told(points: Points) -> None:
    x, y = points
    model = normalized()
    model.build((4,))

    def spoil(trainer: pynn.Trainer) -> None:
        model.layers[1].running_var[0] = np.inf

    class Spoil(pynn.Callback):
        on_step_end = staticmethod(spoil)

    with pytest.raises(FloatingPointError, match=r"batchnorm1\.running_var holds inf after step"):
        model.fit(x, y, epochs=1, progress=False, callbacks=[Spoil()])


def test_state_of_a_custom_layer_may_be_infinite(points: Points) -> None:
    class Least(pynn.Layer):
        def build(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
            self.add_state("least", np.inf)
            return input_shape

        def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
            return x

        def backward(self, dy: np.ndarray) -> np.ndarray:
            return dy

    model = pynn.Sequential(Least(), pynn.Affine(3))
    assert len(model.fit(*points, epochs=2, progress=False)["loss"]) == 2


@pytest.mark.usefixtures("backend")
def test_terminate_on_nan_ends_quietly_after_such_a_step(points: Points) -> None:
    model = normalized()
    history = model.fit(
        *points, optimizer=FarStep(1e30), epochs=3, batch_size=30, progress=False, callbacks=[pynn.TerminateOnNaN()]
    )
    assert history.stopped.startswith("affine1.weight holds inf after step 1")


@pytest.mark.usefixtures("backend")
def test_early_stopping_goes_back_before_such_a_step(points: Points) -> None:
    x, y = points
    model, optimizer = normalized(), FarStep(0.1)
    optimizer.when = 2
    with pytest.raises(FloatingPointError, match="after step 2"):
        model.fit(
            x, y, optimizer=optimizer, epochs=3, batch_size=30, progress=False, validation=(x, y),
            callbacks=[pynn.EarlyStopping()],
        )  # fmt: skip
    assert np.isfinite(model.parameters).all()


def test_a_checkpoint_is_not_written_of_such_a_step(tmp_path: Path, points: Points) -> None:
    optimizer = FarStep(0.1)
    optimizer.when = 2
    model = normalized()
    with pytest.raises(FloatingPointError):
        model.fit(*points, optimizer=optimizer, epochs=3, batch_size=30, progress=False, checkpoint=tmp_path / "run")
    assert [file.name for file in (tmp_path / "run").iterdir()] == ["checkpoint-00000001.safetensors"]


@pytest.mark.usefixtures("fake_mnist")
def test_the_command_line_writes_no_model_of_such_a_step(run: Callable[..., tuple[int, list[str], list[str]]]) -> None:
    code, _, err = run("train", "mnist", "--learning-rate", "1e38", "--epochs", 1, "--batch-size", 80, "--data", "data")
    assert code != 0
    assert "went too far" in " ".join(err)
    assert not Path("mnist.safetensors").exists()


@pytest.mark.usefixtures("backend")
def test_the_error_says_when_an_earlier_step_went_too_far(points: Points) -> None:
    x, y = points
    model, loss, optimizer = normalized(), pynn.SoftmaxCrossEntropy(), FarStep(1e30)
    model.train_step(x, y, loss, optimizer)
    with (
        pytest.raises(
            FloatingPointError,
            match=r"before this step, where affine1\.weight holds inf already: an earlier step went too",
        ),
        np.errstate(invalid="ignore"),
    ):
        model.train_step(x, y, loss, optimizer)


# A step that fails changes nothing ------------------------------------------------------------------


def state(model: pynn.Sequential) -> dict[str, np.ndarray]:
    return {name: array.copy() for name, array in model.tensors().items()}


def expect_same(model: pynn.Sequential, before: dict[str, np.ndarray]) -> None:
    for name, array in model.tensors().items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


class Failing(pynn.Layer):
    armed = False

    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        if self.armed:
            raise KeyboardInterrupt if self.armed == "interrupt" else ZeroDivisionError
        return x

    def backward(self, dy: np.ndarray) -> np.ndarray:
        if self.armed == "back":
            raise ZeroDivisionError
        return dy


@pytest.mark.usefixtures("backend")
def test_a_batch_that_the_second_batchnorm_refuses_moves_nothing(rng: np.random.Generator) -> None:
    model = pynn.Sequential(
        pynn.Conv2d(4), pynn.BatchNorm(), pynn.ReLU(), pynn.Residual(pynn.Conv2d(4), pynn.BatchNorm()),
        pynn.GlobalAvgPool2d(), pynn.BatchNorm(), pynn.Affine(2),
    )  # fmt: skip
    x = rng.normal(size=(4, 6, 6, 3)).astype(np.float32)
    y = np.array([0, 1, 0, 1])
    model.fit(x, y, epochs=1, progress=False)
    before, loss, optimizer = state(model), pynn.SoftmaxCrossEntropy(), pynn.SGD(0.1)
    with pytest.raises(ValueError, match="batch of 1 sample has no variance"):
        model.forward(x[:1], training=True)
    expect_same(model, before)
    with pytest.raises(ValueError, match="batch of 1 sample has no variance"):
        model.train_step(x[:1], y[:1], loss, optimizer)
    expect_same(model, before)
    model.train_step(x, y, loss, optimizer)
    assert not np.array_equal(state(model)["batchnorm1.running_mean"], before["batchnorm1.running_mean"])


@pytest.mark.usefixtures("backend")
def test_a_step_that_fails_anywhere_moves_no_statistics(points: Points) -> None:
    x, y = points
    failing = Failing()
    model = pynn.Sequential(pynn.Affine(8), pynn.BatchNorm(), failing, pynn.ReLU(), pynn.Affine(3))
    model.fit(x, y, epochs=1, progress=False)
    before, loss, optimizer = state(model), pynn.SoftmaxCrossEntropy(), pynn.SGD(0.1)
    for armed, error in ((True, ZeroDivisionError), ("interrupt", KeyboardInterrupt), ("back", ZeroDivisionError)):
        failing.armed = armed
        with pytest.raises(error):
            model.train_step(x, y, loss, optimizer)
        expect_same(model, before)
    failing.armed = False
    with pytest.raises(ValueError, match="expected"):
        model.train_step(x, y + 3, loss, optimizer)  # no such labels
    expect_same(model, before)
    with pytest.raises(FloatingPointError, match="the loss is"):
        model.train_step(x, np.zeros((30, 3)), Infinite(), optimizer)
    expect_same(model, before)
    clipping = pynn.SGD(0.1, clip_norm=1.0)
    with pytest.raises(FloatingPointError, match="the norm of the gradients is"):
        model.train_step(x, np.zeros((30, 3)), InfiniteSlope(), clipping)
    expect_same(model, before)


class Infinite(pynn.Loss):
    def forward(self, outputs: np.ndarray, targets: np.ndarray) -> float:
        return math.inf


class InfiniteSlope(pynn.Loss):
    def forward(self, outputs: np.ndarray, targets: np.ndarray) -> float:
        self.shape = outputs.shape
        return 1.0

    def backward(self) -> np.ndarray:
        return np.full(self.shape, np.nan)


@pytest.mark.usefixtures("backend")
def test_statistics_of_copies_and_new_heads_are_followed(points: Points) -> None:
    import copy

    x, y = points
    model = normalized()
    model.fit(x, y, epochs=1, progress=False)
    twin = copy.deepcopy(model).replace_head(pynn.BatchNorm(), pynn.Affine(3))
    for one in (model, twin):
        one.freeze(0)
        before = state(one)
        with pytest.raises(ValueError, match="expected"):
            one.train_step(x, y + 3, pynn.SoftmaxCrossEntropy(), pynn.SGD(0.1))
        expect_same(one, before)


@pytest.mark.usefixtures("backend")
def test_a_step_of_several_batches_that_fails_moves_no_statistics(points: Points) -> None:
    x, y = points
    model = normalized()
    model.fit(x, y, epochs=1, progress=False)
    before = state(model)

    class Batches:
        def __init__(self, last: Any) -> None:
            self.last = last

        def __iter__(self) -> Any:
            yield x[:10], y[:10]
            yield self.last

    with pytest.raises(ValueError, match="batch of 1 sample has no variance"):
        model.fit(Batches((x[:1], y[:1])), accumulate=2, epochs=1, progress=False)
    expect_same(model, before)


@pytest.mark.usefixtures("backend")
def test_nan_at_one_place_of_a_sequence(rng: np.random.Generator) -> None:
    loss = pynn.SoftmaxCrossEntropy()
    outputs, labels = np.zeros((2, 4, 3), np.float32), np.zeros((2, 4), int)
    outputs[..., 0] = 1
    outputs[0, 2, 1] = np.nan
    assert math.isnan(loss.forward(outputs, labels))
    assert loss.hits is None
    assert loss.correct(outputs, labels).tolist() == [[True, True, False, True], [True] * 4]
    x = rng.normal(size=(6, 4, 5)).astype(np.float32)
    y = rng.integers(0, 3, (6, 4))
    model = pynn.Sequential(pynn.Affine(3), Scaled())
    model.fit(x, y, epochs=1, progress=False)
    model.layers[1].rows = 1
    found = model.evaluate(x, y, metrics=LABELS)
    assert all(math.isnan(value) for value in found.values()), found
