"""Schedules of weight decay and of dropout: the rates of each step, custom loops, files, resumed runs, bad input."""

from __future__ import annotations

import copy
import json
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from resumed_runs import Data, Killed, KilledAt, assert_same, fit

import pynn

Points = tuple[np.ndarray, np.ndarray]
Made = Callable[[Any], pynn.Layer]


@pytest.fixture
def points(rng: np.random.Generator) -> Points:
    x = rng.standard_normal((30, 4)).astype(np.float32)
    return x, (x[:, 0] > 0).astype(np.int64)


class Halving(pynn.Schedule):
    """A user's own schedule."""

    def __init__(self, rate: float) -> None:
        self.rate = rate

    def at(self, epoch: float) -> float:
        return float(self.rate * 0.5**epoch)


def network(*noise: pynn.Layer, **settings: Any) -> pynn.Sequential:
    return pynn.Sequential(pynn.Affine(8), pynn.ReLU(), *noise, pynn.Affine(2), **settings)


def noted(optimizer: pynn.Optimizer) -> list[float]:
    """The weight decay of each call of `update` from now on."""
    decays: list[float] = []
    update = optimizer.update

    def noting(parameters: np.ndarray, gradients: np.ndarray) -> None:
        decays.append(optimizer.effective_weight_decay)
        update(parameters, gradients)

    optimizer.update = noting  # type: ignore[method-assign]
    return decays


# Weight decay -------------------------------------------------------------------------------------


def test_fit_sets_the_weight_decay_before_every_step(points: Points) -> None:
    optimizer = pynn.AdamW(1e-2, weight_decay=pynn.LinearDecay(0.8, 4), decay_biases=True)
    decays, model = noted(optimizer), network()
    history = model.fit(*points, optimizer=optimizer, epochs=2, batch_size=15, progress=False)
    model.fit(*points, epochs=3, batch_size=15, progress=False)
    assert decays == pytest.approx([0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0, 0])
    assert history["learning_rate"] == [1e-2, 1e-2]


@pytest.mark.parametrize("kind", pynn.optimizers.OPTIMIZERS.values())
def test_every_optimizer_follows_a_schedule_of_its_weight_decay(kind: type[pynn.Optimizer], points: Points) -> None:
    """As a custom loop does that sets the number before each step; biases do not decay."""
    scheduled, by_hand = network(), network()
    options = {"epochs": 3, "batch_size": 10, "progress": False}
    scheduled.fit(*points, optimizer=kind(0.01, weight_decay=Halving(0.5)), **options)
    optimizer, loss = kind(0.01, weight_decay=0.5), pynn.SoftmaxCrossEntropy()
    by_hand.build((4,))
    for epoch in range(3):
        for i, batch in enumerate(pynn.batches(*points, 10, seed=0, epoch=epoch)):
            optimizer.weight_decay = Halving(0.5)(epoch + i / 3)
            by_hand.train_step(*batch, loss, optimizer)
    np.testing.assert_array_equal(scheduled.parameters, by_hand.parameters)
    constant = network()
    constant.fit(*points, optimizer=kind(0.01, weight_decay=0.5), **options)
    assert not np.array_equal(constant.parameters, scheduled.parameters)


def test_the_weight_decay_reads_as_a_number_and_may_be_set() -> None:
    optimizer = pynn.AdamW(1e-3, weight_decay=pynn.FlatCosine(0.02, epochs=256))
    text = "AdamW(weight_decay=FlatCosine(rate=0.02, epochs=256))"
    assert optimizer.weight_decay == 0.02
    assert repr(optimizer) == text
    assert repr(eval(text, vars(pynn))) == text
    optimizer.set_epoch(192)
    assert optimizer.weight_decay == pytest.approx(0.01)
    for twin in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        assert repr(twin) == text
        assert twin.weight_decay == optimizer.weight_decay
    optimizer.weight_decay = 0.5
    optimizer.set_epoch(256)
    assert optimizer.weight_decay == 0.5
    assert not optimizer.scheduled
    assert repr(optimizer) == "AdamW(weight_decay=0.5)"


