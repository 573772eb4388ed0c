"""The package: what it says without Optuna, and that trials leave nothing behind in memory."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("optuna")

import optuna
import search_cases

import pynn
from pynn.search import work
from pynn.search.trials.trial import Task

pytestmark = pytest.mark.filterwarnings("ignore:the best .* trials sit at")


@pytest.fixture
def anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package is imported again."""
    for name in [name for name in sys.modules if name.startswith("pynn.search")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(pynn, "search", raising=False)


def test_without_optuna_the_import_says_what_to_install(anew: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ImportError, match=r'pynn.search needs Optuna: pip install "pynn-cpu\[search\]"'):
        import_module("pynn.search")


def test_an_old_optuna_is_refused(anew: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optuna, "__version__", "4.8.0")
    with pytest.raises(ImportError, match=r"pynn.search needs Optuna 5 or newer, this is 4.8.0"):
        import_module("pynn.search")


def test_the_import_does_not_load_dask(tmp_path: Path) -> None:
    code = "import sys, pynn.search; print([name for name in ('dask', 'distributed') if name in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": str(Path(pynn.__file__).parents[1])}
    command = [sys.executable, "-c", code]  # elsewhere than in the clone, whose sources have no kernels
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr


def test_models_and_data_of_trials_are_given_free(points: Any) -> None:
    def alive() -> int:
        gc.collect()
        return sum(isinstance(one, (pynn.Sequential, pynn.Trainer, pynn.Monitor)) for one in gc.get_objects())

    before, job = alive(), search_cases.search(*points)
    job.run(trials=20, epochs=2)
    assert alive() == before
    job.coarse_to_fine([(8, 60), (3, 60)], go_on=True)
    assert alive() == before


def test_only_long_trials_have_checkpoints(points: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks: list[Task] = []

    class Noting(work.Serial):
        def start(self, task: Task, report: Any) -> None:
            tasks.append(task)
            super().start(task, report)

    monkeypatch.setattr(work, "Serial", Noting)
    search_cases.search(*points, storage=tmp_path / "study.log").run(trials=4, epochs=1)
    assert [task.checkpoint is not None for task in tasks] == [True, False, False, False]
    monkeypatch.setattr(work, "EVERY", 0.0)
    search_cases.search(*points, storage=tmp_path / "study.log").run(trials=6, epochs=1)
    assert [task.checkpoint is not None for task in tasks[4:]] == [True, True]
    assert not list((tmp_path / "study.log.models").glob("*.checkpoint"))


def test_a_task_knows_the_best_score_and_what_others_reached(points: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks: list[Task] = []

    class Noting(work.Serial):
        def start(self, task: Task, report: Any) -> None:
            tasks.append(task)
            super().start(task, report)

    monkeypatch.setattr(work, "Serial", Noting)
    result = search_cases.search(*points).run(trials=8, epochs=5)
    scores = [one.score for one in result.trials if one.ended == "finished"]
    assert [task.beat for task in tasks] == [None, *(max(scores[:n]) for n in range(1, 8))]  # type: ignore[type-var]
    assert [set(task.middles) for task in tasks] == [set()] * 5 + [{2}] * 3
    assert [task.seed for task in tasks] == list(range(8))
