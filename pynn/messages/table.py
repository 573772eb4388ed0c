"""The text format of the tables of foreign words."""

from __future__ import annotations

Table = dict[str, dict[str, str]]


def table(text: str) -> Table:
    """Parse lines "[section]" and "word word: answer" into answers by section and word."""
    found: Table = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), {})
        else:
            words, _, said = line.partition(": ")
            section.update(dict.fromkeys(words.split(), said))
    return found
