"""The table of all trials of a search, which the page's script sorts; and the errors of those that failed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from .... import searched
from .. import words
from . import reading

PLACE = "place"  # the column by which rows are in order
ERRORS = 3  # tracebacks
WHY = 400  # characters
WHOLE = 25  # trials: of more, a part is shown that scrolls
LINE = 90  # characters of a reason, before it goes on in another line
Column = tuple[str, str, Callable[[Any], str]]  # heading, class, and the cell of a trial; both are HTML


def html(result: Any, trials: Sequence[Any]) -> str:
    """The section."""
    columns, sorted_by = _columns(result, trials), ' aria-sort="ascending"'
    longest = max((len(one.why) for one in trials), default=0)
    head = "".join(
        f'<th scope="col"{_class(kind)}{sorted_by if name == PLACE else ""}><button type="button">{name}</button></th>'
        for name, kind, _ in columns
    )
    rows = "".join(_row(columns, one) for one in trials)
    whole = "" if len(trials) > WHOLE else " all"
    return (
        f'<p class="hint">{_told(result, trials)}</p>'
        f'<div class="scroll tall{whole}" tabindex="0" role="region" aria-label="Trials">'
        f'<table class="trials" id="table" style="--long:{round(0.85 * min(longest, LINE))}ch">'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>{_errors(result)}"
    )


def _told(result: Any, trials: Sequence[Any]) -> str:
    """Which trials these are, and how the table is read."""
    count = len(result.trials)
    few = f"The best {len(trials):,} of {count:,} trials" if len(trials) < count else f"All {count:,} trials"
    sentences = [f"{few}, best first." if result.ranked else f"{few}."]
    if count == 1:
        sentences = ["The only trial."]
    else:
        sentences.append("Click a column heading to sort.")
    if any(one.ended != searched.FINISHED and _is_number(one.score) for one in trials):
        sentences.append("Scores in brackets: the best before a trial ended early, which does not count.")
    return " ".join(sentences)


def _row(columns: Sequence[Column], trial: Any) -> str:
    (_, _, first), *others = columns
    cells = [(kind, cell(trial)) for _, kind, cell in others]
    row = "".join(f"<td{_class(kind) if text else ''}>{text}" for kind, text in cells)
    return f'<tr><th scope="row">{first(trial)}</th>{row}</tr>'


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def _columns(result: Any, trials: Sequence[Any]) -> list[Column]:
    places = {id(one): place for place, one in enumerate(result.ranked, 1)}
    columns: list[Column] = [("trial", "", lambda one: str(one.number))]
    if reading.staged(result):
        columns.append(("stage", "", lambda one: str(one.stage)))
    why: Column = ("why it ended", "text long", lambda one: words.escaped(one.why, WHY))
    has_why = any(one.why for one in trials)
    if places:
        columns.append((PLACE, "", lambda one: str(places.get(id(one), "–"))))
    columns += [
        (words.escaped(result.metric, 40), "", _score),
        ("end", "text", lambda one: words.escaped(one.ended)),
        *([why] if has_why and not places else []),  # then it is what matters most
        ("epochs", "", lambda one: str(one.epochs)),
        (
            "seconds",
            "",
            lambda one: words.number(round(one.seconds, 3), 3) if one.ended != searched.UNFINISHED else "–",
        ),
        *((words.escaped(name, 40), "", _parameter(name)) for name in reading.names(result)),
        *([why] if has_why and places else []),
    ]
    if any(one.verdicts for one in trials):
        columns.append(("verdicts", "text", lambda one: words.escaped(", ".join(one.verdicts), WHY)))
    return columns


def _score(trial: Any) -> str:
    """The score; that of a trial which did not finish is in brackets."""
    if not _is_number(trial.score):
        return "–"
    text = words.number(float(trial.score), 5)
    return text if trial.ended == searched.FINISHED else f"({text})"


def _is_number(score: float | None) -> bool:
    return score is not None and math.isfinite(score)


def _parameter(name: str) -> Callable[[Any], str]:
    return lambda one: reading.shown(one.params[name]) if name in one.params else "–"


def _errors(result: Any) -> str:
    """The errors of trials that failed, each of them once."""
    failed: dict[str, list[Any]] = {}
    for one in result.trials:
        if one.ended == "failed":
            failed.setdefault(one.why, []).append(one)
    parts = []
    for why, several in list(failed.items())[:ERRORS]:
        first = several[0]
        text = words.escaped(f"{reading.called(result, first)}: {why}", WHY)
        more = f" (and {words.several(len(several) - 1, 'other')})" if len(several) > 1 else ""
        error = "\n".join(words.escaped(line, 300) for line in first.error.splitlines())
        parts.append(
            f'<details class="error"><summary>{text}{more}</summary>'
            f'<pre class="command" tabindex="0">{error}</pre></details>'
        )
    left = len(failed) - len(parts)
    if left > 0:
        parts.append(f'<p class="note">{words.several(left, "other error")} in the table.</p>')
    return f"<h3>Errors</h3>{''.join(parts)}" if parts else ""