def test_both_rates_count_the_same_epochs_anew_when_a_schedule_is_assigned(points: Points) -> None:
    optimizer = pynn.SGD(pynn.LinearDecay(1e-3, 4), weight_decay=pynn.LinearDecay(1, 4), decay_biases=True)
    decays, model = noted(optimizer), network()
    options = {"epochs": 2, "batch_size": 30, "progress": False}
    model.fit(*points, optimizer=optimizer, **options)
    optimizer.weight_decay = pynn.LinearDecay(2, 4)
    history = model.fit(*points, **options)
    assert decays == [1, 0.75, 2, 1.5]
    assert history["learning_rate"] == [1e-3, 0.75e-3]


def test_a_custom_loop_must_set_the_epoch_of_the_weight_decay(points: Points) -> None:
    model, loss, optimizer = network(), pynn.SoftmaxCrossEntropy(), pynn.SGD(0.1, weight_decay=Halving(0.5))
    model.fit(*points, optimizer=optimizer, epochs=1, batch_size=30, progress=False)
    message = r"SGD follows Halving\(rate=0\.5\), which counts epochs: in a custom training loop, call optimizer\.set_"
    with pytest.raises(RuntimeError, match=message):
        model.train_step(*points, loss, optimizer)
    optimizer.set_epoch(1.5)
    model.train_step(*points, loss, optimizer)
    optimizer.learning_rate = 0.05  # a number: the epoch stays set
    model.train_step(*points, loss, optimizer)
    assert optimizer.weight_decay == 0.5 * 0.5**1.5


