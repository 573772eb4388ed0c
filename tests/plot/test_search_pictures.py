"""Pictures of a search: the best curves, the score against each parameter, parallel coordinates, all in one."""

from __future__ import annotations

import itertools
import re
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("optuna")

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

import pynn
from pynn import plot
from pynn.plot.search.points import STAGES
from pynn.plot.search.scales import Scale, short, written
from pynn.search import Trial, choice, integer, log_uniform, uniform
from pynn.search.space import Space

TWO = {"learning_rate": log_uniform(1e-4, 1e-1), "kind": choice(["relu", "tanh"])}


def trial(number: int, params: dict[str, Any], curve: list[float], ended: str = "finished", **more: Any) -> Trial:
    """A trial whose training accuracy is a tenth below the other."""
    fold = {"loss": [1.0] * len(curve), "accuracy": [one - 0.1 for one in curve], "val_accuracy": curve}
    known = [one for one in curve if one == one]
    score = max(known) if known else None
    best = [] if score is None else [1 + curve.index(score)]
    values = {"curves": [fold], "folds": [score], "best_epochs": best, **more}
    return Trial(number, params, score, ended, "", len(curve), number, 0.1, **values)


def result(spaces: Any, trials: list[Trial], edges: Any = None, mode: str = "max", metric: str = "val_accuracy") -> Any:
    """What a search would have found."""
    spaces = [Space(one) for one in (spaces if isinstance(spaces, list) else [spaces])]
    sign = -1 if mode == "max" else 1
    ranked = [one for one in trials if one.ended == "finished" and one.score is not None]
    ranked.sort(key=lambda one: sign * (one.score or 0))
    edges = edges or [{} for _ in spaces]
    return SimpleNamespace(spaces=spaces, trials=trials, ranked=ranked, edges=edges, mode=mode, metric=metric)


@pytest.fixture
def found() -> Any:
    """Four trials that finished, one that was stopped, one that diverged."""
    rates, kinds = [1e-3, 1e-2, 5e-2, 1e-4, 2e-4, 9e-2], ["relu", "tanh", "relu", "relu", "tanh", "tanh"]
    curves = [[0.5, 0.7, 0.6], [0.6, 0.8, 0.9], [0.7, 0.95, 0.94], [0.1, 0.1, 0.2], [0.1], [np.nan]]
    ended = ["finished"] * 4 + ["stopped", "diverged"]
    return result(
        TWO,
        [
            trial(number, {"learning_rate": rate, "kind": kind}, curve, how)
            for number, (rate, kind, curve, how) in enumerate(zip(rates, kinds, curves, ended, strict=True))
        ],
    )


def staged() -> Any:
    second = {"learning_rate": log_uniform(1e-2, 3e-1), "kind": choice(["relu"])}
    trials = [
        trial(number, {"learning_rate": rate, "kind": "relu"}, [0.1, 0.5 + rate], stage=stage)
        for stage, rates in ((1, [1e-3, 5e-2, 9e-2]), (2, [2e-2, 2e-1]))
        for number, rate in enumerate(rates)
    ]
    return result([TWO, second], trials, [{"learning_rate": "upper"}, {}])


def points(axes: Axes) -> list[np.ndarray]:
    """The marks of a panel: filled, hollow, crosses."""
    return [np.asarray(one.get_offsets()) for one in axes.collections if len(one.get_offsets())]


def test_each_makes_axes_and_draws_into_given_ones(found: Any) -> None:
    for call, count in ((plot.trials, 4), (plot.parameters, 2)):
        axes = call(found)
        assert axes.shape == (count,)
        assert axes.figure is axes[0].figure
        mine = Figure().subplots(1, count, squeeze=False).ravel()
        np.testing.assert_array_equal(call(found, mine), mine)
        assert list(mine[0].figure.axes) == list(mine)
        assert not mine[0].figure.legends
    assert isinstance(plot.parallel_coordinates(found), Axes)
    (mine,) = Figure().subplots(1, 1, squeeze=False).ravel()
    assert plot.parallel_coordinates(found, mine) is mine
    assert mine.figure.axes == [mine]


