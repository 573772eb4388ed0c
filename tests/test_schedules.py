"""Schedules: rates worked by hand, torch as an oracle, what `fit` does with them, bad input, pictures."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn
from pynn import schedules

Points = tuple[np.ndarray, np.ndarray]

EXAMPLES: list[tuple[pynn.Schedule, str, dict[float, float]]] = [
    (pynn.StepDecay(0.1, 2), "StepDecay(rate=0.1, every=2)", {0: 0.1, 1.99: 0.1, 2: 0.01, 3.5: 0.01, 4: 0.001}),
    (pynn.StepDecay(1, 0.5, factor=0.5), "StepDecay(rate=1, every=0.5, factor=0.5)", {0.4: 1, 0.5: 0.5, 1.7: 0.125}),
    (pynn.ExponentialDecay(2, 0.5), "ExponentialDecay(rate=2, decay=0.5)", {0: 2, 1: 2 / math.e**0.5, 2: 2 / math.e}),
    (pynn.InverseTimeDecay(1, 0.5), "InverseTimeDecay(rate=1, decay=0.5)", {0: 1, 2: 0.5, 6: 0.25, 1e9: 2e-9}),
    (pynn.CosineDecay(2, 4), "CosineDecay(rate=2, epochs=4)", {0: 2, 1: 1 + 0.5**0.5, 2: 1, 4: 0, 9: 0}),
    (pynn.CosineDecay(3, 2, minimum=1), "CosineDecay(rate=3, epochs=2, minimum=1)", {0: 3, 1: 2, 2: 1, 2.5: 1}),
    (
        pynn.CosineRestarts(2, 4),
        "CosineRestarts(rate=2, epochs_per_cycle=4)",
        {0: 2, 1: 1 + 0.5**0.5, 2: 1, 4: 2, 6: 1, 400: 2},
    ),
    (
        pynn.CosineRestarts(3, 2, minimum=1),
        "CosineRestarts(rate=3, epochs_per_cycle=2, minimum=1)",
        {0: 3, 1: 2, 2: 3, 2.5: 2 + 0.5**0.5},
    ),
    (
        pynn.CosLog(2, 15),
        "CosLog(rate=2, epochs=15)",
        {0: 0, 2**0.5 - 1: 2, 1: 0, 2 * 2**0.5 - 1: 2, 3: 0, 7: 0, 8 * 2**0.5 - 1: 2, 2**3.25 - 1: 1, 15: 0, 99: 0},
    ),
    (pynn.CosLog(1, 2, cycles=1), "CosLog(rate=1, epochs=2, cycles=1)", {0: 0, 2 * (2**0.5 - 1): 1, 2: 0}),
    (
        pynn.FlatCosine(2, 8),
        "FlatCosine(rate=2, epochs=8)",
        {0: 2, 1: 2, 4: 2, 5: 1 + 0.5**0.5, 6: 1, 7: 1 - 0.5**0.5, 8: 0, 9: 0},
    ),
    (pynn.LinearDecay(0.8, 4), "LinearDecay(rate=0.8, epochs=4)", {0: 0.8, 1: 0.6, 3.5: 0.1, 4: 0, 5: 0}),
    (pynn.LinearDecay(0, 2, end=1), "LinearDecay(rate=0, epochs=2, end=1)", {0: 0, 0.5: 0.25, 2: 1, 100: 1}),
    (
        pynn.Warmup(pynn.LinearDecay(1, 2), 4, start=0.2),
        "Warmup(schedule=LinearDecay(rate=1, epochs=2), epochs=4, start=0.2)",
        {0: 0.2, 2: 0.6, 4: 1, 5: 0.5, 6: 0, 7: 0},
    ),
    (pynn.Warmup(0.5, 2), "Warmup(schedule=0.5, epochs=2)", {0: 0, 1: 0.25, 2: 0.5, 50: 0.5}),
    (
        pynn.Cyclic(1, 3, period=4),
        "Cyclic(lower=1, upper=3, period=4)",
        {0: 1, 1: 2, 2: 3, 3: 2, 4: 1, 5.5: 2.5, 6: 3, 400: 1},
    ),
    (
        pynn.OneCycle(2, 10, rise=0.5, start=1, end=0),
        "OneCycle(rate=2, epochs=10, rise=0.5, start=1, end=0)",
        {0: 1, 2.5: 1.5, 5: 2, 7.5: 1, 10: 0, 11: 0},
    ),
    (pynn.OneCycle(1, 10), "OneCycle(rate=1, epochs=10)", {0: 1 / 25, 3: 1, 10: 1 / 25e4}),
    (pynn.ReduceOnPlateau(0.1), "ReduceOnPlateau(rate=0.1)", {0: 0.1, 99.5: 0.1}),
]  # fmt: skip


def network(**settings: Any) -> pynn.Sequential:
    return pynn.Sequential(pynn.Affine(8), pynn.ReLU(), pynn.Dropout(0.2), pynn.Affine(3), **settings)


class Recorder(pynn.SGD):
    """SGD that writes down the rate of every step."""

    def __init__(self, learning_rate: Any = 0.01) -> None:
        super().__init__(learning_rate)
        self.rates: list[float] = []

    def update(self, parameters: np.ndarray, gradients: np.ndarray) -> None:
        self.rates.append(self.learning_rate)
        super().update(parameters, gradients)


class Progress(pynn.Schedule):
    """The rate is the progress itself, a thousandth of it."""

    def at(self, epoch: float) -> float:
        return epoch / 1000


# The functions


@pytest.mark.parametrize(("schedule", "text", "rates"), EXAMPLES, ids=[text for _, text, _ in EXAMPLES])
def test_rates_are_those_worked_by_hand(schedule: pynn.Schedule, text: str, rates: dict[float, float]) -> None:
    for epoch, rate in rates.items():
        found = schedule(epoch)
        assert type(found) is float
        assert found == pytest.approx(rate, rel=1e-12, abs=1e-16), epoch


@pytest.mark.parametrize(("schedule", "text"), [example[:2] for example in EXAMPLES], ids=lambda value: str(value))
def test_repr_is_the_source(schedule: pynn.Schedule, text: str) -> None:
    assert repr(schedule) == text
    again = eval(text, vars(schedules))
    assert repr(again) == text
    assert [again(epoch / 8) for epoch in range(100)] == [schedule(epoch / 8) for epoch in range(100)]
    for optimizer in (pynn.SGD(copy.copy(schedule)), pynn.Adam(copy.copy(schedule), beta2=0.9)):
        same = eval(repr(optimizer), {**vars(schedules), "SGD": pynn.SGD, "Adam": pynn.Adam})
        assert text in repr(optimizer)
        assert repr(same) == repr(optimizer)
        assert same.learning_rate == schedule(0)


def test_every_schedule_has_an_example() -> None:
    public = {name for name in schedules.__all__ if name != "Schedule"}
    assert {type(schedule).__name__ for schedule, *_ in EXAMPLES} == public
    assert all(getattr(pynn, name) is getattr(schedules, name) for name in schedules.__all__)


@pytest.mark.parametrize("schedule", [example[0] for example in EXAMPLES], ids=repr)
def test_far_away_epochs_give_finite_rates(schedule: pynn.Schedule) -> None:
    for epoch in (0, 5e-324, 1e-9, 1e3, 1e6, 1e15, np.float32(3), np.int64(3)):
        assert 0 <= schedule(epoch) < math.inf


def test_rates_of_zero_stay_zero() -> None:
    for schedule in (
        pynn.StepDecay(0, 1), pynn.ExponentialDecay(0, 1), pynn.InverseTimeDecay(0, 1), pynn.CosineDecay(0, 3),
        pynn.CosineRestarts(0, 3), pynn.CosLog(0, 3), pynn.FlatCosine(0, 3), pynn.LinearDecay(0, 3),
        pynn.Warmup(0, 2), pynn.Cyclic(0, 0, 1), pynn.OneCycle(0, 3), pynn.ReduceOnPlateau(0),
    ):  # fmt: skip
        assert [schedule(epoch) for epoch in (0, 0.7, 1, 5)] == [0] * 4


def torch_rates(torch: Any, rate: float, make: Any, epochs: int, steps: int) -> list[float]:
    """The rates of a torch scheduler that is stepped `steps` times an epoch."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)
    scheduler, rates = make(torch.optim.lr_scheduler, optimizer), []
    for _ in range(epochs * steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize(
    ("schedule", "make"),
    [
        (pynn.StepDecay(0.3, 2, 0.5), lambda all_, o: all_.StepLR(o, 10, 0.5)),
        (pynn.ExponentialDecay(0.3, 0.7), lambda all_, o: all_.ExponentialLR(o, math.exp(-0.7 / 5))),
        (pynn.CosineDecay(0.3, 6, 0.01), lambda all_, o: all_.CosineAnnealingLR(o, 30, 0.01)),
        (pynn.CosineRestarts(0.3, 2, minimum=0.01), lambda all_, o: all_.CosineAnnealingWarmRestarts(o, 10, 1, 0.01)),
        (pynn.LinearDecay(0.3, 4, 0.03), lambda all_, o: all_.LinearLR(o, 1.0, 0.1, 20)),
        (pynn.Warmup(0.3, 2, start=0.03), lambda all_, o: all_.LinearLR(o, 0.1, 1.0, 10)),
        (pynn.Cyclic(0.1, 0.3, 4), lambda all_, o: all_.CyclicLR(o, 0.1, 0.3, 10, cycle_momentum=False)),
        (
            pynn.OneCycle(0.3, 6, rise=0.5),
            lambda all_, o: all_.OneCycleLR(o, 0.3, 31, pct_start=16 / 31, cycle_momentum=False),
        ),
    ],
    ids=lambda value: repr(value) if isinstance(value, pynn.Schedule) else "",
)  # fmt: skip
def test_torch_has_the_same_rates(schedule: pynn.Schedule, make: Any, torch: Any) -> None:
    steps, epochs = 5, 6
    expected = torch_rates(torch, 0.3, make, epochs, steps)
    found = [schedule(step / steps) for step in range(epochs * steps)]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


# ReduceOnPlateau


def watched(schedule: pynn.ReduceOnPlateau, values: list[float], name: str = "loss") -> list[float]:
    rates = []
    for value in values:
        schedule.observe({name: value})
        rates.append(schedule(0))
    return rates


@pytest.mark.parametrize(
    ("settings", "values", "rates"),
    [
        ({"patience": 1}, [5, 4, 4, 3], [1, 1, 0.1, 0.1]),
        ({"patience": 2}, [5, 5, 5, 5, 5], [1, 1, 0.1, 0.1, 0.01]),
        ({"patience": 2, "factor": 0.5}, [5, 6, 4, 5, 6], [1, 1, 1, 1, 0.5]),
        ({"patience": 1, "min_delta": 0.5}, [5, 4.6, 4.4], [1, 0.1, 0.1]),
        ({"patience": 1, "cooldown": 2}, [5, 5, 5, 5, 5], [1, 0.1, 0.1, 0.1, 0.01]),
        ({"patience": 1, "minimum": 0.05}, [5, 5, 5, 5], [1, 0.1, 0.05, 0.05]),
        ({"patience": 1, "minimum": 3}, [5, 5], [1, 1]),
        ({"patience": 1, "mode": "max"}, [0.5, 0.6, 0.5], [1, 1, 0.1]),
        ({"patience": 2}, [math.nan, math.nan, math.nan], [1, 0.1, 0.1]),
        ({"patience": 1}, [math.inf, 1, -math.inf], [0.1, 0.1, 0.1]),
    ],
)
def test_plateaus_are_those_worked_by_hand(settings: dict[str, Any], values: list[float], rates: list[float]) -> None:
    assert watched(pynn.ReduceOnPlateau(1, **settings), values) == pytest.approx(rates)


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("patience", [0, 1, 3])
@pytest.mark.parametrize("cooldown", [0, 2])
def test_torch_finds_the_same_plateaus(mode: str, patience: int, cooldown: int, torch: Any) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    oracle = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, mode=mode, factor=0.5, patience=patience, threshold=0.1, threshold_mode="abs", cooldown=cooldown,
        min_lr=0.01, eps=0,
    )  # fmt: skip
    schedule = pynn.ReduceOnPlateau(
        1, factor=0.5, patience=patience + 1, min_delta=0.1, cooldown=cooldown, minimum=0.01, mode=mode
    )
    values = np.random.default_rng(1).normal(size=60).cumsum().tolist()
    expected = []
    for value in values:
        oracle.step(value)
        expected.append(optimizer.param_groups[0]["lr"])
    assert watched(schedule, values) == expected
    assert len(set(expected)) > 2


