"""Results of searches for tests of their page, made without training."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from pynn.search import Trial, choice, integer, log_uniform, uniform
from pynn.search.space import Space

HOSTILE = "<b><script>alert(1)\"&amp;'"
SPACE = {
    "learning_rate": log_uniform(1e-5, 10),
    "units": integer(4, 12),
    "batch_size": integer(8, 64, log=True),
    HOSTILE: choice(["</table><b>", "a", None, True]),
    "hidden": choice([(32,), (64, 64)]),
    "optimizer": choice({"momentum": {"momentum": uniform(0.5, 0.99)}, "adam": {}}),
}
WHY = {
    "diverged": "the loss is 9.5, over 3 times the first (2.31)",
    "stopped": "dead_units (affine1): 97 % of the units are 0",
    "failed": "ArithmeticError: </script><img src=x onerror=alert(2)> \x1b[31m",
    "unfinished": "running in its process",
}


def result(trials: int = 40, stages: int = 1, epochs: int = 6, metric: str = "val_accuracy", **changed: Any) -> Any:
    """What a search would return: with trials of every end, unless there are few."""
    rng = np.random.default_rng(0)
    spaces = [Space(SPACE)] * stages
    made = [_trial(rng, number, stage, epochs, metric) for stage in range(1, stages + 1) for number in range(trials)]
    sign = -1 if metric == "val_accuracy" else 1
    ranked = sorted((one for one in made if one.ended == "finished"), key=lambda one: sign * one.score)
    found = {
        "name": f"a {HOSTILE}", "metric": metric, "mode": "max" if sign < 0 else "min", "trials": made,
        "ranked": ranked, "best_trial": ranked[0] if ranked else None, "spaces": spaces,
        "edges": [{"learning_rate": "upper"}] * stages,
        "settings": [{"epochs": epochs, "seed": 0, "parts": "Split(share=0.2)", "samples": 1437}] * stages,
        "stages": [f"stage {stage}: {trials} trials; {HOSTILE}: 'a' left out" for stage in range(1, stages + 1)],
        "importance": lambda: {"learning_rate": 0.75, HOSTILE: 0.25},
    }  # fmt: skip
    return SimpleNamespace(**{**found, **changed})


def _trial(rng: np.random.Generator, number: int, stage: int, epochs: int, metric: str) -> Trial:
    params = Space(SPACE).walk(lambda _, __, part: _drawn(rng, part))
    ended = {7: "diverged", 8: "stopped", 9: "failed", 10: "pruned", 11: "unfinished"}.get(number % 30, "finished")
    length = 2 if ended in ("stopped", "pruned") else epochs
    curve = (1 - 0.7 * np.exp(-np.arange(1, length + 1) / 3) - 0.2 * rng.random(length)).tolist()
    has = ended not in ("failed", "unfinished")
    return Trial(
        number, params, max(curve) if has else None, ended, WHY.get(ended, ""), length if has else 0, number, 0.25,
        stage, [max(curve)] if has else [], [1 + int(np.argmax(curve))] if has else [],
        [{"accuracy": curve, metric: curve}] if has else [], ["dead_units"] if ended == "stopped" else [],
        {"optimizer": f"Adam({HOSTILE})"}, error="Traceback\n  </pre><script>" if ended == "failed" else "",
    )  # fmt: skip


def _drawn(rng: np.random.Generator, part: Any) -> Any:
    if hasattr(part, "labels"):
        return part.labels[int(rng.integers(len(part.labels)))]
    return part.at(float(rng.random()))


def without_scores() -> Any:
    """All trials have diverged."""
    found = result(4)
    found.trials = [
        Trial(one.number, one.params, None, "diverged", WHY["diverged"], 1, one.number, 0.1) for one in found.trials
    ]
    found.ranked, found.best_trial, found.edges, found.importance = [], None, [{}], _too_few
    return found


def _too_few() -> Any:
    raise ValueError("importance needs at least 2 finished trials, and there are 0")