def test_curves_are_ranked_and_say_their_parameters(found: Any) -> None:
    axes = plot.trials(found, limit=3)
    assert [one.get_title(loc="left") for one in axes] == ["1: 0.95", "2: 0.9", "3: 0.7"]
    training, validation, best = axes[0].lines
    np.testing.assert_array_equal(validation.get_ydata(), [0.7, 0.95, 0.94])
    np.testing.assert_array_equal(validation.get_xdata(), [1, 2, 3])
    np.testing.assert_allclose(training.get_ydata(), [0.6, 0.85, 0.84])
    assert (training.get_linestyle(), validation.get_linestyle()) == ("--", "-")
    assert (list(best.get_xdata()), list(best.get_ydata())) == ([2], [0.95])
    assert axes[0].get_xlabel() == "trial 2\nlearning_rate 0.05\nkind relu"
    assert len({one.get_ylim() for one in axes}) == 1
    assert axes.figure.get_suptitle() == (
        "val_accuracy of the best 3 of 6 trials over the epochs, dashed: accuracy in training"
    )
    assert validation.get_color() != axes[1].lines[1].get_color()


def test_curves_of_folds_and_of_several_stages() -> None:
    folds = [{"val_accuracy": [0.5, 0.6]}, {"val_accuracy": [0.7, 0.4]}]
    one = Trial(
        0, {"learning_rate": 0.01, "kind": "relu"}, 0.65, "finished", "", 4, 0, 0.1, 1, [0.6, 0.7], [2, 1], folds
    )
    (axes,) = plot.trials(result(TWO, [one]))
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [0.6, 0.5])  # the mean
    assert [list(line.get_ydata()) for line in axes.lines[1:]] == [[0.6], [0.7]]
    (area,) = axes.collections
    box = area.get_paths()[0].get_extents()
    np.testing.assert_allclose([box.y0, box.y1], [0.4, 0.7])
    assert axes.figure.get_suptitle() == (
        "val_accuracy of 1 trial over the epochs; lines: mean of the folds, area: their range"
    )
    assert plot.trials(staged())[0].get_xlabel().startswith("stage 2, trial 1\n")


def test_curves_of_losses_far_apart_have_a_logarithmic_axis() -> None:
    trials = [
        Trial(n, {"learning_rate": 0.01, "kind": "relu"}, low, "finished", "", 2, 0, 0.1, 1, [low], [2],
              [{"val_loss": [high, low], "loss": [np.inf, 1.0]}])
        for n, (high, low) in enumerate([(900.0, 0.1), (5.0, 0.2)])
    ]  # fmt: skip
    found = result(TWO, trials, mode="min", metric="val_loss")
    assert {one.get_yscale() for one in plot.trials(found)} == {"log"}
    assert plot.parameters(found)[0].get_yscale() == "linear"


def test_scores_lie_at_their_parameters(found: Any) -> None:
    rate, kind = plot.parameters(found)
    hollow, filled, crosses = points(rate)
    np.testing.assert_allclose(filled, [[1e-3, 0.7], [1e-2, 0.9], [5e-2, 0.95], [1e-4, 0.2]])
    np.testing.assert_allclose(hollow, [[2e-4, 0.1]])
    np.testing.assert_allclose(crosses, [[9e-2, 0.045]])  # of the panel's height
    low, high = rate.get_ylim()
    assert (0.1 - low) / (high - low) > 0.09  # the smallest score lies above the lane of the crosses
    assert all((tick - low) / (high - low) >= 0.09 for tick in rate.get_yticks())
    assert rate.get_xscale() == "log"
    low, high = rate.get_xlim()
    assert low < 1e-4 < 1e-1 < high
    assert (rate.get_title(loc="left"), rate.get_xlabel(), rate.get_ylabel()) == (
        "learning_rate",
        "log scale",
        "val_accuracy",
    )
    assert [label.get_text() for label in kind.get_xticklabels()] == ["relu", "tanh"]
    np.testing.assert_array_equal(points(kind)[1][:, 0].round(), [0, 1, 0, 0])
    star = rate.lines[-1]
    assert (star.get_marker(), list(star.get_xdata()), list(star.get_ydata())) == ("*", [5e-2], [0.95])
    assert [text.get_text() for text in rate.figure.legends[0].texts] == [
        "finished", "stopped or pruned", "diverged or failed", "the best",
    ]  # fmt: skip
    (only,) = plot.parameters(found, names="kind")
    assert only.get_title(loc="left") == "kind"


