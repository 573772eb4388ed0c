"""pynn.plot: curves, the strip of misread samples, both in one picture, and files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pynn

pytest.importorskip("matplotlib")

from pynn import plot

DIGITS = tuple("0123456789")
CLOTHES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
RUN = {
    "loss": [1.2, 0.6, 0.4],
    "accuracy": [0.5, 0.8, 0.9],
    "val_loss": [1.0, 0.7, 0.6],
    "val_accuracy": [0.6, 0.7, 0.8],
    "learning_rate": [0.1, 0.1, 0.1],
}


@pytest.fixture
def samples(rng):
    """40 images whose first 15 are misread, with probabilities that grow from sample to sample."""
    images = rng.integers(0, 256, (40, 8, 8, 1), np.uint8)
    labels = np.arange(40) % 10
    predictions = np.where(np.arange(40) < 15, (labels + 1) % 10, labels)
    probabilities = np.full((40, 10), 0.01)
    probabilities[np.arange(40), predictions] = 0.5 + np.arange(40) / 100
    return images, labels, predictions, probabilities


def curves(figure):
    return {
        axes.get_ylabel(): {line.get_label(): (line.get_xdata(), line.get_ydata()) for line in axes.lines}
        for axes in figure.axes
        if axes.lines
    }


def captions(figure):
    return [axes.get_title() for axes in figure.axes if axes.images]


def test_history_draws_training_and_validation_over_the_epochs():
    drawn = curves(plot.history(RUN).figure)
    assert set(drawn) == {"loss", "accuracy"}
    for measure in drawn:
        for label, name in (("training", measure), ("validation", f"val_{measure}")):
            epochs, values = drawn[measure][label]
            np.testing.assert_array_equal(epochs, [1, 2, 3])
            np.testing.assert_array_equal(values, RUN[name])


@pytest.mark.parametrize("epochs", [1, 2, 3, 9, 30, 200])
def test_epochs_are_whole_numbers_on_the_axis(epochs):
    figure = plot.history({"loss": [1.0] * epochs, "accuracy": [0.5] * epochs}).figure
    figure.draw_without_rendering()
    for axes in figure.axes:
        first, last = axes.get_xlim()
        ticks = [tick for tick in axes.get_xticks() if first <= tick <= last]
        assert ticks
        assert all(tick == round(tick) for tick in ticks)


def test_history_with_a_penalty_shows_the_data_loss_alone():
    (axes,) = plot.history({"loss": [2.0, 1.5], "data_loss": [1.0, 0.5], "penalty": [1.0, 1.0], "val_loss": [1.2, 0.8]})
    curves = {line.get_label(): list(line.get_ydata()) for line in axes.lines}
    assert curves == {"training": [2, 1.5], "training, without the penalty": [1, 0.5], "validation": [1.2, 0.8]}


def test_history_without_validation_has_one_curve_and_no_legend():
    figure = plot.history({name: RUN[name] for name in ("loss", "accuracy")}).figure
    assert all(list(lines) == ["training"] for lines in curves(figure).values())
    assert all(axes.get_legend() is None for axes in figure.axes)
    assert all(axes.get_legend() is not None for axes in plot.history(RUN))


def test_history_of_a_real_run(points, tmp_path):
    model = pynn.Sequential(pynn.Affine(8), pynn.ReLU(), pynn.Affine(3))
    history = model.fit(*points, validation=points, epochs=1, batch_size=10, progress=False)
    epochs, values = curves(plot.history(history).figure)["loss"]["validation"]
    assert (list(epochs), list(values)) == ([1], history["val_loss"])
    history.plot(tmp_path / "run.png")
    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "nothing", [{}, {"loss": [], "accuracy": []}, pynn.History()], ids=["empty", "lists", "history"]
)
def test_history_without_epochs_is_an_error(nothing):
    with pytest.raises(ValueError, match="no epoch"):
        plot.history(nothing)


def test_misread_shows_the_wrong_ones_in_order(samples):
    images, labels, predictions, _ = samples
    figure = plot.misread(images, labels, predictions, DIGITS, limit=3)
    assert captions(figure) == ["0 → 1", "1 → 2", "2 → 3"]
    shown = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    np.testing.assert_array_equal(shown, images[:3, :, :, 0])
    assert figure.get_suptitle() == "15 of 40 samples misread, the first 3 shown: true → predicted"


def test_misread_with_probabilities_shows_the_surest_mistakes_first(samples):
    images, labels, predictions, probabilities = samples
    figure = plot.misread(images, labels, predictions, DIGITS, probabilities, limit=2)
    assert captions(figure) == ["4 → 5 (64%)", "3 → 4 (63%)"]


def test_misread_shows_all_when_there_are_few(samples):
    images, labels, predictions, _ = samples
    figure = plot.misread(images[12:], labels[12:], predictions[12:], DIGITS)
    assert len(captions(figure)) == 3
    assert figure.get_suptitle() == "3 of 28 samples misread: true → predicted"


def test_misread_of_nothing(samples):
    images, labels, _, _ = samples
    figure = plot.misread(images, labels, labels, DIGITS)
    assert (captions(figure), figure.get_suptitle()) == ([], "None of 40 samples misread")


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(5, 4, 4), (5, 4, 6, 1), (5, 4, 4, 3)], ids=str)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_misread_takes_grey_and_colour(shape, dtype, tmp_path):
    images = np.ones(shape, dtype)
    figure = plot.misread(images, np.zeros(5, int), np.ones(5, int), ("no", "yes"))
    plot.save(figure, tmp_path / "strip.png")
    assert len(captions(figure)) == 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((40, 8))}, r"images has shape \(40, 8\)"),
        ({"images": np.zeros((40, 8, 8, 2))}, r"images has shape \(40, 8, 8, 2\)"),
        ({"labels": np.zeros(39, int)}, r"labels has shape \(39,\), expected \(40,\)"),
        ({"predictions": np.zeros((40, 1), int)}, r"predictions has shape \(40, 1\)"),
        ({"probabilities": np.zeros((40, 9))}, r"probabilities has shape \(40, 9\), expected \(40, 10\)"),
        ({"labels": np.full(40, 10)}, "labels has numbers from 10 to 10"),
        ({"predictions": np.full(40, -1)}, "predictions has numbers from -1 to -1"),
    ],
)
def test_misread_refuses_what_does_not_fit(samples, change, message):
    given = dict(zip(("images", "labels", "predictions", "probabilities"), samples, strict=True), classes=DIGITS)
    with pytest.raises(ValueError, match=message):
        plot.misread(**{**given, **change})


def test_report_holds_curves_and_strip(samples):
    images, labels, predictions, probabilities = samples
    figure = plot.report(RUN, images, labels, predictions, DIGITS, probabilities)
    assert set(curves(figure)) == {"loss", "accuracy"}
    assert len(captions(figure)) == 12


@pytest.mark.slow
@pytest.mark.parametrize(
    "classes", [DIGITS, CLOTHES, ("a very long name of a class",) * 10], ids=["short", "long", "huge"]
)
def test_no_text_is_cut_off_or_overlaps(samples, classes):
    figure = plot.report(RUN, *samples[:3], classes, samples[3])
    figure.draw_without_rendering()
    texts = [axes.title for axes in figure.axes if axes.get_title()]
    texts += [label for axes in figure.axes if axes.lines for label in (axes.xaxis.label, axes.yaxis.label)]
    texts += [part._suptitle for part in figure.subfigs if part._suptitle]
    boxes = [text.get_window_extent() for text in texts]
    pictures = [axes.get_window_extent() for axes in figure.axes]
    assert len(boxes) == 12 + 4 + 1
    for place, box in enumerate(boxes):
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1
        assert not any(box.overlaps(other) for other in boxes[:place])
        assert not any(box.overlaps(other) for other in pictures)
    assert all(text.get_fontsize() >= 10 for text in texts)


@pytest.mark.parametrize("name", ["a.png", "a.PNG", "a.svg", "a.pdf"])
def test_save_writes_by_the_ending(tmp_path, name):
    plot.save(plot.history(RUN), tmp_path / name)
    assert (tmp_path / name).stat().st_size > 1000


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("a.xyz", ValueError, r"a\.xyz: expected a name that ends in one of .*\.png.*, got '\.xyz'"),
        ("a", ValueError, "got no ending"),
        ("nowhere/a.png", FileNotFoundError, "the folder .*nowhere does not exist"),
        ("folder.png", IsADirectoryError, "is a folder"),
    ],
)
def test_save_says_what_is_wrong_with_the_name(tmp_path, name, error, message):
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(error, match=message):
        plot.save(plot.history(RUN), tmp_path / name)


def python(code):
    elsewhere = Path(plot.__file__).parents[2]  # not the clone, whose pynn has no extension
    return subprocess.run([sys.executable, "-c", code], cwd=elsewhere, capture_output=True, text=True, timeout=120)


@pytest.mark.slow
def test_no_pyplot_and_no_window():
    done = python(
        "import sys, io; from pynn import plot; "
        "plot.history({'loss': [1], 'accuracy': [0]}).figure.savefig(io.BytesIO(), format='png'); "
        "print('matplotlib.pyplot' in sys.modules)"
    )
    assert done.stdout == "False\n", done.stderr


@pytest.mark.slow
def test_without_matplotlib_there_is_one_clear_error():
    done = python("import sys; sys.modules['matplotlib'] = None; from pynn import plot")
    assert done.stderr.splitlines()[-1] == 'ImportError: pictures need matplotlib: pip install "pynn-cpu[plot]"'


def mosaics(figure):
    return [(axes.get_title(), np.asarray(axes.images[0].get_array())) for axes in figure.axes]


@pytest.mark.slow
def test_whitening_draws_images_components_rebuilt_and_whitened_images(digits, tmp_path):
    images = digits.train[0]
    fitted = pynn.Whitening(epsilon=1e-3).fit(images)
    figure = plot.whitening(images, fitted, components=10, limit=4)
    (shown, originals), (top, components), (rebuilt, copies), (white, whitened) = mosaics(figure)
    share = fitted.explained_variance_[:10].sum() / fitted.explained_variance_.sum()
    assert shown == f"the first 4 of {len(images):,} images"
    assert top == "top 10 of 64 components"
    assert rebuilt == f"images rebuilt from 10 components ({share:.1%} of the variance)"
    assert white == "whitened images (zca, epsilon 0.001)"
    assert originals.shape == copies.shape == whitened.shape == (17, 17)
    assert components.shape == (35, 35)
    np.testing.assert_allclose(originals[9:, :8], images[2, :, :, 0] / 255)
    np.testing.assert_array_equal([originals[8], components[8, :17]], 1)
    second = fitted.components_[1].reshape(8, 8)
    np.testing.assert_allclose(components[:8, 9:17], (second / np.abs(second).max() + 1) / 2)
    pca = pynn.PCA(10).fit(images)
    expected = pca.inverse_transform(pca.transform(images[:1] / 255))[0, :, :, 0]
    np.testing.assert_allclose(copies[:8, :8], np.clip(expected, 0, 1), atol=1e-9)
    expected = pynn.Whitening("zca", 1e-3).fit(images).transform(images[:4] / 255)
    expected = np.clip(expected / (6 * expected.std()) + 0.5, 0, 1)
    np.testing.assert_allclose(whitened[:8, :8], expected[0, :, :, 0], atol=1e-6)
    plot.save(figure, tmp_path / "whitening.png")
    assert (tmp_path / "whitening.png").stat().st_size > 10_000


def test_whitening_fits_one_itself_and_takes_colours_and_floats(rng):
    images = rng.standard_normal((60, 4, 4, 3)) * 9 - 5
    titles, pictures = zip(*mosaics(plot.whitening(images)), strict=True)
    assert titles[:2] == ("the first 49 of 60 images", "top 48 of 48 components")
    assert "(100.0% of the variance)" in titles[2]
    assert all(picture.shape[2] == 3 and picture.min() >= 0 and picture.max() <= 1 for picture in pictures)
    np.testing.assert_allclose(pictures[0], pictures[2], atol=1e-9)
    assert pictures[0].min() == 0
    own = mosaics(plot.whitening(images, pynn.Whitening("zca").fit(images)))
    for picture, (_, same) in zip(pictures, own, strict=True):
        np.testing.assert_array_equal(picture, same)


@pytest.mark.slow
def test_whitening_of_images_without_any_spread():
    for _, picture in mosaics(plot.whitening(np.full((3, 4, 4), 7.0), components=2)):
        assert np.isfinite(picture).all()


def test_whitening_refuses_bad_arguments(digits, rng):
    images = digits.train[0]
    with pytest.raises(ValueError, match=r"images has shape \(5, 8\), expected \(N, H, W\)"):
        plot.whitening(rng.random((5, 8)))
    with pytest.raises(
        ValueError, match=r"images has shape \(49, 8, 8, 1\), expected \(N, 4, 4\): Whitening was fitted"
    ):
        plot.whitening(images, pynn.Whitening().fit(rng.random((9, 4, 4))))
    with pytest.raises(ValueError, match="Whitening: transform needs it to be fitted"):
        plot.whitening(images, pynn.Whitening())
    with pytest.raises(TypeError, match=r"fitted is PCA\(\), expected a pynn Whitening"):
        plot.whitening(images, pynn.PCA().fit(images))
    for name in ("components", "limit"):
        with pytest.raises(ValueError, match=f"{name} is 0, expected an integer of at least 1"):
            plot.whitening(images, **{name: 0})
