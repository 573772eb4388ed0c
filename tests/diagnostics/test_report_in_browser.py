"""The report in headless Chromium: every chart drawn, no message, no request, values under the pointer, live news."""

from __future__ import annotations

import re
import threading
from importlib import import_module

import browsers
import numpy as np
import pytest
import watched_runs

import pynn
from pynn.diagnostics import report
from pynn.diagnostics.report.live import Live

pytestmark = pytest.mark.slow
MODES = [(width, scheme) for width in (390, 1280) for scheme in ("light", "dark")]


@pytest.fixture(scope="module")
def browser():
    with browsers.chromium() as started:
        yield started


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The files of pages on runs of several kinds, by name."""
    folder = tmp_path_factory.mktemp("pages")
    digits = pynn.datasets.digits()
    x, y = watched_runs.samples()
    convolution = pynn.Sequential(pynn.Conv2d(8), pynn.ReLU(), pynn.MaxPool2d(2), pynn.Flatten(), pynn.Affine(10))
    numbers = pynn.Sequential(pynn.Affine(8), pynn.Tanh(), pynn.Affine(1))
    deep = pynn.Sequential(*[layer for _ in range(25) for layer in (pynn.Affine(8), pynn.ReLU())], pynn.Affine(3))
    names = np.array(["a rather long name of a class", "<b>&amp;", "ok"])
    runs = {
        "pictures": watched_runs.watched(model=convolution, samples=digits.train, epochs=2, batch_size=100),
        "table": watched_runs.watched(epochs=12),
        "numbers": watched_runs.watched(model=numbers, samples=(x, x[:, :1] * 1000), loss="l2"),
        "deep": watched_runs.watched(model=deep, samples=(x, names[y]), epochs=2),
        "one epoch": watched_runs.watched(epochs=1, validation=None),
    }
    for name, run in runs.items():
        report(run, folder / f"{name}.html")
    report([runs["table"], runs["one epoch"], runs["deep"]], folder / "several.html")
    return {path.stem: path for path in folder.iterdir()}


def expect_drawn(charts):
    """Every chart has a size, finite paths, and labels that can be read."""
    assert charts
    for chart in charts:
        assert chart["width"] > 150, chart["id"]
        assert chart["height"] > 80, chart["id"]
        assert chart["drawn"], chart["id"]
        assert all(re.fullmatch(r"[-MLHVZh0-9. ]+", path) for path in chart["paths"]), chart["id"]
        assert min(chart["labels"]) >= 11, chart["id"]


@pytest.mark.parametrize("name", ["pictures", "table", "numbers", "deep", "one epoch", "several"])
@pytest.mark.parametrize(("width", "scheme"), MODES)
def test_a_page_is_drawn_whole_and_asks_for_nothing(browser, pages, name, width, scheme):
    shown = browsers.Page(browser, pages[name].as_uri(), width, scheme)
    expect_drawn(shown.charts())
    assert shown.overflow() <= 0
    back = shown.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", back))) > 380) == (scheme == "light")
    assert all(shown.page.eval_on_selector_all("img", "all => all.map(one => one.complete && one.naturalWidth > 0)"))
    assert shown.messages == []
    assert shown.asked() == []
    shown.context.close()


def test_the_pointer_shows_the_values_of_all_lines(browser, pages):
    shown = browsers.Page(browser, pages["table"].as_uri(), 1280)
    area = shown.page.locator("#chart-epoch-0 .area")
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    tip = shown.page.locator("#chart-epoch-0 .tip")
    assert not tip.is_visible()
    shown.page.mouse.move(box["x"] + box["width"] - 1, box["y"] + 50)
    lines = tip.inner_text().split("\n")
    assert lines[0] == "epoch 12"
    assert "training loss" in lines
    assert "validation loss" in lines
    assert "gap" in lines
    assert all(re.fullmatch(r"-?[\d.]+(e-\d+)?", line) for line in lines[2::2])
    shown.page.mouse.move(box["x"] + 1, box["y"] + 50)
    assert tip.inner_text().startswith("epoch 1\n")
    shown.page.mouse.move(0, 0)
    assert not tip.is_visible()
    for chart in shown.page.locator("figure.chart").all():
        chart.locator(".area").hover()
        assert re.search(r"\d", chart.locator(".tip").inner_text())
    assert shown.messages == []
    shown.context.close()


def test_the_keyboard_and_a_touch_show_values_too(browser, pages):
    shown = browsers.Page(browser, pages["table"].as_uri(), 390, has_touch=True)
    shown.page.locator("#chart-epoch-0 .plot").focus()
    tip = shown.page.locator("#chart-epoch-0 .tip")
    told = []
    for key in ("Home", "ArrowRight", "End", "ArrowLeft"):
        shown.page.keyboard.press(key)
        told.append(tip.inner_text().split("\n")[0])
    assert told == ["epoch 1", "epoch 2", "epoch 12", "epoch 11"]
    shown.page.keyboard.press("Escape")
    assert not tip.is_visible()
    area = shown.page.locator("#chart-losses .area")
    area.scroll_into_view_if_needed()
    area.tap()
    other = shown.page.locator("#chart-losses .tip")
    assert other.inner_text().startswith("step ")
    box = other.bounding_box()
    assert box["x"] + box["width"] <= 390 + 1
    assert box["x"] >= 0
    shown.page.locator("h1").tap()
    assert not other.is_visible()
    assert shown.overflow() <= 0
    shown.context.close()


def test_values_as_a_table(browser, pages):
    shown = browsers.Page(browser, pages["table"].as_uri(), 390)
    shown.page.locator("#values-epoch-0 summary").click()
    assert shown.page.locator("#values-epoch-0 tbody tr").count() == 12
    assert shown.overflow() <= 0
    shown.context.close()


def test_a_printed_page_fits_its_paper(browser, pages):
    shown = browsers.Page(browser, pages["pictures"].as_uri(), 1280)
    shown.page.emulate_media(media="print")
    shown.page.set_viewport_size({"width": 720, "height": 1000})
    assert shown.overflow() <= 0
    assert not shown.page.locator("nav").is_visible()
    expect_drawn([chart | {"labels": [11]} for chart in shown.charts()])
    shown.context.close()


@pytest.fixture
def followed(tmp_path):
    """A training under way, the server of its live page and the server's thread."""
    training = watched_runs.begun(tmp_path / "run")
    try:
        watched_runs.wait_for_steps(tmp_path / "run", 30, training)
        live = Live([tmp_path / "run"])
        server = threading.Thread(target=live.serve, daemon=True)
        server.start()
        yield training, live, server
    finally:
        training.kill()
        training.wait()