def test_crosses_are_where_losses_are_worst(found: Any) -> None:
    found.mode = "min"
    assert points(plot.parameters(found)[0])[-1][0, 1] == pytest.approx(0.955)


def test_without_scores_there_is_no_axis_of_scores(found: Any) -> None:
    lost = result(TWO, found.trials[-1:])
    axes = plot.parallel_coordinates(lost)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["learning_rate", "kind"]
    assert axes.get_title(loc="left") == "parameters of 1 trial, none of which has a score"
    rate, _ = plot.parameters(lost)
    assert (list(rate.get_yticks()), rate.get_ylabel()) == ([], "")
    assert points(rate)[-1][0, 1] == 0.5


def test_stages_have_the_colours_of_the_page() -> None:
    page = Path(pynn.__file__).parent / "diagnostics" / "report"
    root = page.joinpath("style.css").read_text("utf-8").partition("@media")[0]
    css = page.joinpath("search", "page.css").read_text("utf-8")
    for stage, colour in enumerate(STAGES):
        (name,) = re.findall(rf"\.stage{stage} {{ --colour: var\((--r\d)\)", css)
        assert f"{name}: {colour};" in root


@pytest.mark.parametrize(("end", "shaded"), [("upper", (10**-1.45, 1e-1)), ("lower", (1e-4, 10**-3.55))])
def test_the_end_at_which_the_best_sit_is_marked(found: Any, end: str, shaded: tuple[float, float]) -> None:
    found.edges = [{"learning_rate": end}]
    rate, kind = plot.parameters(found)
    (span,) = (one for one in rate.patches if isinstance(one, Rectangle) and one.get_gid() != "lane")
    assert (span.get_x(), span.get_x() + span.get_width()) == pytest.approx(shaded)
    assert rate.get_xlabel() == f"the best sit at the {end} end"
    (lane,) = kind.patches
    assert (lane.get_gid(), lane.get_y(), lane.get_height()) == ("lane", 0, 0.09)


def test_stages_have_bars_for_their_ranges() -> None:
    rate, kind = plot.parameters(staged())
    bars = [line for line in rate.lines if line.get_linewidth() == 3.5]
    assert [list(line.get_xdata()) for line in bars] == [[1e-4, 1e-1], [1e-2, 3e-1]]
    assert rate.get_xlabel() == "the best sit at the upper end (stage 1)"
    assert rate.get_xlim()[1] > 3e-1
    assert len([line for line in kind.lines if line.get_linewidth() == 3.5]) == 3
    assert kind.get_xlabel() == ""
    assert plot.parameters(result({"kind": choice(["relu"])}, staged().trials))[0].get_xlabel() == "the only choice"
    texts = [text.get_text() for text in rate.figure.legends[0].texts]
    assert texts == ["stage 1, range above", "stage 2, range above", "the best"]


