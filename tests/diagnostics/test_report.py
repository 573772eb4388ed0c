"""The report: what stands on the page for runs of many kinds, that all text is escaped, and that it stays small."""

from __future__ import annotations

import html
import math
import re
import threading
from html.parser import HTMLParser
from importlib import import_module

import numpy as np
import pytest
import watched_runs

import pynn
from pynn.diagnostics import Record, Snapshot, Verdict, Verdicts, report, run_folder
from pynn.diagnostics.record import Histogram, LayerStatistics, Part

charts, curves, layers, pictures, predictions, scales, words = (
    import_module(f"pynn.diagnostics.report.{name}")
    for name in ("charts", "curves", "layers", "pictures", "predictions", "scales", "words")
)
VOID = {"meta", "link", "img", "br", "path", "rect", "image"}
NASTY = "</script><img src=x onerror=alert(1)>\"'&"


class Checked(HTMLParser):
    """Checks that elements are closed in order, and gathers ids, words and addresses."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.links, self.text = [], [], [], []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given[name] for name in ("src", "href") if name in given]
        assert not [name for name in given if name.startswith("on")], (tag, given)
        if tag == "img":
            assert given["alt"] is not None
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.text.append(data)


def page_of(run, tmp_path) -> tuple[str, str]:
    """The page of a run, checked, and its words."""
    report(run, tmp_path / "run.html")
    content = (tmp_path / "run.html").read_text("utf-8")
    checked = Checked()
    checked.feed(content)
    checked.close()
    assert not checked.open
    assert len(set(checked.ids)) == len(checked.ids)
    assert all(link.startswith(("data:", "#")) for link in checked.links)
    for path in re.findall(r' d="([^"]*)"', content):
        assert re.fullmatch(r"[-MLHVZh0-9. ]+", path), path[:200]
    assert len(content.encode()) < 2_000_000
    assert "cannot be drawn" not in content
    return content, " ".join(" ".join(checked.text).split())


def test_the_page_of_a_usual_run(tmp_path):
    history = watched_runs.watched(tmp_path / "run", metrics=["accuracy", "top2"])
    content, text = page_of(history, tmp_path)
    for title in (
        "Verdicts",
        "Curves",
        "Predictions",
        "Layers",
        "Data",
        "Settings",
        "Confusion matrix",
        "To run it again",
    ):
        assert title in text
    for name in ("loss", "accuracy", "top2"):
        assert f"training {name}" in text
        assert f"validation {name}" in text
    for what in ("Update / weights", "Learning rate", "Loss of single steps", "Share of", "Norm of the gradient"):
        assert what in text
    assert "Nothing is wrong as far as can be seen." in text
    assert f"pynn {pynn.__version__}" in text
    assert "affine1: outputs" in text
    assert "affine1: gradients" in text
    folder, _ = page_of(tmp_path / "run", tmp_path)
    assert folder.replace("Training run run", "Training run") == content
    history.report(tmp_path / "own.html")
    assert (tmp_path / "own.html").read_text("utf-8") == content


def test_a_model_is_taken_too(tmp_path):
    model = watched_runs.network()
    history = watched_runs.watched(model=model)
    assert page_of(model, tmp_path) == page_of(history, tmp_path) == page_of([history.record], tmp_path)


def test_verdicts_stand_on_top(tmp_path, monkeypatch):
    found = [
        Verdict("exploding", "error", "affine<1>", "the gradient is 3e9", "Lower the learning rate."),
        Verdict("frozen", "info", "", "affine2 does not learn", "Unfreeze it."),
    ]
    for module in ("page", "compare"):
        monkeypatch.setattr(
            import_module(f"pynn.diagnostics.report.{module}"), "of_record", lambda record: Verdicts(found)
        )
    content, text = page_of(watched_runs.watched(), tmp_path)
    for told in ("error exploding affine<1>", "The gradient is 3e9", "Try: Lower the learning rate.", "frozen"):
        assert told in text
    assert content.index("exploding") < content.index('id="curves"')
    assert "Nothing is wrong" not in text


# Runs that lack something ---------------------------------------------------------------------------


def test_no_validation(tmp_path):
    _, text = page_of(watched_runs.watched(validation=None), tmp_path)
    assert "There was no validation" in text
    assert "rows of the training data" in text


def test_one_epoch(tmp_path):
    content, text = page_of(watched_runs.watched(epochs=1), tmp_path)
    assert "One epoch: the curves are single points." in text
    assert re.search(r'class="line train" d="M[\d.]+ [\d.]+h0.01"', content)


def test_no_step_was_taken(tmp_path):
    class Stopped(pynn.Callback):
        def on_step_begin(self, trainer):
            raise ZeroDivisionError("no <step>")

    x, y = watched_runs.samples()
    model = watched_runs.network()
    model.build((6,))
    with pytest.raises(ZeroDivisionError):
        model.fit(x, y, progress=False, callbacks=[Stopped(), pynn.Monitor(tmp_path / "run")])
    _, text = page_of(tmp_path / "run", tmp_path)
    assert "Ended by an error after 0 epochs, 0 steps: ZeroDivisionError: no <step>" in text
    assert "cannot be drawn" not in text


def test_a_diverging_run(tmp_path):
    x, y = watched_runs.samples()
    model = pynn.Sequential(pynn.Affine(8), pynn.ReLU(), pynn.Affine(3))
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError):
        watched_runs.watched(tmp_path / "run", model=model, samples=(x, y), optimizer=pynn.SGD(1e5))
    _, text = page_of(tmp_path / "run", tmp_path)
    assert "Ended by an error" in text


def test_a_record_of_nothing(tmp_path):
    _, text = page_of(Record({}, []), tmp_path)
    assert "Still running: 0 epochs, 0 steps so far." in text


def test_layers_that_stand_still_are_named(tmp_path):
    model = pynn.Sequential(*[layer for _ in range(40) for layer in (pynn.Affine(8), pynn.Sigmoid())], pynn.Affine(3))
    _, text = page_of(watched_runs.watched(model=model, epochs=1), tmp_path)
    assert re.search(r"Not drawn, as it is 0 all the time: affine1, affine2,", text)


def test_a_run_that_could_not_be_watched(tmp_path):
    class Guarded(pynn.Layer):
        def build(self, shape):
            self.guard = threading.Lock()  # cannot be copied
            return shape

        def forward(self, x, training):
            return x

        def backward(self, dy):
            return dy

    watched_runs.watched(tmp_path / "run", model=pynn.Sequential(pynn.Affine(3), Guarded()))
    _, text = page_of(tmp_path / "run", tmp_path)
    assert "The layers could not be watched: TypeError: cannot pickle" in text
    assert "Loss of single steps" in text


def test_a_killed_run(tmp_path):
    watched_runs.watched(tmp_path / "run")
    events = tmp_path / "run" / "events.jsonl"
    events.write_bytes(b"".join(events.read_bytes().splitlines(keepends=True)[:-2]))
    _, text = page_of(tmp_path / "run", tmp_path)
    assert "The run was killed, or its machine stopped" in text


def test_a_part_that_fails_does_not_take_the_others_along(tmp_path, monkeypatch):
    def broken(record):
        raise ZeroDivisionError("<so>")

    monkeypatch.setattr(predictions, "html", broken)
    report(watched_runs.watched(), tmp_path / "run.html")
    content = (tmp_path / "run.html").read_text("utf-8")
    assert "This part cannot be drawn: ZeroDivisionError: &lt;so&gt;" in content
    assert "Loss of single steps" in content


def test_the_history_of_a_run_that_nobody_watched(tmp_path):
    x, y = watched_runs.samples()
    history = watched_runs.network().fit(x, y, epochs=1, progress=False)
    with pytest.raises(ValueError, match=r"not watched: train with callbacks=\[pynn\.Monitor\(\)\]"):
        history.report(tmp_path / "a.html")
    with pytest.raises(ValueError, match="run_or_runs is empty"):
        report([], tmp_path / "a.html")
    assert not (tmp_path / "a.html").exists()


# Kinds of tasks -------------------------------------------------------------------------------------


def test_pictures(tmp_path, digits):
    model = pynn.Sequential(pynn.Conv2d(8), pynn.ReLU(), pynn.MaxPool2d(2), pynn.Flatten(), pynn.Affine(10))
    content, text = page_of(watched_runs.watched(model=model, samples=digits.train, epochs=1), tmp_path)
    assert "Most confident mistakes" in text
    assert "First-layer weights" in text
    assert "Some training samples" in text
    assert len(re.findall(r"<img ", content)) > 12 + 8


@pytest.mark.parametrize("size", [64, 784, 3072])
def test_flat_pictures(tmp_path, size):
    random = np.random.default_rng(0)
    model = pynn.Sequential(pynn.Affine(4), pynn.ReLU(), pynn.Affine(3))
    history = watched_runs.watched(model=model, samples=(random.random((60, size), np.float32), np.arange(60) % 3))
    content, text = page_of(history, tmp_path)
    assert "First-layer weights" in text
    assert "<img " in content


def test_numbers(tmp_path):
    x, _ = watched_runs.samples()
    for columns in (1, 6):
        model = pynn.Sequential(pynn.Affine(8), pynn.ReLU(), pynn.Affine(columns))
        y = np.repeat(x[:, :1] * 3 + 1, columns, axis=1)
        history = watched_runs.watched(model=model, samples=(x, y), loss="l2")
        content, text = page_of(history, tmp_path)
        assert "Predicted against true" in text
        assert "Largest errors" in text
        assert content.count('class="chart scatter"') == min(columns, 4)
    assert "2 other outputs left out" in text


@pytest.mark.parametrize("loss", ["binary_cross_entropy", "binary_hinge"])
def test_yes_or_no(tmp_path, loss):
    x, y = watched_runs.samples()
    history = watched_runs.watched(model=pynn.Sequential(pynn.Affine(1)), samples=(x, y == 0), loss=loss)
    _, text = page_of(history, tmp_path)
    assert "Confusion matrix" in text
    assert "accuracy" in text


def test_several_answers(tmp_path):
    x, y = watched_runs.samples()
    answers = np.stack([y == 0, y > 0, x[:, 0] > 0], axis=1)
    history = watched_runs.watched(
        model=pynn.Sequential(pynn.Affine(3)), samples=(x, answers), loss="binary_cross_entropy"
    )
    assert "answer yes right recall precision" in page_of(history, tmp_path)[1]


def test_labels_of_sequences(tmp_path):
    x = np.random.default_rng(0).standard_normal((40, 5, 3)).astype(np.float32)
    y = (x[:, :, 0] > 0).astype(int)
    history = watched_runs.watched(model=pynn.Sequential(pynn.Affine(2)), samples=(x, y))
    assert "Confusion matrix" in page_of(history, tmp_path)[1]


def test_hinge_tells_margins(tmp_path):
    history = watched_runs.watched(loss="hinge", epochs=1)
    assert "by a margin of" in page_of(history, tmp_path)[1]


def test_columns_by_their_names(tmp_path):
    pandas = pytest.importorskip("pandas")
    x, y = watched_runs.samples()
    frame = pandas.DataFrame(x, columns=["age", "income", "<b>height</b>", "d", "e", "f"])
    content, text = page_of(watched_runs.watched(samples=(frame, y)), tmp_path)
    assert "income" in text
    assert "<b>height</b>" in text
    assert "<b>height</b>" not in content


# Large and hostile ----------------------------------------------------------------------------------


def statistics(random, ratio=1e-3):
    def histogram():
        return Histogram(random.integers(0, 400, 32), float(random.normal()) - 2, float(random.normal()) + 2)

    return LayerStatistics(
        mean=float(random.normal()), spread=1.0, dead=float(random.random()), saturated=0.0, gradient=0.1, weight=0.1,
        weight_gradient=0.01, ratio=ratio, outputs=histogram(), gradients=histogram(),
    )  # fmt: skip


def large(depth=10, epochs=100, classes=10, snapshots=200) -> Record:
    random = np.random.default_rng(0)
    names = [f"affine{number}" for number in range(1, depth + 1)]
    settings = {
        "loss": "SoftmaxCrossEntropy", "family": "labels", "classes": classes, "optimizer": "Adam", "samples": 50000,
        "inputs": [784], "outputs": [classes], "parameters": 10**6, "batch_size": 128, "learning_rate": 1e-3,
    }  # fmt: skip
    described = [
        {"name": name, "kind": "Affine", "custom": False, "activation": "relu", "inputs": [64], "outputs": [64],
         "parameters": 4160, "frozen": False} for name in names
    ]  # fmt: skip
    steps = np.linspace(0, 39000, snapshots).astype(int).tolist()
    taken = [
        Snapshot(step, 0, 1e-3, 1.0, 1.1, 0.0, 3.0, {name: statistics(random) for name in names}) for step in steps
    ]
    x, y = random.random((1000, 784), np.float32), random.integers(0, classes, 1000)
    part = Part(x, y, np.arange(1000), 10000, random.standard_normal((1000, classes)).astype(np.float32))
    return Record(
        settings, described, {"train": {"count": 50000, "labels": [500] * classes}}, part, part, [],
        random.random(39000).tolist(), taken,
        [{name: float(random.random()) for name in ("loss", "accuracy", "val_loss", "val_accuracy")}] * epochs,
        {"steps": 39000, "seconds": 100.0, "stopped": None, "error": None},
        first_weights=random.standard_normal((64, 28, 28, 1)).astype(np.float32),
    )  # fmt: skip


def test_a_hundred_epochs_of_ten_layers_stay_small(tmp_path):
    content, _ = page_of(large(), tmp_path)
    assert len(content.encode()) < 2_000_000


def test_many_layers_and_classes_leave_some_out(tmp_path):
    content, text = page_of(large(depth=70, classes=1000, snapshots=30), tmp_path)
    assert "62 others are left out" in text
    assert "60 others are left out" in text
    assert "10 more layers not listed" in text
    assert "988 others are left out" in text
    assert "980 others are left out" in text
    assert content.count('class="line depth') == 4 * 8
    assert len(content.encode()) < 2_000_000


def test_a_hundred_thousand_classes(tmp_path):
    classes = 100_000
    record = large(depth=2, epochs=2, snapshots=2)
    random = np.random.default_rng(0)
    outputs = np.zeros((60, classes), np.float32)
    outputs[np.arange(60), random.integers(0, classes, 60)] = 5
    part = Part(record.train.x[:60], random.integers(0, classes, 60), np.arange(60), 60, outputs)
    record.settings.update(classes=classes)
    record.train = record.validation = part
    assert "99,988 others are left out" in page_of(record, tmp_path)[1]


def test_all_text_of_the_user_is_escaped(tmp_path):
    x, y = watched_runs.samples()
    names = np.array([NASTY, "\x1b[2J\u202e", "<b>c</b>"])
    model = pynn.Sequential(pynn.Affine(4), pynn.ReLU(), pynn.Affine(3))
    history = watched_runs.watched(model=model, samples=(x, names[y]), epochs=1)
    record = history.record
    record.settings.update(loss=NASTY, penalty=NASTY, schedule=NASTY, own=NASTY)
    record.environment["command"] = ["python", NASTY]
    record.environment["folder"] = NASTY
    record.ended["stopped"] = NASTY
    record.findings = [{"name": "labels", "severity": "error", "where": NASTY, "evidence": NASTY, "cure": NASTY}]
    for layer in record.layers:
        layer["kind"] = NASTY
    old = record.layers[0]["name"]
    record.layers[0]["name"] = NASTY
    for snapshot in record.snapshots:
        snapshot.layers = {NASTY if name == old else name: one for name, one in snapshot.layers.items()}
    for epoch in record.epochs:
        epoch[NASTY] = epoch[f"val_{NASTY}"] = 1.0
    for runs in (history, [history, history]):
        content, text = page_of(runs, tmp_path)
        assert "<img src=x" not in content
        assert "</script><img" not in content
        assert "\x1b" not in content
        assert "\u202e" not in content
        assert NASTY in text


# Comparison -----------------------------------------------------------------------------------------


def test_several_runs(tmp_path):
    first = watched_runs.watched(tmp_path / "first", epochs=2)
    watched_runs.watched(tmp_path / "second", epochs=4, optimizer=pynn.SGD(0.1), batch_size=30)
    _, text = page_of([tmp_path / "first", tmp_path / "second", first], tmp_path)
    assert "3 training runs" in text
    for told in (
        "first: validation",
        "second: training",
        "What differs",
        "optimizer",
        "Adam SGD Adam",
        "batch size 20 30 20",
    ):
        assert told in text
    _, text = page_of([first, first], tmp_path)
    assert "run (1)" in text
    assert "Nothing: the runs have the same settings." in text


def test_runs_that_lack_something_are_compared(tmp_path):
    watched_runs.watched(tmp_path / "first")
    _, text = page_of([Record({}, []), tmp_path / "first"], tmp_path)
    assert "2 training runs" in text
    assert "No run has completed a step." in page_of([Record({}, []), Record({}, [])], tmp_path)[1]


# Parts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.91324, "0.9132"), (12345, "12,345"), (1.234e-5, "1.23e-5"), (math.nan, "NaN"), (-math.inf, "−∞"),
     (None, "–"), (1e7, "10,000,000"), (1.5e7 + 0.5, "1.50e7"), (99999.6, "100,000"), (True, "True"), (-0.25, "-0.25")],
)  # fmt: skip
def test_numbers_for_readers(value, text):
    assert words.number(value) == text


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (0, 0.93), (-3, 7), (1e-9, 2e-9), (0, 1e12), (99.9, 100.1), (0, 25), (1, 3)]
)
def test_ticks_are_few_round_and_inside(low, high):
    ticks = scales.Scale(low, high).ticks(6)
    assert 2 <= len(ticks) <= 7
    assert all(low - 1e-9 * abs(low) <= tick <= high * (1 + 1e-9) for tick in ticks)
    assert len({words.tick(tick) for tick in ticks}) == len(ticks)


@pytest.mark.parametrize(("low", "high"), [(1e-8, 1), (2e-3, 4e-3), (1e-300, 1e300), (0.5, 50)])
def test_ticks_of_powers(low, high):
    ticks = scales.Scale(low, high, "log").ticks(6)
    assert 2 <= len(ticks) <= 7
    assert all(low <= tick * 1.001 and tick <= high * 1.001 for tick in ticks)


@pytest.mark.parametrize(
    "values", [[1.0], [0.0, 0.0], [np.nan, 1.0], [np.inf, 2.0], [1e308, -1e308], [-5.0, -5.0], [1e-310, 1.0]]
)
@pytest.mark.parametrize("log", [False, True])
def test_charts_of_odd_numbers_are_finite(values, log):
    values = np.array(values)
    chart = charts.Chart("a", "A", [charts.Series("s", "train", np.arange(len(values)), values)], log=log)
    with np.errstate(all="raise", under="ignore"):
        drawn = chart.html()
    assert not re.search("(nan|inf)", re.sub("<td>.*?</td>", "", drawn).lower())
    assert charts.Chart("a", "A", [charts.Series("s", "train", np.arange(2), np.full(2, np.nan))]).html() == ""


def test_thinned_lines_keep_the_range():
    values = np.sin(np.arange(100_000))
    values[70_000] = 50
    line = charts.thinned("s", "train", np.arange(100_000), values)
    assert len(line.x) == charts.POINTS
    assert line.band[1].max() == 50
    assert abs(np.mean(line.y) - values.mean()) < 1e-9


def test_a_png_has_its_pixels():
    image = pytest.importorskip("PIL.Image")
    import io

    random = np.random.default_rng(0)
    for shape in ((5, 7), (5, 7, 1), (5, 7, 3)):
        pixels = random.integers(0, 256, shape, np.uint8)
        read = np.array(image.open(io.BytesIO(pictures.png(pixels))))
        np.testing.assert_array_equal(read, pixels.reshape(5, 7) if shape[2:] != (3,) else pixels)
    shares = np.linspace(0, 1, 12).reshape(3, 4)
    read = np.array(image.open(io.BytesIO(pictures.opacity(shares))).convert("RGBA"))
    np.testing.assert_allclose(read[:, :, 3] / 255, shares, atol=0.011)


def test_a_column_of_a_strip_holds_all_numbers():
    histogram = Histogram(np.arange(32), -1.0, 1.0)
    scale = scales.Scale(-2.0, 2.0)
    column = layers._column(histogram, scale) ** 2
    assert column.max() == 1
    assert not column[:15].any()
    assert column[16:47].all()
    np.testing.assert_allclose(layers._quantiles(Histogram(np.ones(32, int), 0.0, 1.0), (0.25, 0.5)), [0.25, 0.5])


def test_the_most_confident_mistakes_come_first():
    outputs = np.array([[9.0, 0, 0], [0, 1.0, 0], [0, 0, 5.0], [3.0, 0, 0]])
    part = Part(np.zeros((4, 2)), np.array([1, 0, 2, 2]), np.arange(4), 4, outputs)
    record = Record({"loss": "SoftmaxCrossEntropy", "classes": 3, "family": "labels"}, [])
    answers = predictions.of_labels(record, part)
    assert answers.predicted.tolist() == [0, 1, 2, 0]
    np.testing.assert_allclose(answers.sure[0], 1 / (1 + 2 * math.exp(-9)))
    rows = re.findall(r"<tr><th scope=\"row\">(\d)</th>", predictions.mistakes(record, part, answers))
    assert rows == ["0", "3", "1"]


def test_data_for_the_script_cannot_end_it():
    assert words.data({"a": "</script>&"}) == '{"a":"\\u003c/script\\u003e\\u0026"}'
    assert words.data([math.nan, 1.23456789, 3.0]) == "[null,1.2346,3]"
    assert html.unescape(words.escaped("<a>")) == "<a>"


@pytest.mark.parametrize("folder", [False, True])
def test_the_rate_is_drawn_as_the_schedule_has_it(tmp_path, backend, folder):
    place, schedule = tmp_path / "run", pynn.schedules.FlatCosine(0.01, 40)
    history = watched_runs.watched(place if folder else None, epochs=40, optimizer=pynn.Adam(schedule))
    record = run_folder.read(place) if folder else history.record
    (line,) = curves.rate(record).series
    assert (len(line.x), line.x[0], line.x[-1]) == (curves.RATES, 1, 40 * 12)
    expected = [schedule((step - 1) / 12) for step in line.x]
    np.testing.assert_allclose(line.y, expected, rtol=1e-6, atol=1e-12)


def test_the_rates_of_an_older_folder_are_those_of_the_snapshots():
    record = watched_runs.watched().record
    record.rates = [math.nan] * len(record.losses)
    assert len(curves.learning_rates(record)[0]) == len(record.snapshots) > 1
