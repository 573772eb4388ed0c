"""A trial: the score of the best epoch, what ends it early and why, folds, seeds, weights to go on from."""

from __future__ import annotations

import copy
import functools
import math
import pickle
import re
import signal
from typing import Any

import numpy as np
import pytest

pytest.importorskip("optuna")

import pynn
from pynn.saving import filelocks
from pynn.search.data import Data, read
from pynn.search.trials import checkpoints, trial
from pynn.search.trials.trial import Outcome, Task
from pynn.search.trials.watching import Middle, judged

Points = tuple[np.ndarray, np.ndarray]


def data(points: Points, folds: int | None = None, **settings: Any) -> Data:
    return read(*points, settings.get("weights"), None if folds else settings.get("validation", 0.3), folds, None, 0)


def task(params: Any = None, **settings: Any) -> Task:
    defaults = {"number": 3, "params": params or {}, "epochs": 4, "seed": 7, "metric": "val_loss", "mode": "min"}
    return Task(**{**defaults, **settings})


def build(params: Any) -> Any:
    model = pynn.Sequential(pynn.Affine(8), pynn.ReLU(), pynn.Affine(3))
    return model, {"optimizer": pynn.Adam(params.get("rate", 0.01)), "batch_size": 5, **params.get("fit", {})}


def model_of(outcome: Outcome, fold: int = 0) -> pynn.Sequential:
    return pynn.from_bytes(outcome.models[fold])


def test_the_score_is_that_of_the_best_epoch_and_the_model_has_its_weights(points: Points, backend: str) -> None:
    parts = data(points)
    outcome = trial.run(build, parts, task({"rate": 0.1}, epochs=12))
    curve = outcome.curves[0]
    best = int(np.argmin(curve["val_loss"]))
    assert outcome.ended == "finished"
    assert outcome.score == outcome.folds[0] == curve["val_loss"][best]
    assert outcome.best_epochs == [best + 1]
    assert len(curve["loss"]) == 12
    assert set(curve) == {"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"}
    found = model_of(outcome).evaluate(*parts.part(0).validation)
    assert found["loss"] == pytest.approx(outcome.score, rel=1e-5)
    assert outcome.seconds > 0
    assert outcome.settings["batch_size"] == "5"
    assert outcome.settings["optimizer"].startswith("Adam(")


def test_a_trial_is_what_fit_does_with_its_seed(points: Points) -> None:
    parts = data(points)
    part, outcome = parts.part(0), trial.run(build, parts, task(metric="loss"))
    model, settings = build({})
    same = pynn.Sequential(*model.layers, seed=7)
    history = same.fit(part.x, part.y, validation=part.validation, epochs=4, seed=7, progress=False, **settings)
    assert outcome.curves[0]["loss"] == history["loss"]
    np.testing.assert_array_equal(model_of(outcome).parameters, same.parameters)  # the last epoch is the best
    assert model_of(outcome).seed == 7


def test_the_same_task_gives_the_same_outcome_in_any_process(points: Points) -> None:
    parts, one = data(points, 3), task()
    outcomes = [trial.run(build, *pickle.loads(pickle.dumps((parts, one)))) for _ in range(2)]
    outcomes.append(trial.run(build, parts, one))
    assert outcomes[0].models == outcomes[1].models == outcomes[2].models
    assert outcomes[0].curves == outcomes[1].curves == outcomes[2].curves
    assert pickle.loads(pickle.dumps(outcomes[0])).score == outcomes[2].score


def test_the_score_of_folds_is_their_mean(points: Points) -> None:
    outcome = trial.run(build, data(points, 3), task())
    assert len(outcome.folds) == len(outcome.curves) == len(outcome.models) == len(outcome.best_epochs) == 3
    assert outcome.score == pytest.approx(np.mean(outcome.folds))
    for fold in range(3):
        found = model_of(outcome, fold).evaluate(*data(points, 3).part(fold).validation)["loss"]
        assert found == pytest.approx(outcome.folds[fold], rel=1e-5)