def test_validation_is_watched_where_it_is_measured() -> None:
    schedule = pynn.ReduceOnPlateau(1, patience=1)
    for value in (3.0, 2.0, 2.0):
        schedule.observe({"loss": -value, "val_loss": value})
    assert schedule(3) == pytest.approx(0.1)
    named = pynn.ReduceOnPlateau(1, patience=1, monitor="loss")
    for value in (3.0, 2.0, 2.5):
        named.observe({"loss": value, "val_loss": -value})
    assert named(3) == pytest.approx(0.1)


def test_fit_tells_plateau_each_epochs_measurements(points: Points) -> None:
    x, y = points
    noise = np.random.default_rng(0).integers(0, 3, 30)  # a loss that cannot fall for long
    optimizer = Recorder(pynn.Warmup(pynn.ReduceOnPlateau(0.5, patience=1, factor=0.5), 1))
    model = network()
    history = model.fit(x, y, validation=(x, noise), optimizer=optimizer, epochs=12, batch_size=10, progress=False)
    oracle = pynn.ReduceOnPlateau(0.5, patience=1, factor=0.5)
    rates = []
    for value in history["val_loss"]:
        rates.append(oracle(0))
        oracle.observe({"val_loss": value})
    assert history["learning_rate"][1:] == rates[1:]
    assert len(set(rates)) > 2


