"""The page on a search: what it says, that no text of the user's becomes HTML, and its size."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("optuna")

import search_cases
import search_pages
from search_pages import HOSTILE, result

from pynn.diagnostics import report
from pynn.diagnostics.report import words
from pynn.diagnostics.report.scales import Scale
from pynn.diagnostics.report.search import reading
from pynn.diagnostics.report.search.axes import Axis
from pynn.search import Search, integer, load

VOID = {"meta", "link", "br", "wbr", "img", "rect", "path"}
OPTIONAL = {"td"}  # which a browser closes itself


class Text(HTMLParser):
    """The text of a page, its tables as rows of cells, and every tag; asserts that tags are closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.tables: list[list[list[str]]] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self._drop_optional()
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag == "tr":
            self._drop_optional()
        assert self.open.pop() == tag, tag

    def _drop_optional(self) -> None:
        if self.open and self.open[-1] in OPTIONAL:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("style", "script"):
            return
        self.text += data
        if "table" in self.open and any(cell in self.open for cell in ("td", "th")):
            self.tables[-1][-1][-1] += data


def written(found: Any, folder: Path) -> tuple[str, Text]:
    report(found, folder / "page.html")
    page = (folder / "page.html").read_text("utf-8")
    assert "cannot be drawn" not in page
    return page, Text(page)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Text]:
    return written(result(), tmp_path_factory.mktemp("page"))


def figures(source: str) -> list[str]:
    return re.findall(r'<figure class="chart.*?</figure>', source, flags=re.DOTALL)


def test_the_head_says_the_best_in_words(page: tuple[str, Text]) -> None:
    best = result().best_trial
    text = page[1].text
    assert f"The best val_accuracy is {best.score:.4g}, of trial {best.number}, with learning_rate" in text
    assert (
        "40 trials so far: 32 finished, 2 stopped by the diagnosis, 1 pruned by Optuna, 2 diverged, 2 failed, "
        "1 not ended." in text
    )
    assert f"model, settings = build({best.params!r})\nmodel.fit(x, y, epochs=6, seed={best.seed}, **settings)" in text
    assert "The best trials sit at the upper end of the range: better values may lie above it." in text


def test_the_table_has_every_trial(page: tuple[str, Text]) -> None:
    head, *rows = page[1].tables[0]
    assert head == [
        "trial", "place", "val_accuracy", "end", "epochs", "seconds", *search_pages.Space(search_pages.SPACE).flat(),
        "why it ended", "verdicts",
    ]  # fmt: skip
    trials = result()
    assert [int(row[0]) for row in rows[:32]] == [one.number for one in trials.ranked]
    assert [row[1] for row in rows[:32]] == [str(place) for place in range(1, 33)]
    assert sorted(int(row[0]) for row in rows) == list(range(40))
    by_number = {int(row[0]): row for row in rows}
    stopped, failed = by_number[8], by_number[9]
    assert stopped[2] == f"({trials.trials[8].score:.5g})"
    assert stopped[3] == "stopped"
    assert stopped[-2:] == ["dead_units (affine1): 97 % of the units are 0", "dead_units"]
    assert failed[1:3] == ["–", "–"]
    assert failed[-2] == "ArithmeticError: </script><img src=x onerror=alert(2)> \\x1b[31m"
    momentum = head.index("momentum")
    assert {row[momentum] == "–" for row in rows} == {True, False}


def test_text_of_the_user_is_no_html(page: tuple[str, Text]) -> None:
    source, parsed = page
    assert not parsed.tags & {"img", "b><script", "a>"}
    assert not {name for name in parsed.attributes if name.startswith("on") or name in ("src", "action")}
    assert source.count("<script") == source.count("</script>")
    assert "<script>alert" not in source
    assert HOSTILE in parsed.text
    assert "\x1b" not in source
    assert not re.search(r'(href|src)="(?!#|data:)', source)
    assert "default-src 'none'" in source


def test_every_chart_has_its_words_and_data(page: tuple[str, Text]) -> None:
    source, _ = page
    assert len(figures(source)) == 10 + 7 + 1  # curves, parameters, all together
    for figure in figures(source):
        assert "<figcaption>" in figure
        assert re.search(r'aria-label="[^"]{20,}"', figure)
        found = re.search(r'<script type="application/json">(.*?)</script>', figure, flags=re.DOTALL)
        assert found
        data = json.loads(found[1])
        if "rows" in data:
            assert all(0 <= row < 40 for row in data["rows"])
        if "x" in data and "rows" in data:
            assert len(data["x"]) == len(data["y"]) == len(data["rows"])
            assert all(0 <= place <= 1000 for place in (*data["x"], *data["y"]))
    assert source.count("The best sit at the upper end: better values may lie above it.") == 1
    assert re.search(r"\d+ of 40 trials have it\.", source)