@pytest.mark.parametrize(("mode", "beat", "kept"), [("min", 1e-9, 0), ("min", 1e9, 1), ("max", 1e9, 0), ("max", -1, 1)])
def test_only_a_model_that_beats_the_best_is_kept(points: Points, mode: str, beat: float, kept: int) -> None:
    assert len(trial.run(build, data(points), task(mode=mode, beat=beat)).models) == kept


@pytest.mark.parametrize(
    ("beat", "ties", "kept"), [(1e-9, False, 0), (1e9, False, 3), (None, True, 3), (None, False, 0)]
)
def test_models_of_folds_are_kept_only_if_their_mean_beats_the_best(
    points: Points, beat: float | None, ties: bool, kept: int
) -> None:
    parts = data(points, 3)
    score = trial.run(build, parts, task()).score
    outcome = trial.run(build, parts, task(beat=score if beat is None else beat, ties=ties))
    assert (outcome.score, len(outcome.models)) == (score, kept)


def test_a_trial_that_does_not_finish_has_no_models(points: Points) -> None:
    outcome = trial.run(build, data(points, 4), task(), lambda step, score: "enough" if step == 5 else None)
    assert (len(outcome.folds), outcome.models) == (2, [])


# Ends


def test_nan_ends_a_trial(points: Points) -> None:
    outcome = trial.run(build, data(points), task({"rate": 1e30}))
    assert outcome.ended == "diverged"
    assert "loss" in outcome.why
    assert outcome.models == []


def sgd(params: Any) -> Any:
    """A linear model, whose loss grows by a constant factor in each step if the rate is too large."""
    model = pynn.Sequential(pynn.Affine(3))
    return model, {"optimizer": pynn.SGD(params["rate"]), "loss": "l2", "batch_size": 5}


class Rises(pynn.Callback):
    """From some step on the outputs of a linear model are so many times as large."""

    def __init__(self, step: int, factor: float, back: int = 10**9) -> None:
        self.steps = {step: factor, back: 1 / factor}

    def on_step_end(self, trainer: Any) -> None:
        trainer.model.layers[0].weight[...] *= self.steps.get(trainer.step, 1.0)


@pytest.mark.parametrize(("step", "back", "ended"), [(60, 10**9, "diverged"), (2, 40, "finished"), (2, 60, "diverged")])
def test_a_loss_over_three_times_the_first_ends_a_trial_after_its_first_steps(
    step: int, back: int, ended: str, points: Points
) -> None:
    """A good run may overshoot in its first 50 steps, and come back."""
    parts = read(points[0], np.eye(3)[points[1]], None, 0.3, None, None, 0)

    def rising(params: Any) -> Any:
        model, settings = sgd({"rate": 1e-9})
        return model, {**settings, "callbacks": Rises(step, 5.0, back)}

    outcome = trial.run(rising, parts, task(epochs=30))
    assert outcome.ended == ended
    assert ("over 3 times the first" in outcome.why) == (ended == "diverged")


def test_a_loss_that_runs_away_ends_a_trial_in_its_first_steps(points: Points) -> None:
    x, y = points
    parts = read(x * 3, np.eye(3)[y], None, 0.3, None, None, 0)
    outcome = trial.run(sgd, parts, task({"rate": 0.04}, epochs=50))
    assert outcome.ended == "diverged"
    assert "over 100 times the first" in outcome.why
    assert len(outcome.curves[0]["loss"]) < 5
    on = trial.run(sgd, parts, task({"rate": 0.04}, epochs=50, stop=False))
    assert "the loss is inf at step" in on.why
    assert len(on.curves[0]["loss"]) > 30


def test_a_loss_that_runs_away_ends_a_trial_in_its_first_epoch(rng: np.random.Generator) -> None:
    x = rng.standard_normal((5000, 4)) * 3
    steps = []

    def counted(params: Any) -> Any:
        model, settings = sgd(params)
        return model, {**settings, "callbacks": Steps(steps)}

    outcome = trial.run(counted, read(x, x[:, :3], None, 0.2, None, None, 0), task({"rate": 0.2}))
    assert outcome.ended == "diverged"
    assert len(steps) < 20


