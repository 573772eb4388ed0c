"""History: lists of numbers by name."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

import pynn


def filled() -> pynn.History:
    history = pynn.History()
    history.append({"loss": 2.5, "accuracy": 0.25})
    history.append({"loss": 1, "accuracy": 0.5})
    return history


def test_numbers_are_lists_by_name_one_an_epoch() -> None:
    history = filled()
    assert history["loss"] == [2.5, 1.0]
    assert isinstance(history["loss"][1], float)
    assert list(history) == ["loss", "accuracy"]
    assert history.epochs == 2
    assert "loss" in history
    assert "val_loss" not in history


def test_a_history_is_a_mapping_like_any_other() -> None:
    history = filled()
    assert isinstance(history, Mapping)
    assert dict(history) == {"loss": [2.5, 1.0], "accuracy": [0.25, 0.5]}
    assert len(history) == len(list(history)) == len(dict(history))
    assert history.get("val_loss") is None


def test_an_unknown_name_lists_those_that_are_there() -> None:
    with pytest.raises(KeyError, match="'val_loss' was not measured; there are loss, accuracy"):
        filled()["val_loss"]
    with pytest.raises(KeyError, match="'loss' was not measured; there are no epochs yet"):
        pynn.History()["loss"]


def test_repr_shows_the_last_epoch() -> None:
    assert repr(filled()) == "History(2 epochs; last: loss 1, accuracy 0.5)"
    assert repr(pynn.History()) == "History(0 epochs)"
    assert pynn.History().epochs == 0
