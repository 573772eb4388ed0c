"""optuna-dashboard opens the storage of a search: its studies, with parameters and the score of every epoch."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("optuna")

from search_cases import SPACE, build

from pynn.search import Result, Search

Points = tuple[np.ndarray, np.ndarray]
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:the best .* trials sit at")]
PATIENCE = 120.0  # seconds in which it has started


@contextmanager
def dashboard(storage: str, folder: Path) -> Iterator[str]:
    """The address of a dashboard, started as the README says."""
    command = shutil.which("optuna-dashboard")
    if command is None:
        pytest.skip("needs optuna-dashboard: pip install optuna-dashboard")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with open(folder / "output.txt", "w") as output:
        process = subprocess.Popen(
            [command, storage, "--port", str(port), "--server", "wsgiref"], cwd=folder, stdout=output, stderr=output
        )
    try:
        url, limit = f"http://127.0.0.1:{port}/", time.monotonic() + PATIENCE
        while not answers(port):
            assert process.poll() is None, (folder / "output.txt").read_text()
            assert time.monotonic() < limit, "it did not start"
            time.sleep(0.1)
        yield url
    finally:
        process.kill()
        process.wait()


def answers(port: int) -> bool:
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0


def got(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return json.load(answer)


@pytest.mark.parametrize("storage", ["study.log", "sqlite:///study.db"])
def test_the_dashboard_shows_the_trials(points: Points, tmp_path: Path, storage: str) -> None:
    own = storage.replace("study", str(tmp_path / "study"))
    job = Search(build, SPACE, *points, storage=own, folder=tmp_path / "models", name="a", progress=False)
    result = job.coarse_to_fine([(8, 3), (2, 4)])
    with dashboard(storage, tmp_path) as url:
        with urllib.request.urlopen(url, timeout=60) as page:
            assert b"Optuna" in page.read()
        studies = {one["study_name"]: one["study_id"] for one in got(f"{url}api/studies")["study_summaries"]}
        assert list(studies) == ["a stage 1", "a stage 2"]
        shown = [got(f"{url}api/studies/{number}") for number in studies.values()]
    expect_shown(shown, result)


def expect_shown(shown: list[Any], result: Result) -> None:
    assert [study["directions"] for study in shown] == [["maximize"]] * 2
    trials = [one for study in shown for one in study["trials"]]
    assert len(trials) == len(result.trials) == 10
    for one, own in zip(trials, result.trials, strict=True):
        assert (one["number"], one["state"]) == (own.number, "Complete")
        params = {each["name"]: float(each["param_external_value"]) for each in one["params"]}
        assert params == pytest.approx(own.params)
        assert one["values"] == pytest.approx([own.score])
        curve = own.curves[0]["val_accuracy"]
        steps = {each["step"]: each["value"] for each in one["intermediate_values"]}
        assert steps == pytest.approx(dict(enumerate(curve, 1)), abs=1e-6)
