"""What `help(pynn)` says first: an example that runs, and places to read on that are there."""

from __future__ import annotations

import operator
import re
from pathlib import Path

import pytest

import pynn
from pynn.losses import LOSSES


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = re.findall(r"^>>> (.*)$", str(pynn.__doc__), re.M)
    names: dict[str, object] = {}
    exec("\n".join(lines), names)
    assert isinstance(names["model"], pynn.Sequential)
    assert Path("digits.safetensors").exists()


def test_the_places_to_read_on_are_there_and_say_something() -> None:
    places = re.findall(
        r"(?:help\()?pynn\.([a-zA-Z_.]+)\b(?=\)|,|$)", str(pynn.__doc__).partition("Further reading:")[2], re.M
    )
    assert len(places) > 12
    for place in places:
        assert len(operator.attrgetter(place)(pynn).__doc__ or "") > 40, place


def test_every_name_of_a_loss_is_explained() -> None:
    for name, kind in LOSSES.items():
        assert re.search(rf"^\| {name} .*\b{kind.__name__}\b", str(pynn.losses.__doc__), re.M), name