def test_a_parameter_is_drawn_on_its_own_scale(page: tuple[str, Text]) -> None:
    figure = re.search(r'<figure class="[^"]*" id="chart-parameter-0".*?</figure>', page[0], flags=re.DOTALL)
    assert figure
    data = json.loads(figure[0].split('application/json">')[1].split("<")[0])
    ordered = [one for one in [*result().ranked] if "learning_rate" in one.params]
    for row, place in list(zip(data["rows"], data["x"], strict=True))[:10]:
        share = (np.log(ordered[row].params["learning_rate"] / 1e-5) / np.log(1e6) + 0.04) / 1.08
        assert place == pytest.approx(1000 * share, abs=1)


def test_stages_are_told_and_coloured(tmp_path: Path) -> None:
    source, parsed = written(result(20, stages=3), tmp_path)
    assert "Stage 2: 20 trials; " in parsed.text
    assert parsed.tables[0][0][:3] == ["trial", "stage", "place"]
    table = next(each for each in parsed.tables if each[0][:2] == ["stage", "trials"])
    assert [row[:3] for row in table[1:]] == [[str(stage), "20", "6"] for stage in (1, 2, 3)]
    assert "1e-5 … 10 (log)" in table[1][4]
    assert all(f"dots finished stage{stage}" in source for stage in range(3))
    assert all(f"range stage{stage}" in source for stage in range(3))
    assert "The best of stage 3 sit at the upper end" in parsed.text


def test_losses_far_apart_have_a_logarithmic_axis(tmp_path: Path) -> None:
    found = result(metric="val_loss")
    wide = [one if one.score is None else one.__class__(**{**vars(one), "score": 1000.0 ** (one.number / 40)})
            for one in found.trials]  # fmt: skip
    found.trials = wide
    found.ranked = sorted((one for one in wide if one.ended == "finished"), key=lambda one: one.score)
    found.best_trial = found.ranked[0]
    source, _ = written(found, tmp_path)
    figure = re.search(r'id="chart-parameter-0".*?</figure>', source, flags=re.DOTALL)
    assert figure
    assert re.findall(r'<span style="bottom:[\d.]+%">([^<]+)</span>', figure[0]) == ["1", "10", "100"]


def test_trials_without_scores(tmp_path: Path) -> None:
    source, parsed = written(search_pages.without_scores(), tmp_path)
    assert "No trial has finished. 4 trials: 4 diverged." in parsed.text
    assert "All 4 trials. Click a column heading to sort." in parsed.text
    assert "best first" not in parsed.text
    assert "place" not in parsed.tables[0][0]
    assert parsed.tables[0][0][:4] == ["trial", "val_accuracy", "end", "why it ended"]
    for figure in figures(source):
        assert not re.search(r'<span style="bottom:[^"]*">[\d.]+</span>', figure) or "together" in figure
        assert "val_accuracy</span>" not in figure
        assert "others" not in figure
    assert source.count("×</i>") >= 4 * 5
    assert "No trial has a score to draw" in parsed.text
    assert "No trial has finished, so there are no curves to rank." in parsed.text
    assert "Importance needs at least 2 finished trials, and there are 0." in parsed.text


def test_trials_that_have_only_begun(tmp_path: Path) -> None:
    found = search_pages.without_scores()
    found.trials = [
        one.__class__(**{**vars(one), "ended": "unfinished", "params": {}, "score": None}) for one in found.trials
    ]
    _, parsed = written(found, tmp_path)
    assert "No trial has finished. 4 trials so far: 4 not ended." in parsed.text
    assert "No trial has ended yet." in parsed.text


