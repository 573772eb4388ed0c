"""Searches for tests: a small network, a space of it, and scripts that are killed."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np

import pynn
from pynn.search import Search, integer, log_uniform

SPACE = {"units": integer(4, 16, log=True), "learning_rate": log_uniform(1e-4, 1e-1)}


def build(params: dict[str, Any]) -> tuple[pynn.Sequential, dict[str, Any]]:
    model = pynn.Sequential(pynn.Affine(params.get("units", 8)), pynn.ReLU(), pynn.Affine(3))
    return model, {"optimizer": pynn.Adam(params.get("learning_rate", 0.01)), "batch_size": 10}


def search(x: Any, y: Any, build: Any = build, **settings: Any) -> Search:
    return Search(build, SPACE, x, y, **{"progress": False, "validation": 0.3, **settings})


def killed(storage: Any, done: Any) -> Search:
    """A search that writes a line to the file `done` for each model that it begins."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    x = (rng.standard_normal((60, 4)) + 2 * np.eye(3, 4)[y]).astype(np.float32)

    def noted(params: dict[str, Any]) -> Any:
        with open(done, "a", encoding="utf-8") as file:
            file.write(f"{params['learning_rate']}\n")
        return build(params)

    return search(x, y, storage=storage, metric="val_loss", build=noted)


def run(storage: Any, done: str, trials: int, together: int = 1) -> None:
    """Do the trials, once so many processes have come to this line."""
    search = killed(storage, done)
    Path(f"{done}.{os.getpid()}").touch()
    while len(list(Path(done).parent.glob("done.txt.*"))) < together:
        time.sleep(0.001)
    search.run(trials=trials, epochs=3)