def test_a_loss_that_ran_away_in_between_ends_a_trial(rng: np.random.Generator) -> None:
    """The second step makes all outputs huge, the third all units dead: then the loss is as at the beginning."""
    x = rng.standard_normal((600, 4))
    y = (x[:, 0] > 0).astype(int)

    def dying(params: Any) -> Any:
        model = pynn.Sequential(pynn.Affine(8), pynn.ReLU(), pynn.Affine(2))
        return model, {"batch_size": 20, "callbacks": Dies(), "optimizer": pynn.SGD(1e-9)}

    outcome = trial.run(dying, read(x, y, None, 0.2, None, None, 0), task())
    assert outcome.ended == "diverged"
    assert "over 100 times the first" in outcome.why
    assert len(outcome.curves[0]["loss"]) == 1


class Dies(pynn.Callback):
    def on_step_end(self, trainer: Any) -> None:
        trainer.model.layers[0].weight[...] *= {1: 1e6, 2: 0}.get(trainer.step, 1)


class Steps(pynn.Callback):
    """Notes the loss of each step."""

    def __init__(self, found: list[float]) -> None:
        self.found = found

    def on_step_end(self, trainer: Any) -> None:
        self.found.append(trainer.batch_loss)


def numbers(params: Any) -> Any:
    model = pynn.Sequential(pynn.Affine(16), pynn.ReLU(), pynn.Affine(1))
    return model, {"optimizer": pynn.Adam(0.003), "loss": "l2", "batch_size": 16, **params}


def heavy(rng: np.random.Generator, x: Any) -> Any:
    """Numbers of which a few are very large, as in 1 of 10 samples of students with 1.5 degrees of freedom."""
    return x[:, :1] + rng.standard_t(1.5, (len(x), 1))


def rare(rng: np.random.Generator, x: Any) -> Any:
    """Nothing, but 2000 in 1 of 300 samples."""
    return np.where(rng.random((len(x), 1)) < 1 / 300, 2000.0, 0.0)


def growing(rng: np.random.Generator, x: Any) -> Any:
    """Numbers that grow to 20 times the first."""
    return 10 * x[:, :1] * np.linspace(1, 20, len(x))[:, None]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("targets", "settings"), [(heavy, {}), (rare, {}), (growing, {"shuffle": False}), (heavy, {"batch_size": 600})]
)
def test_outliers_do_not_end_a_trial(targets: Any, settings: Any, seed: int, backend: str) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((1500, 5))
    points = read(x, targets(rng, x), None, 0.3, None, None, 0)
    outcome = trial.run(numbers, points, task(settings, epochs=6))
    assert (outcome.ended, outcome.why) == ("finished", "")


def test_validation_data_of_another_scale_do_not_end_a_trial(rng: np.random.Generator) -> None:
    x = rng.standard_normal((400, 5))
    held = 0.3 * rng.standard_normal((100, 5))
    points = read(x, 10 * x[:, :1], None, (held, 10 * held[:, :1]), None, None, 0)
    outcome = trial.run(numbers, points, task())
    assert outcome.ended == "finished"
    assert outcome.curves == trial.run(numbers, points, task(stop=False)).curves


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("images", [False, True])
def test_the_first_loss_is_that_of_samples_to_train_on(rng: np.random.Generator, images: bool, weighted: bool) -> None:
    """Of images that are augmented before they are transformed, too; there are as few as are all measured."""
    x = rng.integers(0, 256, (120, 4, 4, 1)).astype(np.uint8) if images else rng.standard_normal((120, 16)) * 5
    y = (rng.random(120) < 0.2).astype(int)
    weights = np.where(y == 1, 7.0, 1.0) if weighted else None
    fit: dict[str, Any] = {"preprocessing": pynn.Standardization(), "batch_size": 20}
    fit |= {"augmentation": pynn.PadCrop(1)} if images else {}

    def network(params: Any) -> Any:
        return pynn.Sequential(*([pynn.Flatten()] if images else []), pynn.Affine(2)), {**fit, **params}

    parts = read(x, y, weights, 0.25, None, None, 0)
    still = pynn.SGD(1e-30)
    outcome, unmoved = (trial.run(network, parts, task({"optimizer": one})) for one in (pynn.Adam(0.1), still))
    part = parts.part(0)
    assert outcome.first == unmoved.first
    found = model_of(unmoved).evaluate(part.x, part.y, sample_weight=part.weights)
    assert outcome.first == pytest.approx(found["loss"], rel=1e-5)