@pytest.mark.parametrize("copying", [copy.deepcopy, lambda both: pickle.loads(pickle.dumps(both))])
@pytest.mark.parametrize("settings", [{"learning_rate": pynn.CosLog(0.1, 4)}, {"weight_decay": Halving(0.5)}])
def test_a_copy_must_set_the_epoch_again(settings: dict[str, Any], copying: Any, points: Points) -> None:
    """Its rates are those of the last step, which is not where a loop that goes on with it need be."""
    optimizer = pynn.SGD(**{"learning_rate": 0.1, **settings})
    model, loss = network(), pynn.SoftmaxCrossEntropy()
    model.build((4,))
    optimizer.set_epoch(0.5)
    model.train_step(*points, loss, optimizer)
    other, twin = copying((model, optimizer))
    with pytest.raises(
        RuntimeError, match=r"which counts epochs: in a custom training loop, call optimizer\.set_epoch"
    ):
        other.train_step(*points, loss, twin)
    for one, driver in ((model, optimizer), (other, twin)):
        driver.set_epoch(1.5)
        one.train_step(*points, loss, driver)
    np.testing.assert_array_equal(other.parameters, model.parameters)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-1, "SGD: weight_decay is -1, expected a finite number of at least 0"),
        (float("nan"), "SGD: weight_decay is nan"),
        ("0.1", r"SGD: weight_decay is '0\.1', expected"),
        (pynn.FlatCosine, "SGD: weight_decay is <class"),
        (pynn.ReduceOnPlateau(0.1), r"SGD: weight_decay is ReduceOnPlateau\(rate=0\.1\), which reads measurements"),
        (pynn.Warmup(pynn.ReduceOnPlateau(0.1), 1), "which reads measurements: it can set a learning rate only"),
    ],
    ids=str,
)
def test_bad_weight_decays_are_refused(value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pynn.SGD(0.1, weight_decay=value)
    optimizer = pynn.SGD(0.1, weight_decay=0.5)
    with pytest.raises(ValueError, match=message):
        optimizer.weight_decay = value
    assert optimizer.weight_decay == 0.5


# Dropout ------------------------------------------------------------------------------------------

DROPPING: dict[str, Made] = {
    "Dropout": lambda rate: pynn.Dropout(rate),
    "SpatialDropout": lambda rate: pynn.Sequential(pynn.Reshape(4, 2), pynn.SpatialDropout(rate), pynn.Flatten()),
    "DropConnect": lambda rate: pynn.DropConnect(6, rate),
}


def dropping(model: pynn.Sequential) -> Any:
    return next(layer for layer in model.walk() if hasattr(layer, "rate"))


@pytest.mark.parametrize("kind", DROPPING)
@pytest.mark.parametrize("accumulate", [1, 2])
def test_fit_drops_by_the_rate_of_the_epoch(kind: str, accumulate: int, points: Points, backend: str) -> None:
    """As with a layer whose number a callback sets before each step; from epoch 2 on nothing is dropped."""
    schedule = pynn.LinearDecay(0.75, 2)

    class ByHand(pynn.Callback):
        def on_step_begin(self, trainer: pynn.Trainer) -> None:
            dropping(trainer.model).rate = schedule(trainer.epoch + trainer.batch / trainer.batches)

    options = {"epochs": 3, "batch_size": 8, "progress": False, "accumulate": accumulate}
    scheduled, by_hand, constant = (network(DROPPING[kind](rate)) for rate in (schedule, 0.75, 0.75))
    scheduled.fit(*points, **options)
    by_hand.fit(*points, callbacks=[ByHand()], **options)
    constant.fit(*points, **options)
    np.testing.assert_array_equal(scheduled.parameters, by_hand.parameters)
    assert not np.array_equal(scheduled.parameters, constant.parameters)
    assert dropping(scheduled).rate is schedule


def test_a_new_optimizer_begins_the_schedules_of_layers_too(points: Points) -> None:
    epochs: list[float] = []
    model = network(pynn.Dropout(Halving(0.5)))

    def note(trainer: pynn.Trainer) -> None:
        epochs.append(trainer.model.context.epoch)

    options = {"epochs": 2, "batch_size": 15, "progress": False, "callbacks": [note]}
    model.fit(*points, **options)
    model.fit(*points, **options)
    model.fit(*points, optimizer="sgd", **options)
    assert epochs == [0.5, 1.5, 2.5, 3.5, 0.5, 1.5]
    assert model.context.epoch is None


@pytest.mark.parametrize("kind", DROPPING)
def test_a_second_run_without_its_dropout_is_warned_of_once(kind: str, points: Points) -> None:
    model = network(DROPPING[kind](pynn.FlatCosine(0.5, 2)))
    options: dict[str, Any] = {"batch_size": 10, "progress": False}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(*points, optimizer=pynn.SGD(0.1), epochs=1, **options)
        model.fit(*points, epochs=3, **options)  # the schedule ends in the middle of this one, as planned
    said = r"the rate of \w+ is 0 in this run: FlatCosine\(.*\) has ended.*pass a new optimizer"
    for change in (lambda: None, lambda: setattr(dropping(model), "rate", pynn.LinearDecay(0.5, 3))):
        change()  # also a new schedule counts from the optimizer's first run
        with pytest.warns(UserWarning, match=said.replace("FlatCosine", type(dropping(model).rate).__name__)) as seen:
            model.fit(*points, epochs=3, **options)
        assert len(seen) == 1
        assert dropping(model)._rate == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(*points, optimizer=pynn.SGD(0.1), epochs=1, **options)
    assert dropping(model)._rate > 0


def test_a_second_run_without_its_weight_decay_is_warned_of_once(points: Points) -> None:
    model = network(*(pynn.Dropout(pynn.FlatCosine(0.5, 2)) for _ in range(4)))
    optimizer = pynn.AdamW(0.01, weight_decay=pynn.LinearDecay(0.1, 2))
    options: dict[str, Any] = {"batch_size": 10, "progress": False}
    model.fit(*points, optimizer=optimizer, epochs=2, **options)
    said = r"the weight decay, the rate of dropout1, the rate of dropout2 and 2 more are 0 in this run: LinearDecay\("
    with pytest.warns(UserWarning, match=said) as seen:
        model.fit(*points, epochs=2, **options)
    assert len(seen) == 1
    optimizer.weight_decay = pynn.LinearDecay(0.1, 2)  # with it all schedules begin anew
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(*points, epochs=2, **options)


def test_rates_that_have_not_ended_are_not_warned_of(points: Points) -> None:
    """The end of a decay above 0, a schedule without an end, and a rate that is 0 for a moment."""
    for schedule in (
        pynn.LinearDecay(0.5, 1, end=0.1),
        Halving(0.5),
        pynn.CosineRestarts(0.5, 2),
        pynn.Cyclic(0, 1, 2),
    ):
        model = network()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for _ in range(3):
                model.fit(*points, optimizer=model.optimizer or pynn.SGD(0.1, weight_decay=schedule), epochs=2,
                          batch_size=10, progress=False)  # fmt: skip


class Pause(pynn.Schedule):
    """0 in the third epoch alone."""

    def at(self, epoch: float) -> float:
        return 0.0 if 2 <= epoch < 3 else 0.3


def test_a_rate_that_comes_back_within_the_run_is_not_warned_of(points: Points) -> None:
    model = network(pynn.Dropout(Pause()))
    options: dict[str, Any] = {"batch_size": 10, "progress": False}
    model.fit(*points, optimizer=pynn.SGD(0.1), epochs=2, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(*points, epochs=0, **options)
        model.fit(*points, epochs=3, **options)
    model.fit(*points, optimizer=pynn.SGD(0.1), epochs=2, **options)
    with pytest.warns(UserWarning, match="is 0 in this run"):
        model.fit(*points, epochs=1, **options)


def test_a_rate_of_learning_that_has_ended_is_warned_of_alone(points: Points) -> None:
    model = network(pynn.Dropout(pynn.FlatCosine(0.5, 2)))
    options: dict[str, Any] = {"epochs": 2, "batch_size": 10, "progress": False}
    model.fit(*points, optimizer=pynn.SGD(pynn.CosineDecay(0.1, 2)), **options)
    with pytest.warns(UserWarning, match="the learning rate was 0 in all of epoch 3") as seen:
        model.fit(*points, **options)
    assert len(seen) == 1


@pytest.mark.parametrize("kind", DROPPING)
def test_a_custom_loop_gives_the_bits_of_fit(kind: str, points: Points) -> None:
    made = [network(DROPPING[kind](Halving(0.5))) for _ in range(3)]
    made[0].fit(*points, optimizer=pynn.SGD(0.1), epochs=2, batch_size=10, progress=False)
    for way, model in enumerate(made[1:]):
        loss, optimizer = pynn.SoftmaxCrossEntropy(), pynn.SGD(0.1)
        for epoch in range(2):
            for i, (x, y) in enumerate(pynn.batches(*points, 10, seed=0, epoch=epoch)):
                if way == 0:
                    optimizer.set_epoch(epoch + i / 3)
                    model.train_step(x, y, loss, optimizer)
                else:
                    model.context.epoch = epoch + i / 3
                    loss.forward(model.forward(x, training=True), y)
                    model.backward(loss.backward())
                    optimizer.step(model)
        np.testing.assert_array_equal(model.parameters, made[0].parameters)


@pytest.mark.parametrize("kind", DROPPING)
def test_a_pass_that_drops_where_no_epoch_is_set_is_refused(kind: str, points: Points) -> None:
    model, optimizer = network(DROPPING[kind](Halving(0.5))), pynn.SGD(0.1)
    model.build((4,))
    message = r"follows Halving\(rate=0\.5\), which counts epochs: set the epoch first"
    with pytest.raises(RuntimeError, match=message):
        model.train_step(*points, pynn.SoftmaxCrossEntropy(), optimizer)
    model.fit(*points, optimizer=optimizer, epochs=1, batch_size=10, progress=False)
    for one in (model, copy.deepcopy(model)):  # fit has ended
        with pytest.raises(RuntimeError, match=message):
            one.forward(points[0], training=True)
    before = model.predict_proba(points[0])
    assert pynn.monte_carlo(model, points[0])[1].max() > 0.01
    np.testing.assert_array_equal(model.predict_proba(points[0]), before)  # no effect outside training


def test_a_run_forgets_the_epoch_that_a_custom_loop_set(points: Points) -> None:
    loss, optimizer, models = pynn.SoftmaxCrossEntropy(), pynn.SGD(0.1), []
    for epoch in (None, 7):
        model = network(pynn.Dropout(Halving(0.5)))
        model.build((4,))
        if epoch is not None:
            optimizer = pynn.SGD(0.1)
            optimizer.set_epoch(epoch)
            with model.same_masks():
                model.train_step(*points, loss, optimizer)
            model.unbuild()
            optimizer = pynn.SGD(0.1)
            optimizer.set_epoch(epoch)
        model.fit(*points, optimizer=optimizer, epochs=1, batch_size=10, progress=False)
        models.append(model)
    np.testing.assert_array_equal(models[0].parameters, models[1].parameters)


def test_backward_meets_the_mask_of_its_forward_pass_though_the_epoch_changes() -> None:
    model = pynn.Sequential(pynn.Dropout(Halving(0.75)))
    model.build((50,))
    ones = np.ones((20, 50), np.float32)
    model.context.epoch = 0
    y = model.forward(ones, training=True).copy()
    model.context.epoch = 3
    np.testing.assert_array_equal(model.backward(ones, input_gradient=True), y)
    assert 0.2 < (y != 0).mean() < 0.3
    assert 0.85 < (model.forward(ones, training=True) != 0).mean() < 0.95


def test_tools_that_pass_forward_in_training_begin_where_the_schedule_is(points: Points) -> None:
    model = network(pynn.Dropout(Halving(0.5)))
    model.build((4,))
    for epochs in (0, 1):
        model.fit(*points, epochs=epochs, batch_size=10, progress=False)
        with model.same_masks():
            assert model.context.epoch == epochs
            model.forward(points[0], training=True)
        assert model.context.epoch is None
    assert pynn.diagnostics.gradient_check(model, None, *points)
    pynn.diagnostics.learning_rate_range(model, *points, steps=12, progress=False)
    monitor = pynn.Monitor()
    model.fit(*points, epochs=1, batch_size=10, progress=False, callbacks=[monitor])
    assert pynn.diagnose(monitor) is not None


# Files and resumed runs ---------------------------------------------------------------------------


def test_schedules_of_layers_are_saved(points: Points, tmp_path: Path) -> None:
    schedule = pynn.Warmup(pynn.FlatCosine(0.5, 3), 1, start=0.25)
    model = network(pynn.Dropout(schedule), pynn.DropConnect(3, Halving(0.5)))
    model.fit(*points, epochs=1, batch_size=10, progress=False)
    model.save(tmp_path / "m")
    with pytest.raises(ValueError, match=r"'Halving' is not a pynn class; pass your own as pynn\.load"):
        pynn.load(tmp_path / "m")
    back = pynn.load(tmp_path / "m", own=[Halving])
    assert repr(back.layers) == repr(model.layers)
    assert isinstance(back.layers[2].rate, pynn.Warmup)
    back.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "m").read_bytes()
    for one in (model, back):
        one.fit(*points, optimizer=pynn.SGD(0.1), epochs=2, batch_size=10, progress=False)
    np.testing.assert_array_equal(back.parameters, model.parameters)


@pytest.mark.parametrize(
    "rate",
    [
        {"kind": "ReduceOnPlateau", "arguments": {"rate": 0.1}},
        {"kind": "FlatCosine", "arguments": {"rate": 2, "epochs": 3}},
        {"kind": "FlatCosine", "arguments": {"rate": 0.2}},
        {"kind": "FlatCosine", "arguments": {"rate": 0.2, "epochs": 3}, "name": "x"},
        {"kind": "ReLU"},
        {"kind": "Schedule"},
        [0.1],
    ],
    ids=str,
)
def test_files_with_other_rates_are_refused(rate: Any, tmp_path: Path) -> None:
    import safetensors.numpy

    model = network(pynn.Dropout(0.5))
    model.build((4,))
    model.save(tmp_path / "m")
    with safetensors.safe_open(tmp_path / "m", framework="numpy") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        description = json.loads(file.metadata()["pynn"])
    del description["crc"]  # as in a file of older pynn
    description["own"] = []
    description["layers"][2]["arguments"]["rate"] = rate
    safetensors.numpy.save_file(tensors, tmp_path / "m", {"pynn": json.dumps(description)})
    with pytest.raises(ValueError, match="the model cannot be built from its description"):
        pynn.load(tmp_path / "m")


def scheduled(**settings: Any) -> dict[str, Any]:
    model = pynn.Sequential(
        pynn.Conv2d(4), pynn.BatchNorm(), pynn.SpatialDropout(Halving(0.4)), pynn.ReLU(), pynn.Flatten(),
        pynn.Dropout(pynn.FlatCosine(0.3, 3)), pynn.DropConnect(6, pynn.LinearDecay(0.5, 2)), pynn.Affine(3),
    )  # fmt: skip
    decay = settings.pop("decay", pynn.FlatCosine(0.1, 3))
    return {"model": model, "optimizer": pynn.AdamW(pynn.CosLog(0.1, 3), weight_decay=decay), **settings}


@pytest.mark.parametrize("step", [2, 6, 8])
def test_resumed_runs_have_the_bits_of_whole_ones(step: int, pictures: Data, tmp_path: Path) -> None:
    expected = fit(pictures, **scheduled())
    with pytest.raises(Killed):
        fit(pictures, pynn.Checkpoint(tmp_path, every_steps=1), callbacks=[KilledAt(step)], **scheduled())
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # what ends in the run has been planned, before and after it was killed
        again = fit(pictures, tmp_path, True, **scheduled())
    assert_same(expected, again)
    assert again.optimizer.weight_decay == expected.optimizer.weight_decay
    with pytest.raises(ValueError, match=r"optimizer was .*, now it is"):
        fit(pictures, tmp_path, True, **scheduled(decay=0.1))


def test_the_state_of_an_optimizer_without_that_schedule_is_refused(points: Points) -> None:
    model = network()
    model.fit(*points, optimizer=pynn.SGD(0.1, weight_decay=Halving(0.5)), epochs=2, batch_size=10, progress=False)
    state = model.optimizer.state()
    assert state["weight_decay"] == 0.5 * 0.5 ** (1 + 2 / 3)
    other = pynn.SGD(0.1, weight_decay=0.5)
    with pytest.raises(ValueError, match="this is the state of another optimizer"):
        other.expect_state(state, None)
    same = pynn.SGD(0.1, weight_decay=Halving(0.5))
    same.restore(state)
    assert same.weight_decay == state["weight_decay"]
    assert same.weight_decay_schedule is not None
    del state["weight_decay_schedule"]  # an older checkpoint
    other.restore(state)
    assert other.weight_decay == state["weight_decay"]


# Bad input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", DROPPING)
def test_schedules_that_a_rate_cannot_follow_are_refused(kind: str, points: Points) -> None:
    make = DROPPING[kind]
    for schedule, message in (
        (
            pynn.FlatCosine(1, 3),
            r"FlatCosine\(rate=1, epochs=3\) gave the rate 1\.0 at epoch 0, expected 0 <= rate < 1",
        ),
        (pynn.ReduceOnPlateau(0.1), "which reads measurements"),
        (pynn.CosineDecay, "rate is <class"),
        (1.0, r"rate is 1\.0, expected 0 <= rate < 1 \(the share that is dropped\)"),
    ):
        with pytest.raises(ValueError, match=message):
            make(schedule)
    model = network(make(pynn.LinearDecay(0.5, 2, end=2)))
    with pytest.raises(ValueError, match=r"gave the rate 1\.25 at epoch 1, expected 0 <= rate < 1"):
        model.fit(*points, epochs=2, batch_size=30, progress=False)
    assert model.epoch == 1


def test_vanilla_dropout_takes_no_schedule() -> None:
    with pytest.raises(ValueError, match=r'form="vanilla" scales by the rate outside training.*use form="inverted"'):
        pynn.Dropout(pynn.FlatCosine(0.5, 3), form="vanilla")