def test_lines_go_through_the_parameters_to_the_score(found: Any) -> None:
    axes = plot.parallel_coordinates(found)
    lost, known, best = (one for one in axes.collections if isinstance(one, LineCollection))
    (path,) = best.get_segments()
    np.testing.assert_allclose(path, [[0, 2.69897 / 3], [1, 0], [2, 1]], atol=1e-5)
    assert len(known.get_segments()) == 5
    np.testing.assert_array_equal(known.get_segments()[-1], path)  # the best on top
    (path,) = lost.get_segments()
    assert path[-1, 1] < 0
    assert [label.get_text() for label in axes.get_xticklabels()] == ["learning_rate", "kind", "val_accuracy"]
    texts = [text.get_text() for text in axes.texts]
    assert texts[:5] == ["0.0001", "0.0032", "0.1", "relu", "tanh"]
    assert (texts[5], texts[-2:]) == ("0.1", ["0.95", "no score"])
    assert "not used" not in texts


def test_parameters_that_a_trial_does_not_have_are_passed_by() -> None:
    space = {"optimizer": choice({"sgd": {"momentum": uniform(0, 1)}, "adam": {}})}
    trials = [trial(0, {"optimizer": "sgd", "momentum": 0.25}, [0.5]), trial(1, {"optimizer": "adam"}, [0.6])]
    axes = plot.parallel_coordinates(result(space, trials))
    paths = axes.collections[1].get_segments()
    assert [float(path[1, 1]) for path in paths] == [0.25, pytest.approx(-0.14)]
    assert [text.get_text() for text in axes.texts].count("not used") == 1
    assert "no score" not in [text.get_text() for text in axes.texts]
    optimizer, momentum = plot.parameters(result(space, trials))
    assert len(points(momentum)[0]) == 1
    assert len(points(optimizer)[0]) == 2


def test_all_in_one_picture(found: Any) -> None:
    figure = plot.search_report(found)
    assert figure.get_suptitle() == "best val_accuracy 0.95 (trial 2); 6 trials: 4 finished, 1 stopped, 1 diverged"
    assert [part.get_suptitle().split(" of ")[0] for part in figure.subfigs] == [
        "val_accuracy", "val_accuracy", "parameters and score",
    ]  # fmt: skip
    assert (
        plot.search_report(staged()).get_suptitle().startswith("best val_accuracy 0.7 (trial 1 of stage 2); 5 trials:")
    )


def test_without_a_finished_trial_there_are_no_curves(found: Any, tmp_path: Any) -> None:
    lost = result(TWO, found.trials[-1:])
    figure = plot.search_report(lost)
    assert (figure.get_suptitle(), len(figure.subfigs)) == ("1 trial: 1 diverged", 2)
    plot.save(figure, tmp_path / "a.png")
    with pytest.raises(ValueError, match="no trial of the search has finished, so there are no curves to draw"):
        plot.trials(lost)


NAMES = {
    "few": ({"learning_rate": log_uniform(1e-5, 1.0)}, 1),
    "one": ({"learning_rate": log_uniform(1e-8, 1e-2)}, 60),
    "six": (
        {"learning_rate": log_uniform(1e-4, 1e-1), "weight_decay": log_uniform(1e-8, 1e-2), "dropout": uniform(0, 0.6),
         "width": integer(16, 512, log=True), "depth": integer(1, 3), "batch_size": choice([32, 64, 128, 256])}, 60,
    ),
    "long": (
        {"learning_rate_of_the_first_convolutional_layers": log_uniform(1e-4, 1e-1),
         "layers": choice([(512, 512), (), None]),
         "a_name_that_is_very_long_indeed": choice(["a value that is long, too", "another one of these", "x"]),
         "x" * 80: uniform(-1e5, 1e5)}, 20,
    ),
}  # fmt: skip