def test_an_error_is_an_outcome_with_its_traceback(points: Points) -> None:
    def broken(params: Any) -> Any:
        raise KeyError("units")

    outcome = trial.run(broken, data(points), task())
    assert (outcome.ended, outcome.why, outcome.score) == ("failed", "KeyError: 'units'", None)
    assert 'raise KeyError("units")' in outcome.error


def test_ctrl_c_is_no_outcome(points: Points) -> None:
    def interrupted(params: Any) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trial.run(interrupted, data(points), task())


def test_the_time_may_be_over(points: Points) -> None:
    outcome = trial.run(build, data(points), task(ends=0.0))
    assert (outcome.ended, outcome.why) == ("unfinished", "the time is over")


def test_a_pruner_is_told_of_every_epoch_but_the_last(points: Points) -> None:
    told: list[tuple[int, float]] = []
    outcome = trial.run(build, data(points), task(), lambda step, score: told.append((step, score)))
    assert told == list(enumerate(outcome.curves[0]["val_loss"][:3], 1))
    outcome = trial.run(build, data(points), task(), lambda step, score: "too slow" if step == 2 else None)
    assert (outcome.ended, outcome.why) == ("pruned", "too slow")
    assert len(outcome.curves[0]["loss"]) == 2


def test_a_pruner_is_told_of_the_mean_after_each_fold(points: Points) -> None:
    told: list[tuple[int, float]] = []
    outcome = trial.run(build, data(points, 4), task(), lambda step, score: told.append((step, score)))
    assert told[3:] == [(5, np.mean(outcome.folds[:2])), (6, pytest.approx(np.mean(outcome.folds[:3])))]
    pruned = trial.run(build, data(points, 4), task(), lambda step, score: "enough" if step == 5 else None)
    assert (pruned.ended, len(pruned.folds)) == ("pruned", 2)


# The diagnosis


def slow(params: Any) -> Any:
    model = pynn.Sequential(pynn.Affine(16), pynn.ReLU(), pynn.Affine(3))
    return model, {"optimizer": pynn.SGD(params["rate"]), "batch_size": 5}


def test_epochs_at_which_trials_are_judged() -> None:
    assert judged(4) == ()
    assert judged(5) == (2,)
    assert judged(50) == (10, 15, 20)


@pytest.mark.parametrize(
    ("rate", "score", "fall", "ended"),
    [
        (1e-7, 0.9, 0.5, "stopped"),
        (1e-7, 0.0, 0.5, "finished"),  # its score is among the best
        (1e-7, 0.9, -1.0, "finished"),  # the loss of others has not fallen either
        (0.05, 0.9, 5.0, "finished"),  # nothing is wrong with it
    ],
)
def test_a_trial_that_is_behind_ends_if_its_diagnosis_is_bad(
    points: Points, rate: float, score: float, fall: float, ended: str, backend: str
) -> None:
    middles = dict.fromkeys(judged(60), Middle(score, fall))
    settings: dict[str, Any] = {"metric": "val_accuracy", "mode": "max", "epochs": 60, "middles": middles}
    outcome = trial.run(slow, data(points), task({"rate": rate}, **settings))
    assert outcome.ended == ended
    if ended == "stopped":
        assert outcome.verdicts == ["learning_rate_too_small"]
        assert outcome.why.startswith("learning_rate_too_small: a step moves weights by")
        assert len(outcome.curves[0]["loss"]) == 12
        whole = trial.run(slow, data(points), task({"rate": rate}, **settings, stop=False))
        assert outcome.curves[0]["loss"] == whole.curves[0]["loss"][:12]


