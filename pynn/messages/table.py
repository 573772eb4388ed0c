"""How the words of other libraries are written down: lines of words and what to say to them."""

from __future__ import annotations

Table = dict[str, dict[str, str]]


def table(text: str) -> Table:
    """Lines "[section]" and "word word: answer", as answers by section and word."""
    found: Table = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), {})
        else:
            words, _, said = line.partition(": ")
            section.update(dict.fromkeys(words.split(), said))
    return found