def test_a_live_page_is_not_replaced_while_it_scrolls(browser, followed, monkeypatch):
    monkeypatch.setattr(import_module("pynn.diagnostics.report.live"), "REST", 0.0)
    _, live, server = followed
    shown = browsers.Page(browser, live.url, 1280)
    # Every tenth of a second, as a scroll to a link goes on; the page asks for news each second.
    shown.page.evaluate(
        "document.getElementById('ending').kept = true; "
        "const scroll = () => window.dispatchEvent(new Event('scroll')); scroll(); "
        "window.scrolling = setInterval(scroll, 100)"
    )
    kept = "document.getElementById('ending').kept === true"
    shown.page.wait_for_timeout(5000)
    assert shown.page.evaluate(kept)
    shown.page.evaluate("clearInterval(window.scrolling)")
    for _ in range(600):
        if not shown.page.evaluate(kept):
            break
        shown.page.wait_for_timeout(100)
    assert not shown.page.evaluate(kept)
    live.close()
    server.join()
    shown.context.close()


def test_a_live_page_follows_a_training_and_survives_its_kill(browser, followed):
    training, live, server = followed
    shown = browsers.Page(browser, live.url, 1280)
    ending = shown.page.locator("#ending")
    assert "Still running" in ending.inner_text()
    before = ending.inner_text()
    shown.page.locator("#values-losses summary").click()
    reading = "document.getElementById('values-losses').getBoundingClientRect().top"
    shown.page.evaluate(f"window.scrollBy(0, {reading} - 100)")
    for _ in range(1800):  # the server rests for a multiple of the time that a page takes it
        if ending.inner_text() != before:
            break
        shown.page.wait_for_timeout(100)
    assert ending.inner_text() != before
    expect_drawn(shown.charts())
    assert shown.page.evaluate(reading) == pytest.approx(100, abs=3)  # though what stands above it may have grown
    assert shown.page.locator("#values-losses").get_attribute("open") is not None
    training.kill()
    training.wait()
    ending.get_by_text("was killed").or_(shown.page.locator("#ending.error")).first.wait_for()
    assert "was killed" in ending.inner_text()
    expect_drawn(shown.charts())
    live.close()
    server.join()
    ending.get_by_text("server has ended").wait_for()
    assert all(url.startswith(live.url) for url in shown.asked())
    assert [message for message in shown.messages if "ERR_CONNECTION_REFUSED" not in message] == []
    shown.context.close()
