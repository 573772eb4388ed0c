"""Halving by Optuna's pruners: trials are judged after each epoch; those that stay go on, and no epoch comes twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("optuna")

from optuna.pruners import HyperbandPruner, SuccessiveHalvingPruner
from search_cases import build, search

import pynn

Points = tuple[np.ndarray, np.ndarray]
pytestmark = pytest.mark.filterwarnings("ignore:the best .* trials sit at")


class Epochs(pynn.Callback):
    count = 0

    def on_epoch_end(self, trainer: Any) -> None:
        self.count += 1


@pytest.mark.parametrize("pruner", [SuccessiveHalvingPruner(min_resource=2, reduction_factor=2), HyperbandPruner(2, 8)])
def test_halving_trains_no_epoch_twice(points: Points, pruner: Any) -> None:
    counted = Epochs()

    def counting(params: dict[str, Any]) -> Any:
        model, settings = build(params)
        return model, {**settings, "callbacks": [counted]}

    result = search(*points, build=counting, metric="val_loss", pruner=pruner, stop=False).run(trials=12, epochs=8)
    whole = search(*points, metric="val_loss", stop=False).run(trials=12, epochs=8)
    assert counted.count == sum(one.epochs for one in result.trials) < 12 * 8
    assert {one.ended for one in result.trials} == {"finished", "pruned"}
    for one, full in zip(result.trials, whole.trials, strict=True):
        curve = one.curves[0]["val_loss"]
        assert curve == full.curves[0]["val_loss"][: len(curve)]
        assert len(curve) == (8 if one.ended == "finished" else one.epochs)
