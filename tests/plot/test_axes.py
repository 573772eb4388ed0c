"""pynn.plot's functions of axes: what they draw, from what, into which axes, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pynn

pytest.importorskip("matplotlib")

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pynn import plot


def run(backend: str = "") -> tuple[pynn.Sequential, pynn.History]:
    """A small convolution that is watched for four epochs."""
    x, y = pynn.datasets.digits().train
    model = pynn.Sequential(
        pynn.Conv2d(4), pynn.BatchNorm(), pynn.ReLU(), pynn.Flatten(), pynn.Affine(12), pynn.Tanh(), pynn.Affine(10)
    )
    history = model.fit(
        x[:200], y[:200], validation=(x[200:300], y[200:300]), epochs=4, batch_size=20,
        callbacks=[pynn.Monitor(interval=10)], progress=False,
    )  # fmt: skip
    return model, history


@pytest.fixture(scope="module")
def watched() -> tuple[pynn.Sequential, pynn.History]:
    return run()


def axes_of(count: int = 1) -> Any:
    return Figure().subplots(1, count, squeeze=False).ravel()


def test_each_makes_axes_and_draws_into_given_ones(watched: Any, digits: Any) -> None:
    model, history = watched
    found = pynn.diagnostics.learning_rate_range(model, *digits.train, steps=12)
    calls: dict[str, Any] = {
        "update_ratios": lambda ax: plot.update_ratios(history, ax),
        "weights": lambda ax: plot.weights(model, ax),
        "confusion": lambda ax: plot.confusion(history, ax=ax),
        "learning_rate_range": lambda ax: plot.learning_rate_range(found, ax),
        "activations": lambda ax: plot.activations(np.ones((4, 5, 3)), ax),
    }
    for name, call in calls.items():
        axes = call(None)
        assert isinstance(axes, Axes), name
        assert axes.figure.axes[0] is axes
        assert axes.get_title(loc="left"), name
        (mine,) = axes_of()
        assert call(mine) is mine, name
        assert mine.figure.axes == [mine], name  # no colour bar, no legend of the figure
        assert not mine.figure.legends


def test_several_panels_are_an_array_of_axes(watched: Any) -> None:
    model, history = watched
    for call, count in (
        (lambda ax=None: plot.history(history, ax), 2), (lambda ax=None: plot.activations(history, ax), 4),
        (lambda ax=None: plot.histograms(history, ax), 4), (lambda ax=None: plot.histograms(model, ax), 4),
    ):  # fmt: skip
        axes = call()
        assert axes.shape == (count,)
        assert all(isinstance(one, Axes) for one in axes)
        assert axes.figure is axes[0].figure
        mine = axes_of(count)
        np.testing.assert_array_equal(call(mine), mine)
        np.testing.assert_array_equal(call(mine.reshape(1, -1).tolist()), mine)
        assert list(mine[0].figure.axes) == list(mine)


def test_history_of_other_names_a_record_and_a_model(watched: Any) -> None:
    model, history = watched
    for source in (history, history.record, model):
        loss, rate = plot.history(source, names=["loss", "learning_rate"])
        assert [line.get_label() for line in loss.lines] == ["training", "validation"]
        np.testing.assert_array_equal(loss.lines[1].get_ydata(), history["val_loss"])
        np.testing.assert_array_equal(rate.lines[0].get_ydata(), history["learning_rate"])
        assert rate.get_ylabel() == "learning rate"
        assert loss.get_title(loc="left") == f"loss {history['loss'][-1]:.3g}, validation {history['val_loss'][-1]:.3g}"
    (mine,) = axes_of()
    (loss,) = plot.history(history, mine)
    assert loss is mine
    assert mine.get_ylabel() == "loss"
    with pytest.raises(ValueError, match=r"names has 'lss', expected some of those that were measured: loss,"):
        plot.history(history, names=["lss"])
    with pytest.raises(ValueError, match="ax has 3 axes, expected 2"):
        plot.history(history, axes_of(3))


def test_attributes_of_the_figure_still_work_on_history_with_a_warning(tmp_path: Any) -> None:
    axes = plot.history({"loss": [1.0, 2.0]})
    with pytest.warns(DeprecationWarning, match=r"pynn\.plot\.history returns axes: write \.figure\.savefig"):
        axes.savefig(tmp_path / "a.png")
    with pytest.raises(AttributeError, match="has no attribute 'no_such'"):
        axes.no_such  # noqa: B018 (only looked up)
    plot.save(axes, tmp_path / "b.png")
    plot.save(axes[0], tmp_path / "c.png")
    assert (tmp_path / "a.png").exists()
    assert (tmp_path / "b.png").read_bytes() == (tmp_path / "c.png").read_bytes()


def test_update_ratios_are_those_of_the_record(watched: Any) -> None:
    _, history = watched
    axes = plot.update_ratios(history)
    lines = {line.get_label(): line for line in axes.lines if not str(line.get_label()).startswith("_")}
    assert list(lines) == ["conv2d1", "batchnorm1", "affine1", "affine2"]
    snapshots = [one for one in history.record.snapshots if one.layers["affine2"].ratio is not None]
    np.testing.assert_array_equal(lines["affine2"].get_xdata(), [one.step for one in snapshots])
    np.testing.assert_array_equal(lines["affine2"].get_ydata(), [one.layers["affine2"].ratio for one in snapshots])
    assert axes.get_yscale() == "log"
    assert [text.get_text() for text in axes.figure.legends[0].texts] == list(lines)
    only = plot.update_ratios(history, layers=["affine1"])
    assert [line.get_label() for line in only.lines][:1] == ["affine1"]


def test_activations_have_a_panel_for_what_the_layers_can_do(watched: Any) -> None:
    _, history = watched
    mean, _, dead, saturated = plot.activations(history)
    assert [line.get_label() for line in mean.lines] == ["conv2d1", "batchnorm1", "affine1", "affine2"]
    assert [line.get_label() for line in dead.lines] == ["batchnorm1"]
    assert [line.get_label() for line in saturated.lines] == ["affine1"]
    expected = [one.layers["affine1"].saturated for one in history.record.snapshots]
    np.testing.assert_array_equal(saturated.lines[0].get_ydata(), expected)
    assert len(plot.activations(history, layers="affine2")) == 2
    with pytest.raises(ValueError, match="ax has 5 axes, expected at most 4: mean, spread, dead, saturated"):
        plot.activations(history, axes_of(5))


def test_feature_maps_are_tiles_of_one_scale() -> None:
    maps = np.zeros((4, 6, 5))
    maps[:, :, 3] = 2
    axes = plot.activations(maps)
    picture = np.asarray(axes.images[0].get_array())
    assert (picture.min(), picture.max()) == (0, 1)
    assert axes.get_title(loc="left") == "5 feature maps of 4×6: black 0, white 2"


def test_histograms_over_the_steps_count_what_the_record_counts(watched: Any) -> None:
    _, history = watched
    for of in ("outputs", "gradients"):
        axes = plot.histograms(history, of=of)
        drawn = np.asarray(axes[-1].collections[0].get_array())
        assert drawn.shape[1] == len(history.record.snapshots)
        assert drawn.max() == 1
        last = getattr(history.record.snapshots[-1].layers["affine2"], of)
        middle = np.average(np.linspace(last.low, last.high, 65)[1::2], weights=last.counts)
        grid = np.linspace(*axes[-1].get_ylim(), 49)
        assert np.average((grid[1:] + grid[:-1]) / 2, weights=drawn[:, -1]) == pytest.approx(middle, abs=0.05)
    assert len(plot.histograms(history, layers=["flatten1"])) == 1
    assert len(plot.histograms(history, limit=2)) == 2


def test_histograms_of_weights_and_of_arrays(watched: Any, rng: np.random.Generator) -> None:
    model, _ = watched
    titles = [axes.get_title(loc="left") for axes in plot.histograms(model)]
    assert titles == ["conv2d1.weight", "batchnorm1.gamma", "affine1.weight", "affine2.weight"]
    two = {"a": rng.standard_normal((5, 7)), "b": np.array([1, 2, np.nan])}
    first, second = plot.histograms(two)
    assert sum(first.patches[0].get_data().values) == 35
    assert second.get_xlabel() == "value (mean 1.5, sd 0.5, 1 not finite)"
    (only,) = plot.histograms([1.0, 1.0])
    assert sum(only.patches[0].get_data().values) == 2


def test_weights_as_pictures_and_as_a_matrix(watched: Any, rng: np.random.Generator) -> None:
    model, _ = watched
    filters = plot.weights(model)
    assert filters.get_title(loc="left") == "conv2d1: 4 pictures"
    picture = np.ma.filled(filters.images[0].get_array(), np.nan)
    assert picture.shape == (49, 49)  # 2 × 2 filters of 24 × 24 pixels and the line between them
    kernel = model.layer("conv2d1").weight[..., 0, 1]
    np.testing.assert_allclose(picture[4:24:8, 29:49:8], kernel / abs(kernel).max(), rtol=1e-6)
    matrix = plot.weights(model, layer="affine2")
    np.testing.assert_array_equal(matrix.images[0].get_array(), model.layer("affine2").weight)
    colours = plot.weights(rng.standard_normal((5, 5, 3, 7)))
    assert np.asarray(colours.images[0].get_array()).shape[2] == 3
    assert (
        plot.weights(rng.standard_normal((3, 3, 2, 8)), limit=5)
        .get_title(loc="left")
        .endswith("the first 5 of 16 pictures")
    )
    flat = pynn.Sequential(pynn.Flatten(), pynn.Affine(9))
    flat.build((6, 5, 1))
    picture = np.ma.filled(plot.weights(flat).images[0].get_array(), np.nan)
    unit = flat.layers[1].weight[:, 0].reshape(6, 5)
    np.testing.assert_allclose(picture[2:24:4, 2:20:4], unit / abs(unit).max(), rtol=1e-6)


def test_confusion_counts_labels_of_every_kind(watched: Any) -> None:
    model, history = watched
    shares = plot.confusion([0, 0, 1, 1], [0, 1, 1, 1])
    np.testing.assert_array_equal(shares.images[0].get_array(), [[0.5, 0.5], [0, 1]])
    assert shares.get_title(loc="left") == "75.0% of 4 samples right"
    assert sorted(text.get_text() for text in shares.texts) == ["1", "1", "2"]
    animals = plot.confusion(["cat", "dog"], ["dog", "dog"], classes=["dog", "cat"])
    np.testing.assert_array_equal(animals.images[0].get_array(), [[1, 0], [1, 0]])
    named = plot.confusion([0, 1], [0, 1], classes=["cat", "dog"])
    assert [label.get_text() for label in named.get_yticklabels()] == ["cat", "dog"]
    matrix = pynn.metrics.confusion_matrix([0, 2, 1], [0, 1, 1])
    assert plot.confusion(matrix).get_title(loc="left") == "66.7% of 3 samples right"
    part = history.record.validation
    right = (part.outputs.argmax(axis=1) == part.y).mean()
    for source in (history, history.record, model):
        assert plot.confusion(source).get_title(loc="left") == f"{right:.1%} of 100 validation samples right"
    many = plot.confusion(np.arange(60), np.arange(60))
    assert not many.texts


def test_confusion_of_a_yes_or_no_run(rng: np.random.Generator) -> None:
    x = rng.standard_normal((80, 2))
    model = pynn.Sequential(pynn.Affine(1))
    history = model.fit(
        x, (x[:, 0] > 0).astype(int), loss="binary_cross_entropy", optimizer=pynn.Adam(0.1), epochs=20,
        callbacks=[pynn.Monitor()], progress=False,
    )  # fmt: skip
    assert "of 80 training samples right" in plot.confusion(history).get_title(loc="left")
    model = pynn.Sequential(pynn.Affine(1))
    history = model.fit(x, x[:, 0], loss="l2", callbacks=[pynn.Monitor()], progress=False)
    with pytest.raises(ValueError, match="no single label"):
        plot.confusion(history)


def test_no_state_of_matplotlib_changes(watched: Any) -> None:
    model, history = watched
    before, maps = dict(matplotlib.rcParams), matplotlib.colormaps["RdBu_r"]
    for call in (plot.history, plot.update_ratios, plot.activations, plot.histograms, plot.weights, plot.confusion):
        call(model if call is plot.weights else history)
    assert dict(matplotlib.rcParams) == before
    assert matplotlib.colormaps["RdBu_r"] == maps


@pytest.mark.parametrize("name", ["update_ratios", "activations", "histograms", "confusion"])
def test_a_run_that_was_not_watched_says_how_to_watch_it(name: str, points: Any) -> None:
    model = pynn.Sequential(pynn.Affine(3))
    history = model.fit(*points, progress=False)
    with pytest.raises(ValueError, match=r"train with fit\(\.\.\., callbacks=\[pynn\.Monitor\(\)\]\)"):
        getattr(plot, name)(history)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: plot.update_ratios(3), TypeError, "got 3, expected a History, a Record or a model"),
        (lambda: plot.history(3), TypeError, "history is 3, expected a History, a Record or a model"),
        (lambda: plot.histograms("x"), TypeError, "source is 'x', expected"),
        (lambda: plot.histograms([[np.nan]]), ValueError, "no finite number"),
        (lambda: plot.histograms({}), ValueError, "no arrays"),
        (lambda: plot.histograms([1.0], of="outputs"), ValueError, "of is for a run or a model"),
        (lambda: plot.histograms([1.0], of="output"), ValueError, "of is 'output', expected"),
        (lambda: plot.weights(pynn.Sequential(pynn.Affine(2))), RuntimeError, "not built yet"),
        (lambda: plot.weights(np.ones(3)), ValueError, r"the weights have shape \(3,\)"),
        (lambda: plot.weights(["a"]), TypeError, "expected a model or an array of numbers"),
        (lambda: plot.weights(np.ones((2, 2)), layer="affine1"), ValueError, "layer is for a model"),
        (lambda: plot.learning_rate_range([1, 2]), TypeError, "expected what pynn.diagnostics.learning_rate_range"),
        (lambda: plot.confusion([0, 1]), ValueError, r"shape \(2,\), expected a matrix .* pass y_pred too"),
        (lambda: plot.confusion([0, 1], [[0.1, 0.9]] * 2), ValueError, r"y_pred has shape .*model\.predict\(x\)"),
        (lambda: plot.confusion([0, 1], [0, 1, 1]), ValueError, r"y_pred has shape \(3,\)"),
        (lambda: plot.confusion(["a"], ["b"], classes=["a"]), ValueError, "label 'b' is not among the 1 classes"),
        (lambda: plot.confusion([[1, -1], [0, 1]]), ValueError, "negative or missing counts"),
        (lambda: plot.confusion([[1, 1], [0, 1]], classes=["a"]), ValueError, "classes has 1 names, expected 2"),
        (lambda: plot.confusion([], []), ValueError, "no samples"),
        (lambda: plot.activations(np.ones((2, 2))), ValueError, r"shape \(2, 2\), expected \(H, W, C\)"),
        (lambda: plot.history({"loss": [1.0]}, Figure()), TypeError, r"expected matplotlib axes or None; pass figure"),
        (lambda: plot.history({"loss": [1.0]}, "ax"), TypeError, "ax is 'a', expected matplotlib axes"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_an_unknown_layer_is_named(watched: Any) -> None:
    _, history = watched
    for call in (plot.update_ratios, plot.activations, plot.histograms):
        with pytest.raises(ValueError, match=r"layers has 'affine9', expected some of .*affine1"):
            call(history, layers=["affine9"])
    with pytest.raises(ValueError, match="layer is 'affine9'; a weight matrix or filters: conv2d1, affine1, affine2"):
        plot.weights(watched[0], layer="affine9")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_a_diverged_run_is_drawn(backend: str, points: Any, tmp_path: Any) -> None:
    model = pynn.Sequential(pynn.Affine(8), pynn.ReLU(), pynn.Affine(3))
    with pytest.raises(FloatingPointError):
        model.fit(
            *points,
            optimizer=pynn.SGD(1e6),
            epochs=30,
            callbacks=[pynn.Monitor(interval=1, stop=False)],
            progress=False,
            batch_size=5,
        )
    record = model.history.record
    for call in (plot.update_ratios, plot.activations, plot.histograms):
        plot.save(call(record), tmp_path / "a.png")
