"""Results in files: one JSON file an experiment, so that what is there is not run again."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from ..saving import files
from .experiment import Experiment, Result

DIGITS = 6  # of a number, enough for every picture


class Store:
    """The results of an experiment in ``FOLDER/NAME.json``, valid as long as its code and form are the same."""

    def __init__(self, folder: Path, experiment: Experiment, quick: bool) -> None:
        self.path = folder / f"{experiment.name}.json"
        self._head = {"experiment": experiment.name, "code": experiment.code, "quick": quick}
        self._runs: dict[str, Any] = self._read()

    def _read(self) -> dict[str, Any]:
        try:
            content = json.loads(self.path.read_text("utf-8"))
            same = all(content[key] == value for key, value in self._head.items())
            return dict(content["runs"]) if same else {}
        except (FileNotFoundError, ValueError, KeyError, TypeError):  # none, half of one, or another program's
            return {}

    def get(self, seed: int) -> tuple[Result, float] | None:
        """Result and seconds of a seed, if it ran."""
        run = self._runs.get(str(seed))
        return None if run is None else (run["result"], run["seconds"])

    def put(self, seed: int, result: Result, seconds: float) -> None:
        """Keep the result of a seed."""
        self._runs[str(seed)] = {"seconds": round(seconds, 3), "result": result}
        text = json.dumps({**self._head, "runs": self._runs}, allow_nan=False, separators=(",", ":"))
        files.write_whole(self.path, text.encode())


def plain(value: Any) -> Any:
    """The value as JSON has it: arrays as lists, numbers with six digits, what is not finite as None."""
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    if value is None or isinstance(value, str):
        return value
    raise TypeError(f"run returned a {type(value).__name__}, expected numbers, text, arrays, lists and dicts of them")