# What build returns


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (None, "build.params. is None, expected a pynn Sequential"),
        ((1, {}), "is 1, expected a pynn Sequential"),
        ((pynn.Sequential(pynn.Affine(3)), 3), "gave 3 beside the model, expected a dict of settings of fit"),
        ((pynn.Sequential(pynn.Affine(3)), {"epochs": 3}), "sets epochs, which the search sets itself; leave it out"),
        ((pynn.Sequential(pynn.Affine(3)), {"sample_weight": 3}), r"pass Search\(..., sample_weight=...\)"),
        ((pynn.Sequential(pynn.Affine(3)), {"lr": 3}), "lr"),
    ],
)
def test_what_build_may_not_return(points: Points, made: Any, message: str) -> None:
    outcome = trial.run(lambda params: made, data(points), task())
    assert outcome.ended == "failed"
    assert re.search(message, outcome.why), outcome.why


def test_a_model_may_be_trained_once_only(points: Points) -> None:
    """It would begin with what it has learned of the samples that it is validated on."""
    model = pynn.Sequential(pynn.Affine(3))
    for parts, number in ((data(points, folds=2), 0), (data(points), 1)):
        outcome = trial.run(lambda params: model, parts, task(number=number))
        assert outcome.ended == "failed"
        assert "a model that an earlier trial or fold has trained; make a new one in build" in outcome.why
    copies = trial.run(lambda params: copy.deepcopy(model), data(points, folds=2), task())
    assert copies.ended == "finished"


@pytest.mark.parametrize("settings", [{}, {"folds": 3}, {"validation": True}])
def test_build_cannot_change_the_samples(points: Points, settings: dict[str, Any]) -> None:
    """Other trials and folds have them too."""
    x, y = (one.copy() for one in points)
    if settings.pop("validation", False):
        settings["validation"] = (x[:9], y[:9])

    def centring(params: Any, x: Any, y: Any) -> Any:
        x -= x.mean(0)
        return pynn.Sequential(pynn.Affine(3))

    outcome = trial.run(centring, data((x, y), **settings), task())
    assert outcome.ended == "failed"
    assert "read-only" in outcome.why
    np.testing.assert_array_equal(x, points[0])
    part = data((x, y), **settings).part(0)
    for one in (part.x, part.y, *part.validation):
        assert not one.flags.writeable


def test_an_average_of_weights_is_refused(points: Points) -> None:
    """The weights of the best epoch would take its place."""

    def averaged(params: Any) -> Any:
        return pynn.Sequential(pynn.Affine(3)), {"callbacks": [pynn.PolyakAverage()]}

    outcome = trial.run(averaged, data(points), task())
    assert outcome.ended == "failed"
    assert "returned PolyakAverage, but a trial ends with the weights of its best epoch" in outcome.why


@pytest.mark.parametrize(("mode", "value"), [("max", np.inf), ("min", -np.inf), ("max", np.nan)])
def test_a_score_that_is_no_finite_number_is_none(points: Points, mode: str, value: float) -> None:
    def odd(outputs: Any, targets: Any) -> float:
        return value

    def endless(params: Any) -> Any:
        return pynn.Sequential(pynn.Affine(3)), {"metrics": [odd]}

    outcome = trial.run(endless, data(points), task(metric="val_odd", mode=mode))
    assert (outcome.ended, outcome.score, outcome.models) == ("diverged", None, [])
    assert outcome.why.startswith("val_odd was")


def test_build_may_return_a_model_alone_and_take_the_epochs(points: Points) -> None:
    seen = []

    def plain(params: Any, epochs: int) -> Any:
        seen.append(epochs)
        return pynn.Sequential(pynn.Affine(3))

    assert trial.run(plain, data(points), task(epochs=2)).ended == "finished"
    assert seen == [2]


