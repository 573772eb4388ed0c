"""The document: one HTML file with its style and script, which loads nothing and sends nothing. Knows no records."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any

from . import words


def html(
    title: str, main: str, live: str = "", more: Sequence[str] = (), *, style: str = "", language: str = "en"
) -> str:
    """The whole document.

    title, main: HTML; live: where its script asks for news, "" for a file; more: names of further styles and scripts;
    style: further CSS.
    """
    style = _joined("style.css", *(name for name in more if name.endswith(".css"))) + style
    script = _joined("page.js", *(name for name in more if name.endswith(".js")))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        f"connect-src '{'self' if live else 'none'}'; base-uri 'none'; form-action 'none'"
    )
    return (
        f'<!DOCTYPE html>\n<html lang="{language}"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer">'
        '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
        f"<title>{title} – pynn</title><style>{style}</style></head>"
        f'<body data-live="{words.escaped(live)}"><main id="main">{main}</main>'
        f"<script>{script}</script></body></html>\n"
    )


def _joined(*names: str) -> str:
    return "".join(files(__package__).joinpath(name).read_text("utf-8") for name in names)


def guarded(section: Callable[..., str], *of: Any) -> str:
    """The section; a line instead if the run holds what it does not expect: the others must not be lost with it."""
    try:
        return section(*of)
    except Exception as cause:
        told = words.escaped(f"{type(cause).__name__}: {cause}")
        return f'<p class="hint">This part cannot be drawn: {told}</p>'


def with_contents(sections: Mapping[str, str], titles: Mapping[str, str]) -> str:
    """The sections that are not empty, below links to them."""
    filled = {name: text for name, text in sections.items() if text}
    links = "".join(f'<a href="#{name}">{titles[name]}</a>' for name in filled)
    body = "".join(f'<section id="{name}"><h2>{titles[name]}</h2>{text}</section>' for name, text in filled.items())
    return f'<nav aria-label="Contents">{links}</nav>{body}'
