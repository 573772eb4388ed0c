"""Searches for tests: a small network, a space of it, and scripts that are killed."""

from __future__ import annotations

from typing import Any

import pynn
from pynn.search import Search, integer, log_uniform

SPACE = {"units": integer(4, 16, log=True), "learning_rate": log_uniform(1e-4, 1e-1)}


def build(params: dict[str, Any]) -> tuple[pynn.Sequential, dict[str, Any]]:
    model = pynn.Sequential(pynn.Affine(params.get("units", 8)), pynn.ReLU(), pynn.Affine(3))
    return model, {"optimizer": pynn.Adam(params.get("learning_rate", 0.01)), "batch_size": 10}


def search(x: Any, y: Any, **settings: Any) -> Search:
    return Search(build, SPACE, x, y, **{"progress": False, "validation": 0.3, **settings})
