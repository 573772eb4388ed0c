"""The fingerprint of a function's code, by which an edited `build` is known."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("optuna")

import search_cases

import pynn
from pynn.search.storage.code import comparable, fingerprint

BUILD = """
def helper(n):
    return {n}

def build(params):
    "{doc}"
    # {comment}
    kinds = [kind for kind in params if kind in {{"a", "b", "c"}}]
    return helper(params["n"]), {constant}, kinds, lambda x: x + {inner}
"""
PLAIN = {"n": "n", "doc": "one", "comment": "one", "constant": 1, "inner": 1}


def built(**changes: Any) -> Any:
    space: dict[str, Any] = {"__name__": "script"}
    exec(BUILD.format(**{**PLAIN, **changes}), space)
    return space["build"]


@pytest.mark.parametrize(("change", "same"), [
    ({}, True), ({"doc": "other"}, True), ({"comment": "other"}, True), ({"constant": 2}, False), ({"inner": 2}, False),
    ({"n": "n + 1"}, False),
])  # fmt: skip
def test_an_edit_gives_another_fingerprint(change: dict[str, Any], same: bool) -> None:
    """Also one of a function that it calls; comments and documentation are no code."""
    assert (fingerprint(built(**change)) == fingerprint(built())) == same


def test_what_is_called_may_be_of_any_kind() -> None:
    class Build:
        def __call__(self, params: Any) -> None: ...

    build = built()
    assert fingerprint(functools.partial(build, 3)) == fingerprint(build)
    assert fingerprint(Build()) == fingerprint(Build())
    assert fingerprint(Build()) != fingerprint(build)
    assert fingerprint(max) is None


def test_the_fingerprint_is_the_same_in_every_process(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(BUILD.format(**PLAIN))
    command = "import script; from pynn.search.storage.code import fingerprint; print(fingerprint(script.build))"
    found = {
        subprocess.run(
            [sys.executable, "-c", command], cwd=tmp_path, env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in range(3)
    }  # fmt: skip
    assert len(found) == 1


def test_versions_of_python_are_not_compared() -> None:
    assert not comparable("3.11 abc", "3.12 def")
    assert comparable("3.11 abc", "3.11 def")


def test_an_edited_build_is_warned_of(points: Any, tmp_path: Path) -> None:
    def edited(params: dict[str, Any]) -> Any:
        return pynn.Sequential(pynn.Affine(3)), {"optimizer": pynn.Adam(params["learning_rate"])}

    settings: dict[str, Any] = {"storage": tmp_path / "study.log", "metric": "val_loss"}
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "build was edited")
        for trials in (2, 3):
            search_cases.search(*points, **settings).run(trials=trials, epochs=1)
    with pytest.warns(UserWarning, match="build was edited since the study 'search' was begun"):
        search_cases.search(*points, build=edited, **settings).run(trials=4, epochs=1)
