"""Counts in words: 1 trial, 2 trials."""

from __future__ import annotations


def several(count: int, noun: str, plural: str = "") -> str:
    """So many of something; plural: where it is not the noun with an s."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