def test_a_search_without_trials(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no trials yet, so there is nothing to write a page on"):
        report(result(0), tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_a_search_has_a_page_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the result of a search, which has a page of its own"):
        report([result(), result()], tmp_path / "page.html")


def test_thousands_of_trials_are_a_page_of_a_few_megabytes(tmp_path: Path) -> None:
    source, parsed = written(result(2000), tmp_path)
    assert len(source.encode()) < 2e6
    assert len(parsed.tables[0]) == 2001
    source, parsed = written(result(4000), tmp_path)
    assert len(parsed.tables[0]) == 3001
    assert "The best 3,000 of 4,000 trials" in parsed.text


@pytest.mark.filterwarnings("ignore:the best .* trials sit at")
def test_a_real_search_with_folds(points: Any, tmp_path: Path) -> None:
    job = search_cases.search(*points, folds=3, storage=tmp_path / "study.log")
    job.run(trials=4, epochs=2).report(tmp_path / "first.html")
    load(tmp_path / "study.log").report(tmp_path / "second.html")
    first, second = (Text((tmp_path / name).read_text("utf-8")) for name in ("first.html", "second.html"))
    assert first.text == second.text
    assert "score of each fold" in first.text
    assert "validation accuracy, mean of 3 folds" in (tmp_path / "first.html").read_text("utf-8")
    assert "cannot be drawn" not in first.text


@pytest.mark.filterwarnings("ignore:the best .* trials sit at")
def test_real_stages(points: Any, tmp_path: Path) -> None:
    job = Search(search_cases.build, search_cases.SPACE, *points, progress=False, metric="val_loss")
    job.coarse_to_fine([(12, 2), (4, 2)]).report(tmp_path / "page.html")
    text = Text((tmp_path / "page.html").read_text("utf-8")).text
    assert "Stage 1: 12 trials of 2 epochs; " in text
    assert "cannot be drawn" not in text


def test_long_tables_can_be_shown_whole(tmp_path: Path) -> None:
    few, _ = written(result(20), tmp_path)
    many, parsed = written(result(40), tmp_path)
    assert '<div class="scroll tall all"' in few
    assert '<div class="scroll tall"' in many
    assert "All 40 trials, best first. Click a column heading to sort. Scores in brackets:" in parsed.text


def test_trials_without_a_score_lie_beside_the_axis(tmp_path: Path) -> None:
    for metric, beside in (("val_accuracy", lambda y: y < 90), ("val_loss", lambda y: y > 910)):
        source, _ = written(result(metric=metric), tmp_path)
        figure = next(one for one in figures(source) if 'id="chart-parameter-0"' in one)
        data = json.loads(figure.split('application/json">')[1].split("<")[0])
        ends = Text(source).tables[0][1:]
        lost = [y for row, y in zip(data["rows"], data["y"], strict=True) if ends[row][3] in ("diverged", "failed")]
        assert len(lost) == figure.count("×</i>") == 4
        assert all(map(beside, lost))
        assert not any(beside(y) for row, y in zip(data["rows"], data["y"], strict=True) if ends[row][3] == "finished")


def test_numbers_of_settings_are_short() -> None:
    text = "Adam(learning_rate=LinearDecay(rate=0.0116498851381, epochs=100), beta1=0.9, eps=1.23456e-08)"
    assert reading.shortened(text) == (
        "Adam(learning_rate=LinearDecay(rate=0.01165, epochs=100), beta1=0.9, eps=1.235e-8)"
    )
    assert reading.shortened("x1.25y v1.2.3456") == "x1.25y v1.2.3456"
    assert reading.code("f(a=<b>)") == "f(<wbr>a=<wbr>&lt;b&gt;)"


def test_a_search_of_a_command_says_how_it_goes_again(tmp_path: Path) -> None:
    for again, shown in (("pynn train digits --l2 1e-05", True), ("", False)):
        found = result()
        found.ranked[0] = found.best_trial = found.ranked[0].__class__(**{**vars(found.ranked[0]), "again": again})
        _, parsed = written(found, tmp_path)
        assert "build(" not in parsed.text
        assert ("Train it again" in parsed.text) == shown
        assert again in parsed.text


def test_logarithmic_axes_have_numbers_between_powers_of_ten() -> None:
    assert Axis([integer(16, 256, log=True)]).scale.ticks(5) == [20, 50, 100, 200]
    assert Scale(0.0009, 0.11, "log").ticks(5) == [0.001, 0.01, 0.1]
    assert Scale(0.004, 0.6, "log").ticks(5) == [0.01, 0.03, 0.1, 0.3]
    assert Scale(1e-8, 1.0, "log").ticks(5) == [1e-8, 1e-6, 1e-4, 1e-2, 1]
    assert Scale(100, 150, "log").ticks(5) == [100, 120, 140]


def test_large_numbers_of_a_range_are_told_apart() -> None:
    assert words.ends(1_000_000, 1_000_400) == ("1,000,000", "1,000,400")
    assert words.ends(1e-5, 0.1) == ("1e-5", "0.1")
    assert words.ends(1000000.0, 1000400.0) == ("1e6", "1.0004e6")
    assert [text for _, text in Axis([integer(1_000_000, 1_000_400)]).ends()] == ["1000000", "1000200", "1000400"]