def test_build_may_take_what_it_trains_on(points: Points) -> None:
    """x and y without a default; what has one is the user's own."""
    parts, seen = data(points, 2), []

    def fitted(params: Any, epochs: int, y: Any, x: Any, *, more: Any = None) -> Any:
        seen.append((epochs, x, y, more))
        return build(params)

    assert trial.run(fitted, parts, task(epochs=2)).ended == "finished"
    for fold, (epochs, x, y, more) in enumerate(seen):
        assert (epochs, more) == (2, None)
        np.testing.assert_array_equal(x, parts.part(fold).x)
        np.testing.assert_array_equal(y, parts.part(fold).y)
    assert len(seen) == 2
    own = functools.partial(fitted, y=3, x=4)
    assert trial.run(own, parts, task()).ended == "finished"
    assert seen[2] == (4, 4, 3, None)


def first_weights(made: Any, points: Points, seed: int) -> np.ndarray:
    """The weights of a trial of which one epoch changes next to nothing."""
    outcome = trial.run(made, data(points), task({"rate": 1e-30}, epochs=1, seed=seed))
    assert outcome.ended == "finished", outcome.error
    return np.round(model_of(outcome).parameters, 6)


def test_the_seed_of_the_trial_takes_the_place_of_the_models_own(points: Points) -> None:
    def seeded(params: Any) -> Any:
        model, settings = build(params)
        return pynn.Sequential(*model.layers, seed=5), settings

    one, other, plain = (first_weights(made, points, seed) for made, seed in ((seeded, 7), (seeded, 8), (build, 7)))
    np.testing.assert_array_equal(one, plain)
    assert not np.allclose(one, other)


def test_a_build_that_builds_the_model_may_take_the_seed_of_the_trial(points: Points) -> None:
    def whole(params: Any, seed: int = 5) -> Any:
        model, settings = build(params)
        model = pynn.Sequential(*model.layers, seed=seed)
        model.build((4,))
        return model, settings

    def keyword(params: Any, *, seed: int, epochs: int) -> Any:
        assert epochs == 1
        return whole(params, seed)

    def own(params: Any) -> Any:
        return whole(params)

    plain = first_weights(build, points, 7)
    for made in (whole, keyword):
        np.testing.assert_array_equal(first_weights(made, points, 7), plain)
        assert not np.allclose(first_weights(made, points, 8), plain)
    for fixed in (own, functools.partial(whole, seed=5)):
        np.testing.assert_array_equal(first_weights(fixed, points, 7), first_weights(fixed, points, 8))


def test_callbacks_and_metrics_of_build(points: Points) -> None:
    steps = []
    fit = {"callbacks": lambda trainer: steps.append(trainer.epoch), "metrics": ["f1"]}
    outcome = trial.run(build, data(points), task({"fit": fit}, metric="val_f1", mode="max"))
    assert outcome.score == max(outcome.curves[0]["val_f1"])
    assert steps == [1, 2, 3, 4]


def test_a_metric_that_is_not_measured_is_named(points: Points) -> None:
    outcome = trial.run(build, data(points), task(metric="val_f1", mode="max"))
    assert outcome.ended == "failed"
    assert "metric is 'val_f1', which is not measured; there are loss, accuracy, val_loss, val_accu" in outcome.why
    assert "Watcher" not in outcome.why


def test_preprocessing_is_fitted_in_each_fold_and_kept_in_the_model(points: Points) -> None:
    fit = {"preprocessing": pynn.Standardization()}
    outcome = trial.run(build, data((points[0] * 100 + 50, points[1]), 2), task({"fit": fit}))
    x = np.full((1, 4), 50.0)
    seen = [model_of(outcome, fold).preprocessing.transform(x) for fold in range(2)]  # type: ignore[union-attr]
    assert not np.allclose(*seen)
    assert abs(np.array(seen)).max() < 1


# Weights to go on from


