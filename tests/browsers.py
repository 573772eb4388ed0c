"""A headless browser for tests of pages: the system's Chromium, driven by Playwright; without them the tests skip.

On Debian: apt-get install chromium, and pip install playwright. PYNN_BROWSER names another Chromium.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHART = """figures => figures.map(figure => {
    const svg = figure.querySelector("svg"), box = svg.getBoundingClientRect();
    return {
        id: figure.id, width: box.width, height: box.height,
        paths: [...svg.querySelectorAll("path")].map(path => path.getAttribute("d")),
        drawn: [...svg.querySelectorAll(".line, .dots")].some(
            path => path.getTotalLength() > 0 && getComputedStyle(path).stroke !== "none"),
        labels: [...figure.querySelectorAll(".ys span, .xs span")].map(
            one => parseFloat(getComputedStyle(one).fontSize)),
    };
})"""


def path() -> str:
    """The browser's file; skips the test if there is none."""
    found = os.environ.get("PYNN_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    return found


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser for pages with `opened`."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright: pip install playwright")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path())
        yield browser
        browser.close()


class Page:
    """A page in a window of this width and colour scheme, with all that it reported and asked for."""

    def __init__(self, browser: Any, url: str, width: int, scheme: str = "light", **options: Any) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **options)
        self.page = self.context.new_page()
        self.messages: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.messages.append(message.text))
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(url)

    def asked(self) -> list[str]:
        """Addresses that were asked for, beside the page itself and what it holds."""
        return [url for url in self.requests[1:] if not url.startswith("data:")]

    def charts(self) -> list[dict[str, Any]]:
        """What is drawn in each chart."""
        found: list[dict[str, Any]] = self.page.eval_on_selector_all("figure.chart", CHART)
        return found

    def overflow(self) -> int:
        """By how many pixels the page is wider than its window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))
