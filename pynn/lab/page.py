"""The page: a table of all claims with their verdicts, then each experiment with picture, claims, explanation, code."""

from __future__ import annotations

import base64
import inspect
import re
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files

import pynn

from ..diagnostics.report import document
from . import contents, drawing, texts, wording
from .outcome import Outcome, Verdict


def html(outcomes: Sequence[Outcome], missing: Sequence[str] = (), *, language: str = "en", command: str = "") -> str:
    """The whole page of outcomes in the order of the contents.

    missing: experiments that could not run, since their data set is not there; command: how the page was made.
    """
    words = wording.WORDS[language]
    named = {outcome.experiment.name: outcome for outcome in outcomes}
    sections, titles = {"claims": _all_claims(outcomes, language)}, {"claims": words["claims"]}
    for chapter, names in contents.CHAPTERS.items():
        sections[chapter] = "".join(_experiment(named[name], language) for name in names if name in named)
        titles[chapter] = words[chapter]
    main = _header(outcomes, missing, language, command) + document.with_contents(sections, titles)
    style = (files(__package__) / "page.css").read_text("utf-8")
    return document.html(words["page"], main, style=style, language=language)


def _header(outcomes: Sequence[Outcome], missing: Sequence[str], language: str, command: str) -> str:
    words = wording.WORDS[language]
    verdicts = [verdict for outcome in outcomes for verdict in outcome.verdicts]
    counts = {"holds": sum(verdict.holds for verdict in verdicts), "all": len(verdicts), "experiments": len(outcomes)}
    lines = [f'<p class="subtitle">{words["lead"]} {words["rule"]}</p>']
    lines += [f'<p class="ending info">{words["tally"].format(**counts)}</p>']
    if any(outcome.quick for outcome in outcomes):
        lines += [f'<p class="ending warning">{words["quick"]}</p>']
    if missing:
        lines += [f'<p class="ending warning">{words["missing"].format(names=", ".join(missing))}</p>']
    if command:
        made = words["made by"].format(version=pynn.__version__, backend=pynn.info().backend)
        lines += [f'<p class="note">{made} <code>{escape(command)}</code></p>']
    return f"<header><h1>{words['page']}</h1>{''.join(lines)}</header>"


def _all_claims(outcomes: Sequence[Outcome], language: str) -> str:
    rows = "".join(
        _row(verdict, outcome, language, linked=True) for outcome in outcomes for verdict in outcome.verdicts
    )
    return _table(rows, language)


def _experiment(outcome: Outcome, language: str) -> str:
    words, experiment = wording.WORDS[language], outcome.experiment
    text, name = texts.of(experiment, language), experiment.name
    picture = base64.b64encode(drawing.png(outcome)).decode()
    rows = "".join(_row(verdict, outcome, language, linked=False) for verdict in outcome.verdicts)
    source = escape(inspect.getsource(experiment.module))
    return (
        f'<article class="experiment" id="{name}"><h3><a href="#{name}">{_inline(text.title)}</a> '
        f"<code>{name}</code></h3>"
        f'<div class="lesson"><figure><img alt="{escape(text.picture)}" src="data:image/png;base64,{picture}">'
        f'</figure><div>{_paragraphs(text.explanation)}<p class="setting">{words["setting"]}: {_inline(text.setting)}'
        f" ({wording.ran(outcome, language)})</p></div></div>{_table(rows, language)}"
        f'<details class="code"><summary>{words["code"]}</summary><pre>{source}</pre></details></article>'
    )


def _table(rows: str, language: str) -> str:
    words = wording.WORDS[language]
    columns = ("verdict", "claim", "measured", "margin", "source")
    head = "".join(f'<th scope="col">{words[column]}</th>' for column in columns)
    return f'<div class="scroll"><table class="ruled"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _row(verdict: Verdict, outcome: Outcome, language: str, linked: bool) -> str:
    words, claim = wording.WORDS[language], verdict.claim
    sentence = _inline(texts.of(outcome.experiment, language).claims[claim.key])
    if linked:
        sentence = f'<a href="#{outcome.experiment.name}">{sentence}</a>'
    cells = (
        f'<td><span class="word {verdict.state}">{wording.verdict(verdict, language)}</span>'
        f'<span class="support">{wording.seeds(verdict, language)}</span></td>',
        f'<td class="claim">{sentence}</td>',
        f'<td class="figures" data-label="{words["measured"]}">{wording.measured(verdict, language)}</td>',
        f'<td class="figures" data-label="{words["margin"]}">{wording.margin(claim, language)}</td>',
        f'<td data-label="{words["source"]}">{escape(claim.source)}</td>',
    )
    return f"<tr>{''.join(cells)}</tr>"


def _paragraphs(explanation: str) -> str:
    return "".join(
        f'<pre class="formula">{escape(block)}</pre>' if formula else f"<p>{_inline(block)}</p>"
        for formula, block in texts.blocks(explanation)
    )


def _inline(text: str) -> str:
    """Text as HTML, `code` in backquotes marked."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def table(outcomes: Sequence[Outcome], language: str = "en") -> list[Mapping[str, str | float | int]]:
    """The rows of claims.csv: all that is known of each claim, figures as plain numbers too."""
    return [
        {
            "experiment": outcome.experiment.name,
            "claim": texts.of(outcome.experiment, language).claims[verdict.claim.key],
            "source": verdict.claim.source,
            "setting": texts.of(outcome.experiment, language).setting,
            "measured": wording.measured(verdict, language),
            "margin": wording.margin(verdict.claim, language),
            "seeds": len(verdict.figures),
            "supported": verdict.supported,
            "verdict": wording.verdict(verdict, language),
            "figures": " ".join(f"{figure:.6g}" for figure in verdict.figures),
        }
        for outcome in outcomes
        for verdict in outcome.verdicts
    ]