def test_a_trial_goes_on_from_weights_of_the_same_shapes(points: Points) -> None:
    parts = data(points)
    first = trial.run(build, parts, task(epochs=8))
    on = trial.run(build, parts, task(epochs=1, start=first.models, number=9))
    assert on.went_on
    assert first.score is not None
    assert on.score == pytest.approx(first.score, rel=0.3)
    assert on.first == first.first
    other = trial.run(slow, parts, task({"rate": 0.01}, start=first.models))
    assert (other.ended, other.went_on) == ("finished", False)


def test_folds_go_on_from_their_own_weights(points: Points) -> None:
    parts = data(points, 3)
    first = trial.run(build, parts, task(epochs=8))
    on = trial.run(build, parts, task({"rate": 1e-12}, epochs=1, start=first.models))
    np.testing.assert_allclose(on.folds, first.folds, rtol=1e-4)


# Checkpoints


def test_an_interrupted_trial_goes_on_from_its_checkpoint_to_the_same_bits(points: Points, tmp_path: Any) -> None:
    interrupts = [2]
    trained = []

    def interrupting(params: Any) -> Any:
        def end_epoch(trainer: Any) -> None:
            trained.append(trainer.epoch)
            if trainer.epoch in interrupts:
                interrupts.clear()
                signal.raise_signal(signal.SIGINT)

        return build({"fit": {"callbacks": end_epoch}})

    parts, one = data(points), task(checkpoint=str(tmp_path / "trial-3"))
    whole = trial.run(build, parts, task())
    with pytest.raises(KeyboardInterrupt):
        trial.run(interrupting, parts, one)
    outcome = trial.run(interrupting, parts, one)
    assert trained == [1, 2, 3, 4]
    assert outcome.curves == whole.curves
    assert outcome.models == whole.models


@pytest.mark.parametrize("folds", [None, 2])
def test_a_trial_that_ended_keeps_its_checkpoint_until_that_is_known(
    points: Points, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, folds: int | None
) -> None:
    """Its process may be killed before it tells: then nothing is trained again."""
    monkeypatch.setattr(checkpoints, "EVERY", 0.0)
    trained = []

    def noting(params: Any) -> Any:
        return build({"fit": {"callbacks": lambda trainer: trained.append(trainer.epoch)}})

    parts, one = data(points, folds), task(checkpoint=str(tmp_path / "trial-3"))
    first = trial.run(noting, parts, one)
    trained.clear()
    again = trial.run(noting, parts, one)
    assert trained == []
    assert (again.ended, again.score, again.curves) == ("finished", first.score, first.curves)
    assert again.models == first.models


def test_a_trial_whose_folder_another_process_still_holds_begins_anew_beside_it(
    points: Points, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that was not heard of for long may live nevertheless, and some file systems have no locks."""
    monkeypatch.setattr(checkpoints, "PATIENCE", 0.1)
    monkeypatch.setattr(checkpoints, "EVERY", 0.0)
    (tmp_path / "trial-3" / "0").mkdir(parents=True)
    lock = filelocks.FolderLock(tmp_path / "trial-3" / "0", "0")
    try:
        outcome = trial.run(build, data(points), task(checkpoint=str(tmp_path / "trial-3")))
    finally:
        lock.release()
    assert (outcome.ended, outcome.curves) == ("finished", trial.run(build, data(points), task()).curves)
    assert [len(list(one.glob("checkpoint-*"))) for one in sorted((tmp_path / "trial-3").iterdir())] == [0, 1]


def test_a_checkpoint_of_another_model_is_left_behind(points: Points, tmp_path: Any) -> None:
    parts, one = data(points), task(checkpoint=str(tmp_path / "trial-3"), ends=0.0)
    assert trial.run(build, parts, one).ended == "unfinished"
    assert (tmp_path / "trial-3").exists()
    outcome = trial.run(slow, parts, task({"rate": 0.01}, checkpoint=one.checkpoint))
    assert outcome.ended == "finished"
    assert math.isfinite(outcome.score or math.nan)
