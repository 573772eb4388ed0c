"""The public names, and what each takes, are those that stand in public_names.txt."""

from __future__ import annotations

import difflib
from pathlib import Path

import public_names
import pytest

import pynn

PINNED = Path(__file__).with_name("public_names.txt")


def test_names_and_parameters_are_those_in_the_file(backend: str) -> None:
    """A change that is meant: `python tests/public_names.py > tests/project/public_names.txt`."""
    before, now = PINNED.read_text(encoding="utf-8").splitlines(), public_names.lines()
    assert before == now, "\n".join(difflib.unified_diff(before, now, "public_names.txt", "pynn", lineterm="", n=0))


@pytest.mark.parametrize("name", ["affine_forward", "Affine"])
def test_another_parameter_is_another_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a kernel, and of a class."""
    before = public_names.lines()
    monkeypatch.setattr(pynn.kernels if name.islower() else pynn, name, lambda x, weight: None)
    assert public_names.lines() != before
