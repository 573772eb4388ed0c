"""How samples are parted, in plain values and in words: words may change, and studies go on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("optuna")

from search_cases import search

import pynn
from pynn.search import load, parts


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (parts.own(1), "1 sample of their own"),
        (parts.own(20), "20 samples of their own"),
        (parts.share(pynn.Split(0.2), ""), "a share of 0.2"),
        (parts.share(pynn.Split(0.25, stratify=False, seed=3), parts.EQUAL),
         "a share of 0.25, whatever their labels, with the seed 3, equal samples kept together"),
        (parts.folds(5, True, parts.GROUPS), "5 folds, groups kept together"),
        ({"pieces": 3}, "{'pieces': 3}"),
    ],
)  # fmt: skip
def test_words(made: Any, text: str) -> None:
    assert parts.text(made) == text


def test_a_study_goes_on_though_words_have_changed(
    points: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "study.log"
    result = search(*points, storage=path, folds=3).run(trials=2, epochs=1)
    assert result.settings[0]["parts"] == "3 folds"
    monkeypatch.setattr(parts, "text", lambda parts: "otherwise")
    assert len(search(*points, storage=path, folds=3).run(trials=3, epochs=1).trials) == 3
    assert load(path).settings[0]["parts"] == "otherwise"
    with pytest.raises(ValueError, match="begun with other settings: parts was otherwise, now it is otherwise"):
        search(*points, storage=path).run(trials=3, epochs=1)