def overlapping(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of texts that overlap, and texts that leave the figure at its sides."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    axes = [axis for one in figure.findobj(Axes) if isinstance(one, Axes) for axis in (one.xaxis, one.yaxis)]
    labels = {id(tick.label1) for axis in axes for tick in axis.get_major_ticks()}
    shown = {id(tick.label1) for axis in axes for tick in axis._update_ticks()}
    texts = [one for one in figure.findobj(Text) if isinstance(one, Text) and one.get_visible() and one.get_text()]
    boxes = [
        (one.get_text(), one.get_window_extent(renderer))
        for one in texts
        if (id(one) not in labels or id(one) in shown)
        and not 0 < one.get_rotation() < 90  # boxes of these are too large
    ]
    found = [(text, "outside") for text, box in boxes if box.x0 < -1 or box.x1 > figure.bbox.x1 + 1]
    for (text, box), (other, second) in itertools.combinations(boxes, 2):
        if box.padded(-1).overlaps(second.padded(-1)):
            found.append((text, other))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("case", NAMES)
def test_no_texts_overlap(case: str) -> None:
    parts, count = NAMES[case]
    random = np.random.default_rng(0)
    space = Space(parts)

    def drawn(_: str, __: str, part: Any) -> Any:
        return part.at(random.random()) if hasattr(part, "low") else part.labels[random.integers(len(part.labels))]

    trials = []
    for number in range(count):
        curve = np.sort(random.random(5)).round(3).tolist()
        ended = "finished" if number % 5 < 3 else "pruned" if number % 5 == 3 else "failed"
        trials.append(trial(number, space.walk(drawn), curve if ended != "failed" else [], ended))
    found = result(parts, trials, [{next(iter(parts)): "upper"}])
    assert overlapping(plot.search_report(found)) == []


def test_names_and_values_are_shortened() -> None:
    assert short("learning_rate", 24) == "learning_rate"
    assert short("learning_rate_of_the_first_layer", 16) == "learning_r…layer"
    assert len(short("x" * 500, 20)) == 20
    assert [written(one) for one in (0.00123456, 64, (512, 64), [], None, True)] == [
        "0.00123", "64", "512, 64", "none", "None", "True",
    ]  # fmt: skip


def test_scales_of_stages_hold_all_their_ranges() -> None:
    scale = Scale([log_uniform(1e-3, 1e-1), log_uniform(1e-2, 1.0)])
    assert (scale.low, scale.high, scale.log) == (1e-3, 1, True)
    assert scale.share(1e-3) == pytest.approx(0)
    assert [text for _, text in scale.marks(9)] == ["0.001", "0.032", "1"]
    assert [text for _, text in Scale([integer(1, 3)]).marks(9)] == ["1", "2", "3"]
    assert Scale([choice(["a"])]).share("a") == 0.5


def test_no_state_of_matplotlib_changes(found: Any) -> None:
    before = dict(matplotlib.rcParams)
    plot.search_report(found)
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("call", [plot.trials, plot.parameters, plot.parallel_coordinates, plot.search_report])
def test_what_is_refused_by_all(call: Any) -> None:
    with pytest.raises(TypeError, match=r"result is 3, expected what Search\.run or Search\.coarse_to_fine returns"):
        call(3)
    with pytest.raises(ValueError, match="the search has no trials, so there is nothing to draw"):
        call(result(TWO, []))


def test_what_is_refused(found: Any) -> None:
    with pytest.raises(ValueError, match="names has 'rate', expected some of learning_rate, kind"):
        plot.parameters(found, names=["rate"])
    with pytest.raises(ValueError, match="limit is 0"):
        plot.trials(found, limit=0)
    with pytest.raises(ValueError, match="ax has 1 axes, expected 2"):
        plot.parameters(found, Figure().subplots())


def test_pictures_of_many_trials_take_no_time_for_each_pair() -> None:
    rates = np.geomspace(1e-4, 1e-1, 20_000)
    many = [trial(n, {"learning_rate": rate, "kind": "relu"}, [n / 20_000]) for n, rate in enumerate(rates.tolist())]
    begun = time.process_time()
    plot.parameters(result(TWO, many), names=["learning_rate"])
    plot.parallel_coordinates(result(TWO, many))
    assert time.process_time() - begun < 4