def test_a_measurement_that_cannot_come_is_refused_before_training(points: Points) -> None:
    model = network()
    for schedule in (
        pynn.ReduceOnPlateau(0.1, monitor="val_accuracy"),
        pynn.Warmup(pynn.ReduceOnPlateau(0.1, monitor="val_accuracy"), 1),
    ):
        with pytest.raises(ValueError, match=r"reads val_accuracy, which needs validation=\(x, y\)"):
            model.fit(*points, optimizer=pynn.SGD(schedule), batch_size=10, progress=False)
        assert not model.built
    with pytest.raises(ValueError, match="reads f1, which is not measured; there are loss, accuracy"):
        model.fit(*points, optimizer=pynn.SGD(pynn.ReduceOnPlateau(0.1, monitor="f1")), batch_size=10, progress=False)


def test_a_trough_between_cycles_is_not_the_end(points: Points) -> None:
    """One step an epoch, each at a moment when the rate is 0 for a moment only; then one after the end."""
    x, y = points
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for schedule in (pynn.CosLog(0.1, 15), pynn.Cyclic(0, 0.1, 1), pynn.Warmup(pynn.CosLog(0.1, 15), 1)):
            network().fit(x, y, optimizer=pynn.SGD(schedule), epochs=3, batch_size=30, progress=False)
    for schedule in (pynn.CosLog(0.1, 1), pynn.Warmup(pynn.CosLog(0.1, 0.5), 0.5), pynn.FlatCosine(0.1, 1)):
        with pytest.warns(UserWarning, match="the learning rate was 0 in all of epoch 2"):
            network().fit(x, y, optimizer=pynn.SGD(schedule), epochs=2, batch_size=30, progress=False)


