"""Of what a run was made: settings, versions, command; the sentence on how it ended. And its verdicts."""

from __future__ import annotations

import html as html_module
import shlex
from typing import Any

from ..record import Record
from ..sources import Source
from ..verdicts import VOCABULARY, Verdicts
from . import words

QUIET = "nothing is wrong as far as can be seen"
SETTINGS = {  # names of settings in words, in the order of the page
    "loss": "loss", "optimizer": "optimizer", "learning_rate": "learning rate", "schedule": "schedule",
    "batch_size": "batch size", "accumulate": "batches in a step", "epochs": "planned epochs", "penalty": "penalty",
    "weight_decay": "weight decay", "clip_norm": "clipped norm", "clip_value": "clipped value",
    "label_smoothing": "label smoothing", "preprocessing": "preprocessing", "augmentation": "augmentation",
    "shuffle": "shuffled", "samples": "training samples", "inputs": "inputs", "outputs": "outputs",
    "classes": "classes",     "parameters": "parameters", "dtype": "dtype", "seed": "seed",
}  # fmt: skip
HIDDEN = {
    "custom_loss", "family", "decoupled", "batches", "arrays", "first_epoch", "validated", "labels", "columns",
    "features",
}  # fmt: skip
UNSET = (None, False, 0.0, "")
ENVIRONMENT = {
    "pynn": "pynn", "backend": "backend", "isa": "instruction set", "threads": "threads", "processors": "processors",
    "numpy": "NumPy", "python": "Python", "machine": "machine", "system": "system", "folder": "folder",
    "started": "started",
}  # fmt: skip


def shown(value: Any) -> str:
    """A setting for a reader."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return " × ".join(map(words.escaped, value)) or "one number"
    return words.escaped(value, 400) if isinstance(value, str) else words.number(value)


def named_settings(record: Record) -> dict[str, str]:
    """The settings that are set, by their names in words; the shown form is HTML."""
    settings = record.settings
    known = {told: settings[name] for name, told in SETTINGS.items() if name in settings}
    rest = {name: value for name, value in settings.items() if name not in SETTINGS and name not in HIDDEN}
    usual = {"shuffled": True, "batches in a step": 1}
    return {
        words.escaped(name): shown(value)
        for name, value in {**known, **rest}.items()
        if name == "shuffled" or name == "seed" or (value not in UNSET and usual.get(name) != value)
    }


def html(record: Record) -> str:
    """The section."""
    environment = record.environment
    rows = [
        (told, shown(environment[name])) for name, told in ENVIRONMENT.items() if environment.get(name) not in UNSET
    ]
    command = environment.get("command")
    parts = [words.pairs(named_settings(record).items())]
    if rows:
        parts += ["<h3>Versions and machine</h3>", words.pairs(rows)]
    if isinstance(command, list) and command:
        text = words.escaped(shlex.join(map(str, command)), 2000)
        parts += ["<h3>To run it again</h3>", f'<pre class="command" tabindex="0">{text}</pre>']
    return "".join(parts)


def ended(source: Source) -> str:
    """How the run ended, as a sentence."""
    return html_module.unescape(ending(source)[1])


def ending(source: Source) -> tuple[str, str]:
    """How the run ended, as a kind and a sentence in HTML."""
    record, ended = source.record, source.record.ended
    done = f"{words.several(len(record.epochs), 'epoch')}, {words.several(len(record.losses), 'step')}"
    if source.state == "running":
        return "running", f"Still running: {done} so far."
    if source.state == "killed":
        return "error", f"The run was killed, or its machine stopped: {done} were recorded."
    if ended.get("error"):
        return "error", f"Ended by an error after {done}: {words.escaped(ended['error'], 500)}"
    if ended.get("stopped"):
        return "warning", f"Stopped after {done}: {words.escaped(ended['stopped'], 500)}"
    return "fine", f"Ended as planned: {done} in {words.seconds(float(ended.get('seconds', 0)))}."


def _begun(sentence: str) -> str:
    """With a capital, unless it begins with a name such as affine1."""
    first = sentence.split(" ", 1)[0]
    return sentence[:1].upper() + sentence[1:] if first.isalpha() else sentence


def verdicts(found: Verdicts, source: Source) -> str:
    """The verdicts in the order of what to try first, or a line that nothing is wrong."""
    if not len(found):
        so_far = " so far" if source.state == "running" else ""
        kind = "hint" if source.record.ended.get("error") else "quiet"
        return f'<p class="{kind}"><b>{QUIET.capitalize()}{so_far}.</b></p>'
    cards = []
    for verdict in found:
        where = f'<span class="where">{words.escaped(verdict.where)}</span>' if verdict.where else ""
        cards.append(
            f'<li class="verdict {verdict.severity}"><h3><span class="badge">{verdict.severity}</span> '
            f'<code>{verdict.name}</code> {where}</h3><p class="meaning">{VOCABULARY[verdict.name].capitalize()}.</p>'
            f"<p>{words.escaped(_begun(verdict.evidence), 2000)}.</p>"
            f'<p class="cure"><b>Try:</b> {words.escaped(verdict.cure, 1000)}</p></li>'
        )
    calm = "" if found else f'<p class="quiet"><b>{QUIET.capitalize()}.</b> Worth knowing:</p>'
    return f'{calm}<ol class="verdicts">{"".join(cards)}</ol>'
