"""The text format of the tables of foreign words."""

from __future__ import annotations

Table = dict[str, dict[str, str]]


def table(text: str) -> Table:
    """Parse lines "[section]" and "word word: answer" into answers by section and word."""
    answers: Table = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith("["):
            section = answers.setdefault(line.strip("[]"), {})
        else:
            words, _, answer = line.partition(": ")
            section.update(dict.fromkeys(words.split(), answer))
    return answers
