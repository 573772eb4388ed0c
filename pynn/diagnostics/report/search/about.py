"""What a search was and what it says: how it ended, the best settings, ends of ranges, importance, stages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from .... import searched
from .. import words
from . import reading

ENDINGS = {
    "finished": "finished", "stopped": "stopped by the diagnosis", "pruned": "pruned by Optuna", "diverged": "diverged",
    "failed": "failed", "unfinished": "not ended",
}  # fmt: skip


def endings(result: Any) -> str:
    """How the trials ended, as part of a sentence."""
    counts = Counter(one.ended for one in result.trials)
    return ", ".join(f"{counts[one]:,} {told}" for one, told in ENDINGS.items() if counts[one])


def ending(result: Any) -> tuple[str, str]:
    """How the search stands, as a kind and a sentence in HTML."""
    trials = words.several(len(result.trials), "trial")
    open_trials = any(one.ended == searched.UNFINISHED for one in result.trials)
    told = f"{trials}{' so far' if open_trials else ''}: {endings(result)}."
    if not result.ranked:
        return ("running" if open_trials else "error"), f"No trial has finished. {told}"
    best = result.best_trial
    sentence = (
        f"The best {words.escaped(result.metric, 60)} is <b>{words.number(float(best.score))}</b>, of "
        f"{reading.called(result, best)}, with {reading.settings(best.params)}. {told}"
    )
    return ("running" if open_trials else "fine"), sentence


def tiles(result: Any) -> str:
    """The main numbers, large."""
    found = [("trials", f"{len(result.trials):,}"), ("epochs trained", f"{sum(one.epochs for one in result.trials):,}"),
             ("time of the trials", words.seconds(sum(one.seconds for one in result.trials)))]  # fmt: skip
    if result.ranked:
        found.insert(0, (f"best {words.escaped(result.metric, 40)}", words.number(float(result.best_trial.score))))
    return f'<dl class="tiles">{"".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in found)}</dl>'


# The best ------------------------------------------------------------------------------------------


def best(result: Any) -> str:
    """The section on the best trial."""
    if not result.ranked:
        return ""
    trial = result.best_trial
    rows = [(words.escaped(name, 60), reading.shown(value)) for name, value in trial.params.items()]
    return (
        f"{edges(result)}{words.pairs(rows)}<h3>Training</h3>{words.pairs(_training(result, trial))}"
        f"{_settings(trial)}{_again(result, trial)}"
    )


def _settings(trial: Any) -> str:
    """The settings of `fit`; long ones in lines of their own."""
    found = [(name, reading.shortened(text)) for name, text in trial.settings.items()]
    found.sort(key=lambda one: len(one[1]) > reading.NARROW)
    inner = "".join(
        f"<div{' class=wide' if len(text) > reading.NARROW else ''}><dt>{words.escaped(name, 60)}</dt>"
        f"<dd>{reading.code(text)}</dd></div>"
        for name, text in found
    )
    return f'<h3>Settings of fit</h3><dl class="pairs">{inner}</dl>' if found else ""


def _again(result: Any, trial: Any) -> str:
    """The command or the code that trains such a model again."""
    text = trial.again
    if text is None:
        epochs = result.settings[trial.stage - 1]["epochs"]
        more = ", **settings" if trial.settings else ""
        made = f"model{', settings' if more else ''} = build({trial.params!r})"
        text = f"{made}\nmodel.fit(x, y, epochs={epochs}, seed={trial.seed}{more})"
    if not text:
        return ""
    lines = "\n".join(words.escaped(line, 2000) for line in text.splitlines())
    return f'<h3>Train it again</h3><pre class="command" tabindex="0">{lines}</pre>'


def _training(result: Any, trial: Any) -> list[tuple[str, str]]:
    rows = [
        ("trial", reading.called(result, trial)),
        ("best epoch", ", ".join(map(str, trial.best_epochs)) or "–"),
        ("epochs", str(trial.epochs)),
        ("time", words.seconds(trial.seconds)),
        ("seed", str(trial.seed)),
    ]
    if len(trial.folds) > 1:
        rows.append(("score of each fold", ", ".join(words.number(float(one)) for one in trial.folds)))
    if trial.went_on:
        rows.append(("began", "with weights of the stage before"))
    return rows


def edges(result: Any) -> str:
    """A card for each end of a range at which the best of the last stage sit."""
    cards = []
    for name, end in result.edges[-1].items():
        best = next(one for one in result.ranked if one.stage == len(result.spaces))
        part = result.spaces[-1].active(best.params)[name]
        where = "below" if end == "lower" else "above"
        cards.append(
            '<li class="verdict warning"><h3><span class="badge">warning</span> '
            f'<code>{words.escaped(name, 60)}</code> <span class="where">{words.escaped(repr(part))}</span></h3>'
            f"<p>The best trials sit at the {end} end of the range: better values may lie {where} it.</p>"
            '<p class="cure"><b>Try:</b> move the range, or search in stages, which move it.</p></li>'
        )
    return f'<ol class="verdicts edges">{"".join(cards)}</ol>' if cards else ""


# All trials ----------------------------------------------------------------------------------------


def importance(result: Any) -> str:
    """How much each parameter matters, as bars."""
    try:
        found: Mapping[str, float] = result.importance()
    except ValueError as cause:
        return f'<p class="hint">{words.escaped(cause)[:1].upper()}{words.escaped(cause)[1:]}.</p>'
    largest = max(found.values(), default=0) or 1.0
    rows = [
        [words.escaped(name, 60), f'<span class="bar" style="--share:{share / largest:.3f}"></span>{100 * share:.1f} %']
        for name, share in found.items()
    ]
    stage = " from stage 1, whose ranges are the widest" if reading.staged(result) else ""
    told = f"The share of the variation of the score that each parameter explains, estimated by Optuna{stage}."
    return words.table(["parameter", "share"], rows, caption=told, kind="bars")


def stages(result: Any) -> str:
    """What each stage did and found, and its ranges."""
    if not reading.staged(result):
        return ""
    sentences = "".join(f"<li>{_begun(text)}.</li>" for text in result.stages)
    names = reading.names(result)
    rows = []
    for stage, (space, settings) in enumerate(zip(result.spaces, result.settings, strict=True), 1):
        own = [one for one in result.ranked if one.stage == stage]
        best = words.number(float(own[0].score)) if own else "–"
        count, flat = sum(one.stage == stage for one in result.trials), space.flat()
        ranges = [_parts(flat.get(name, ())) for name in names]
        rows.append([str(stage), f"{count:,}", str(settings["epochs"]), best, *ranges])
    head = ["stage", "trials", "epochs", f"best {words.escaped(result.metric, 40)}"]
    head += [words.escaped(name, 40) for name in names]
    table = words.table(head, rows, caption="The ranges of each stage, and its best score.", kind="stages")
    return f'<ol class="sentences">{sentences}</ol>{table}'


def _begun(sentence: str) -> str:
    return words.escaped(sentence[:1].upper() + sentence[1:], 2000)


def _parts(parts: Any) -> str:
    return "<br>".join(dict.fromkeys(_part(part) for part in parts)) or "–"


def _part(part: Any) -> str:
    if hasattr(part, "options"):
        return ", ".join(reading.shown(value) for value, _ in part.options)
    log = " (log)" if part.log else ""
    return f"{' … '.join(words.ends(part.low, part.high))}{log}"


def settings(result: Any) -> str:
    """What all trials had in common."""
    first = result.settings[0]
    epochs = ", ".join(str(one["epochs"]) for one in result.settings)
    rows = [
        ("score", f"{words.escaped(result.metric, 60)}, {'higher' if result.mode == 'max' else 'lower'} is better"),
        ("epochs of a trial", f"{epochs} in the stages" if reading.staged(result) else epochs),
        ("samples", words.number(first["samples"])),
        ("scored on", words.escaped(first["parts"], 200)),
        ("seed", str(first["seed"])),
    ]
    flat = [] if reading.staged(result) else [
        (words.escaped(name, 60), _parts(parts)) for name, parts in result.spaces[0].flat().items()
    ]  # fmt: skip
    space = f"<h3>Search space</h3>{words.pairs(flat)}" if flat else ""
    return words.pairs(rows) + space
