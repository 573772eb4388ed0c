"""Explanations of the experiments in several languages: one file a language, a section an experiment.

A section begins with ``# name``. In a translation lines follow that translate what the module says in English:
``title:``, ``setting:``, ``picture:`` and a ``claim KEY:`` for each claim. Then come an empty line and the explanation:
paragraphs, and formulas in lines indented by four spaces.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from ..experiment import Experiment

LANGUAGES = ("en", "ko")


@dataclass(frozen=True)
class Text:
    """What is said of an experiment in one language."""

    title: str
    setting: str
    picture: str
    claims: Mapping[str, str]
    explanation: str


def of(experiment: Experiment, language: str = "en") -> Text:
    """The texts of an experiment; KeyError if a translation lacks a line."""
    head, explanation = sections(language)[experiment.name]
    claims = {claim.key: claim.text for claim in experiment.claims}
    if language == "en":
        return Text(experiment.title, experiment.setting, experiment.picture, claims, explanation)
    translated = {key: head[f"claim {key}"] for key in claims}
    return Text(head["title"], head["setting"], head["picture"], translated, explanation)


@cache
def sections(language: str) -> dict[str, tuple[dict[str, str], str]]:
    """Name to the lines of the head, and the explanation."""
    text = (files(__package__) / f"{language}.md").read_text("utf-8")
    found = {}
    for section in f"\n{text}".split("\n# ")[1:]:
        name, _, rest = section.partition("\n")
        head, _, explanation = f"\n{rest}".partition("\n\n")  # no lines before the empty one: no head
        lines = (line.partition(": ") for line in head.splitlines() if line)
        found[name.strip()] = ({key: value.strip() for key, _, value in lines}, explanation.strip("\n"))
    return found


def blocks(explanation: str) -> list[tuple[bool, str]]:
    """The paragraphs and the formulas, each with whether it is a formula."""
    found = []
    for block in explanation.split("\n\n"):
        lines = block.strip("\n").splitlines()
        if lines and all(line.startswith("    ") for line in lines):
            found.append((True, "\n".join(line[4:] for line in lines)))
        elif lines:
            found.append((False, " ".join(line.strip() for line in lines)))
    return found
