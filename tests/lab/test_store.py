"""Results are kept by code and form, and a damaged file counts as none."""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pynn.lab.contents import find
from pynn.lab.experiment import Experiment
from pynn.lab.store import Store, plain


def test_what_was_put_is_there_again(tmp_path: Path) -> None:
    experiment = find("gates")
    Store(tmp_path, experiment, quick=True).put(3, {"error": 0.25}, 1.23456)
    again = Store(tmp_path, experiment, quick=True)
    assert again.get(3) == ({"error": 0.25}, 1.235)
    assert again.get(4) is None


def edited(old: str, new: str, folder: Path) -> Experiment:
    """The experiment `gates` with this change in its module."""
    source = inspect.getsource(find("gates").module).replace("from ..", "from pynn.lab.")
    assert old in source
    path = folder / f"edited{len(list(folder.glob('edited*')))}.py"
    path.write_text(source.replace(old, new), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return dataclasses.replace(find("gates"), module=module, draw=module.draw)


def test_the_other_form_is_run_again(tmp_path: Path) -> None:
    Store(tmp_path, find("gates"), quick=True).put(0, {"error": 0.25}, 1.0)
    assert Store(tmp_path, find("gates"), quick=False).get(0) is None


def test_other_code_is_run_again_another_picture_is_not(tmp_path: Path) -> None:
    Store(tmp_path, edited("", "", tmp_path), quick=True).put(0, {"error": 0.25}, 1.0)
    kept = {"error": 0.25}, 1.0
    drawn = edited("def draw(figure: Any", "def draw(  # otherwise\n    figure: Any", tmp_path)
    assert Store(tmp_path, drawn, quick=True).get(0) == kept
    assert Store(tmp_path, edited('PICTURE = """', 'PICTURE = """Look: ', tmp_path), quick=True).get(0) == kept
    assert Store(tmp_path, edited("def run(", "def other() -> None: ...\n\n\ndef run(", tmp_path), True).get(0) is None


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"runs": 3}', "null"])
def test_a_damaged_file_counts_as_none(content: str, tmp_path: Path) -> None:
    (tmp_path / "gates.json").write_text(content, encoding="utf-8")
    store = Store(tmp_path, find("gates"), quick=True)
    assert store.get(0) is None
    store.put(0, {"error": 1.0}, 1.0)
    assert json.loads((tmp_path / "gates.json").read_text(encoding="utf-8"))["runs"]["0"]["result"] == {"error": 1.0}


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (np.float32(1 / 3), 0.333333),
        (np.arange(3), [0, 1, 2]),
        ({"a": (np.int64(3), np.bool_(True))}, {"a": [3, True]}),
        (float("nan"), None),
        (np.array([np.inf, 1.0]), [None, 1.0]),
        ({3: None}, {"3": None}),
        (np.array(2.5), 2.5),
    ],
)
def test_values_become_what_json_has(value: Any, kept: Any) -> None:
    assert plain(value) == kept
    assert json.loads(json.dumps(plain(value), allow_nan=False)) == kept


def test_other_values_are_refused() -> None:
    with pytest.raises(TypeError, match="run returned a set, expected numbers, text, arrays, lists and dicts of them"):
        plain({"x": {1, 2}})
