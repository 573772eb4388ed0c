"""The page on a search in headless Chromium: drawn whole at every width, sorted, and read by pointer and keyboard."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("optuna")

import browsers
import search_pages

from pynn.diagnostics import report

pytestmark = pytest.mark.slow
MODES = [(width, scheme) for width in (390, 1280) for scheme in ("light", "dark")]
KINDS = {
    "one": search_pages.result,
    "stages": lambda: search_pages.result(30, stages=3),
    "one epoch": lambda: search_pages.result(12, epochs=1),
    "many": lambda: search_pages.result(2000),
    "no score": search_pages.without_scores,
}


@pytest.fixture(scope="module")
def browser():
    with browsers.chromium() as started:
        yield started


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    for name, made in KINDS.items():
        report(made(), folder / f"{name}.html")
    return {path.stem: path for path in folder.iterdir()}


@pytest.fixture
def one(browser, pages):
    shown = browsers.Page(browser, pages["one"].as_uri(), 1280)
    yield shown
    assert shown.messages == []
    shown.context.close()


def column(shown, name):
    """The cells of a column, from above, without those that are empty."""
    place = shown.page.locator("#table thead th").all_inner_texts().index(name)
    cells = shown.page.locator(f"#table tbody tr > :nth-child({place + 1})").all_inner_texts()
    return [cell for cell in cells if cell not in ("", "–")]


@pytest.mark.parametrize("name", ["one", "stages", "one epoch", "many", "no score"])
@pytest.mark.parametrize(("width", "scheme"), MODES)
def test_a_page_is_drawn_whole_and_asks_for_nothing(browser, pages, name, width, scheme):
    shown = browsers.Page(browser, pages[name].as_uri(), width, scheme)
    for chart in shown.charts():
        assert chart["width"] > 100, chart["id"]
        assert chart["height"] > 80, chart["id"]
        assert all(re.fullmatch(r"[-MLHVZh0-9. ]+", path) for path in chart["paths"] if path), chart["id"]
        assert min(chart["labels"], default=11) >= 11, chart["id"]
    assert shown.overflow() <= 0
    back = shown.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", back))) > 380) == (scheme == "light")
    best = KINDS[name]().best_trial
    assert shown.page.locator(".area .star").count() == (0 if best is None else len(best.params))
    assert shown.messages == []
    assert shown.asked() == []
    shown.context.close()


def test_a_press_on_a_heading_sorts(one):
    scores = [float(text.strip("()")) for text in column(one, "val_accuracy")]
    press = one.page.locator("#table").get_by_role("button", name="learning_rate")
    for direction, reverse in (("ascending", False), ("descending", True), ("ascending", False)):
        press.click()
        rates = [float(text) for text in column(one, "learning_rate")]
        assert rates == sorted(rates, reverse=reverse)
        assert len(rates) == 40
        heading = one.page.locator("#table th[aria-sort]")
        assert heading.count() == 1
        assert heading.get_attribute("aria-sort") == direction
    one.page.locator("#table").get_by_role("button", name="momentum", exact=True).click()
    cells = one.page.locator("#table tbody tr > :nth-child(13)").all_inner_texts()
    known = [float(text) for text in cells if text != "–"]
    assert known == sorted(known)
    assert cells[: len(known)] == [text for text in cells if text != "–"]  # what is not there comes last
    one.page.locator("#table").get_by_role("button", name="end", exact=True).click()
    assert column(one, "end") == sorted(column(one, "end"))
    one.page.locator("#table").get_by_role("button", name="place").focus()
    one.page.keyboard.press("Enter")
    assert [float(text.strip("()")) for text in column(one, "val_accuracy")] == scores


def test_a_long_table_scrolls_and_can_be_shown_whole(one):
    region = one.page.locator(".scroll.tall")
    region.scroll_into_view_if_needed()
    shown, whole = (region.evaluate(f"one => one.{name}Height") for name in ("client", "scroll"))
    assert whole > shown
    one.page.get_by_role("button", name="Show all 40 rows").click()
    assert region.evaluate("one => one.clientHeight") > shown
    assert region.evaluate("one => one.scrollHeight - one.clientHeight") < 20  # of a bar at most
    one.page.get_by_role("button", name="Show fewer rows").click()
    assert region.evaluate("one => one.clientHeight") == shown


def test_the_pointer_shows_the_trial_also_after_sorting(one):
    one.page.locator("#table").get_by_role("button", name="seconds").click()
    figure = one.page.locator("#chart-parameter-0")
    figure.scroll_into_view_if_needed()
    box, star = (figure.locator(name).bounding_box() for name in (".area", ".star"))
    tip = figure.locator(".tip")
    assert not tip.is_visible()
    one.page.mouse.move(star["x"] + star["width"] / 2, star["y"] + star["height"] / 2)
    best = search_pages.result().best_trial
    lines = tip.inner_text().split("\n")
    assert lines[0] == f"trial {best.number}"
    assert lines[lines.index("place") + 1] == "1"
    assert float(lines[lines.index("learning_rate") + 1]) == pytest.approx(best.params["learning_rate"], rel=1e-2)
    assert figure.locator(".ring").is_visible()
    one.page.mouse.move(box["x"] + 2, box["y"] + box["height"] - 2)
    assert tip.inner_text().split("\n")[0] != lines[0]
    one.page.mouse.move(2, 2)
    assert not tip.is_visible()
    assert not figure.locator(".ring").is_visible()


def test_the_keyboard_reads_trials(one):
    figure = one.page.locator("#chart-together")
    figure.locator(".plot").focus()
    tip, told = figure.locator(".tip"), []
    for key in ("Home", "ArrowRight", "ArrowRight", "ArrowLeft"):
        one.page.keyboard.press(key)
        lines = tip.inner_text().split("\n")
        told.append(lines[lines.index("place") + 1])
    assert told == ["1", "2", "3", "2"]
    assert figure.locator("path.chosen").get_attribute("d").startswith("M")
    one.page.keyboard.press("End")
    assert "place" not in tip.inner_text().split("\n")
    one.page.keyboard.press("Escape")
    assert not tip.is_visible()


def test_a_touch_shows_a_trial_inside_the_window(browser, pages):
    shown = browsers.Page(browser, pages["stages"].as_uri(), 390, has_touch=True)
    for name in ("#chart-parameter-1", "#chart-together", "#chart-curve-1"):
        area = shown.page.locator(f"{name} .area")
        area.scroll_into_view_if_needed()
        area.tap(position={"x": 60, "y": 40})
        tip = shown.page.locator(f"{name} .tip")
        box = tip.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 391
        shown.page.locator("h1").tap()
        assert not tip.is_visible()
    assert shown.overflow() <= 0
    assert shown.messages == []
    shown.context.close()


def test_a_printed_page_fits_its_paper(browser, pages):
    shown = browsers.Page(browser, pages["many"].as_uri(), 1280)
    shown.page.emulate_media(media="print")
    shown.page.set_viewport_size({"width": 720, "height": 1000})
    assert shown.overflow() <= 0
    assert shown.page.locator("#table tbody tr:visible").count() == 50
    shown.context.close()