@pytest.mark.parametrize("schedule", [pynn.CosLog(0.1, 4), pynn.Warmup(0.1, 2), pynn.Cyclic(0, 0.1, 4)])
def test_an_epoch_at_0_for_want_of_a_length_is_warned_of(schedule: pynn.Schedule, points: Points) -> None:
    x, y = points
    batches = [(x[start : start + 10], y[start : start + 10]) for start in (0, 10, 20)]

    class Unsized:
        def __iter__(self) -> Any:
            return iter(batches)

    model = network()
    with pytest.warns(UserWarning, match=r"was 0 in all of epoch 1: .* starts at 0 and.*pass an iterable with a len"):
        model.fit(Unsized(), optimizer=pynn.SGD(schedule), epochs=2, progress=False)
    assert model.history is not None
    assert model.history["learning_rate"][0] == 0 < model.history["learning_rate"][1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network().fit(batches, optimizer=pynn.SGD(schedule), epochs=2, progress=False)
        network().fit(Unsized(), optimizer=pynn.SGD(pynn.CosineDecay(0.1, 4)), epochs=2, progress=False)


# In an optimizer


@pytest.mark.parametrize("kind", pynn.optimizers.OPTIMIZERS.values())
def test_every_optimizer_takes_a_schedule(kind: type[pynn.Optimizer], points: Points) -> None:
    constant, scheduled = network(), network()
    constant.fit(*points, optimizer=kind(0.01), epochs=2, batch_size=10, progress=False)
    history = scheduled.fit(
        *points, optimizer=kind(pynn.LinearDecay(0.01, 1, end=0.01)), epochs=2, batch_size=10, progress=False
    )
    np.testing.assert_array_equal(scheduled.parameters, constant.parameters)
    assert history["learning_rate"] == [0.01, 0.01]


def test_the_rate_reads_as_a_number_and_may_be_set() -> None:
    optimizer = pynn.Adam(pynn.LinearDecay(1, 4))
    assert optimizer.learning_rate == 1
    optimizer.set_epoch(3)
    assert optimizer.learning_rate == 0.25
    assert repr(optimizer) == "Adam(learning_rate=LinearDecay(rate=1, epochs=4))"
    optimizer.learning_rate = 0.5
    optimizer.set_epoch(3)
    assert optimizer.learning_rate == 0.5
    assert optimizer.schedule is None
    assert repr(optimizer) == "Adam(learning_rate=0.5)"
    optimizer.learning_rate = pynn.CosineDecay(2, 1)
    assert optimizer.learning_rate == 2


def test_fit_sets_the_rate_before_every_step(points: Points) -> None:
    optimizer, model = Recorder(Progress()), network()
    first = model.fit(*points, optimizer=optimizer, epochs=2, batch_size=8, progress=False)
    second = model.fit(*points, epochs=1, batch_size=15, progress=False)
    progress = [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.5]
    np.testing.assert_allclose(optimizer.rates, np.array(progress) / 1000, rtol=1e-12)
    assert [*first["learning_rate"], *second["learning_rate"]] == [optimizer.rates[place] for place in (3, 7, 9)]
    assert model.epoch == 3


def test_a_new_optimizer_begins_its_schedule(points: Points) -> None:
    model = network()
    model.fit(*points, epochs=5, batch_size=10, progress=False)
    optimizer = Recorder(Progress())
    model.fit(*points, optimizer=optimizer, epochs=1, batch_size=15, progress=False)
    model.fit(*points, epochs=1, batch_size=15, progress=False)
    optimizer.learning_rate = Progress()
    model.fit(*points, epochs=1, batch_size=15, progress=False)
    np.testing.assert_allclose(optimizer.rates, np.array([0, 0.5, 1, 1.5, 0, 0.5]) / 1000, rtol=1e-12)


def test_a_schedule_that_a_callback_sets_begins_there(points: Points) -> None:
    class Switch(pynn.Callback):
        def on_epoch_begin(self, trainer: pynn.Trainer) -> None:
            if trainer.epoch == 4:
                trainer.optimizer.learning_rate = Progress()

    optimizer, model = Recorder(1.0), network()
    model.fit(*points, optimizer=optimizer, epochs=3, batch_size=15, progress=False)
    model.fit(*points, epochs=3, batch_size=15, callbacks=[Switch()], progress=False)
    np.testing.assert_allclose(optimizer.rates, [1] * 8 + [0, 0.0005, 0.001, 0.0015], rtol=1e-12)


def test_the_fraction_of_an_iterable_is_known_after_its_first_epoch(points: Points) -> None:
    x, y = points

    class Stream:
        count = 3

        def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
            return ((x[start : start + 2], y[start : start + 2]) for start in range(self.count))

    stream, optimizer, model = Stream(), Recorder(Progress()), network()
    with pytest.warns(UserWarning, match="the learning rate was 0 in all of epoch 1"):
        model.fit(stream, optimizer=optimizer, epochs=2, progress=False)
    np.testing.assert_allclose(np.array(optimizer.rates) * 1000, [0, 0, 0, 1, 4 / 3, 5 / 3], rtol=1e-12)

    class Sized(Stream):
        def __len__(self) -> int:
            return 2  # fewer than come: the progress stays within the epoch

    optimizer = Recorder(Progress())
    network().fit(Sized(), optimizer=optimizer, epochs=2, progress=False)
    np.testing.assert_allclose(np.array(optimizer.rates) * 1000, [0, 0.5, 1, 1, 1.5, 2], rtol=1e-12)


def test_a_custom_loop_gives_the_bits_of_fit(points: Points) -> None:
    x, y = points
    schedule = pynn.Warmup(pynn.CosineDecay(0.1, 3), 1)
    expected, model = network(), network()
    expected.fit(x, y, optimizer=pynn.Momentum(schedule), epochs=4, batch_size=10, progress=False)
    loss, optimizer = pynn.SoftmaxCrossEntropy(), pynn.Momentum(schedule)
    for epoch in range(4):
        for i, (x_batch, y_batch) in enumerate(pynn.batches(x, y, 10, seed=0, epoch=epoch)):
            optimizer.set_epoch(epoch + i / 3)
            model.train_step(x_batch, y_batch, loss, optimizer)
    np.testing.assert_array_equal(model.parameters, expected.parameters)


def test_a_plain_number_costs_nothing(points: Points, monkeypatch: pytest.MonkeyPatch) -> None:
    def called(*_: Any) -> None:
        raise AssertionError("set_epoch was called")

    monkeypatch.setattr(pynn.Optimizer, "set_epoch", called)
    network().fit(*points, optimizer=pynn.SGD(0.1), epochs=1, batch_size=10, progress=False)
    with pytest.raises(AssertionError, match="set_epoch was called"):
        network().fit(*points, optimizer=pynn.SGD(pynn.LinearDecay(0.1, 1)), epochs=1, batch_size=10, progress=False)


def test_annealing_settles_lower_than_a_constant_rate(digits: pynn.datasets.Dataset) -> None:
    """What schedules are for: at the same large rate, the losses of the last steps are smaller."""
    losses = {}
    for name, rate in {"constant": 0.5, "cosine": pynn.CosineDecay(0.5, 6)}.items():
        model = pynn.Sequential(pynn.Flatten(), pynn.Affine(10))
        model.fit(*digits.train, optimizer=pynn.SGD(rate), epochs=6, batch_size=4, progress=False)
        losses[name] = model.evaluate(*digits.train)["loss"]
    assert losses["cosine"] < losses["constant"]


# Bad input


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pynn.StepDecay(-1, 2), r"StepDecay: rate is -1, expected a finite number of at least 0"),
        (lambda: pynn.StepDecay(1, 0), r"StepDecay: every is 0, expected a finite positive number"),
        (lambda: pynn.StepDecay(1, 1, 2), r"StepDecay: factor is 2, expected 0 <= factor <= 1"),
        (lambda: pynn.ExponentialDecay(1, -0.1), r"ExponentialDecay: decay is -0\.1"),
        (lambda: pynn.ExponentialDecay(math.inf, 1), r"ExponentialDecay: rate is inf"),
        (lambda: pynn.InverseTimeDecay(1, math.nan), r"InverseTimeDecay: decay is nan"),
        (lambda: pynn.CosineDecay("fast", 1), r"CosineDecay: rate is 'fast'"),
        (lambda: pynn.CosineDecay(1, 0), r"CosineDecay: epochs is 0, expected a finite positive number"),
        (lambda: pynn.CosineDecay(1, 1, -1), r"CosineDecay: minimum is -1"),
        (lambda: pynn.CosLog(1, 0), r"CosLog: epochs is 0, expected a finite positive number"),
        (lambda: pynn.CosLog(1, 1, 0), r"CosLog: cycles is 0, expected an integer of at least 1"),
        (lambda: pynn.CosLog(1, 1, 1.5), r"CosLog: cycles is 1\.5, expected an integer of at least 1"),
        (lambda: pynn.CosLog(1, 1, 64), r"CosLog: cycles is 64, expected an integer of at least 1 and below 2\^6"),
        (lambda: pynn.FlatCosine(1, -1), r"FlatCosine: epochs is -1, expected a finite positive number"),
        (lambda: pynn.LinearDecay(1, None), r"LinearDecay: epochs is None"),
        (lambda: pynn.LinearDecay(1, 1, -1), r"LinearDecay: end is -1"),
        (lambda: pynn.Warmup(pynn.CosineDecay, 1), r"Warmup: schedule is <class"),
        (lambda: pynn.Warmup(0.1, 0), r"Warmup: epochs is 0"),
        (lambda: pynn.Cyclic(2, 1, 1), r"Cyclic: lower is 2, expected at most upper, 1"),
        (lambda: pynn.Cyclic(0, 1, -1), r"Cyclic: period is -1"),
        (lambda: pynn.OneCycle(1, 1, rise=1), r"OneCycle: rise is 1, expected 0 < rise < 1"),
        (lambda: pynn.OneCycle(1, 1, start=-1), r"OneCycle: start is -1"),
        (lambda: pynn.ReduceOnPlateau(1, factor=1.5), r"ReduceOnPlateau: factor is 1\.5"),
        (
            lambda: pynn.ReduceOnPlateau(1, patience=0),
            r"ReduceOnPlateau: patience is 0, expected an integer",
        ),
        (lambda: pynn.ReduceOnPlateau(1, mode="up"), r"ReduceOnPlateau: mode is 'up', expected one of auto, min, max"),
        (lambda: pynn.SGD(pynn.CosineDecay), r"SGD: learning_rate is <class .* or a pynn\.Schedule object"),
        (lambda: pynn.LinearDecay(1, 1)(-0.5), r"LinearDecay: epoch is -0\.5, expected a finite number of at least 0"),
        (lambda: pynn.LinearDecay(1, 1)("1"), r"LinearDecay: epoch is '1'"),
        (lambda: pynn.Adam(pynn.LinearDecay(1, 1)).set_epoch(math.nan), r"LinearDecay: epoch is nan"),
        (lambda: pynn.LinearDecay(1, 1).plot(0), r"LinearDecay: epochs is 0, expected a finite positive number"),
    ],
)
def test_bad_input_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.filterwarnings("ignore:the learning rate was 0")
def test_an_own_schedule_that_goes_astray_is_named(points: Points) -> None:
    class Astray(pynn.Schedule):
        def at(self, epoch: float) -> float:
            return 1 - epoch

    model = network()
    with pytest.raises(ValueError, match=r"Astray\(\) gave the rate -1\.0 at epoch 2, expected a finite"):
        model.fit(*points, optimizer=pynn.SGD(Astray()), epochs=5, batch_size=30, progress=False)
    assert model.epoch == 2
    with pytest.raises(NotImplementedError, match=r"Schedule has no at\(epoch\)"):
        pynn.SGD(pynn.Schedule())
    with pytest.raises(TypeError, match="monitor is 3, expected the name"):
        pynn.ReduceOnPlateau(1, monitor=3)


# Pictures


def test_the_picture_shows_the_rates(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    schedule = pynn.Warmup(pynn.CosineDecay(0.1, 8), 2)
    figure = schedule.plot(10, tmp_path / "rate.png")
    (axes,) = figure.axes
    epochs, rates = axes.lines[0].get_data()
    assert (epochs[0], epochs[-1]) == (0, 10)
    np.testing.assert_allclose(rates, [schedule(epoch) for epoch in epochs])
    assert axes.get_title(loc="left") == repr(schedule)
    assert (tmp_path / "rate.png").read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(ValueError, match="expected a name that ends in one of"):
        schedule.plot(10, tmp_path / "rate.txt")
