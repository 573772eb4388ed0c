"""`pynn report` on the storage of a search, as `pynn search` writes it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("optuna")

import optuna

from pynn.search import load

pytestmark = pytest.mark.usefixtures("alone")
SEARCH = ("search", "--trials", 2, "--epochs", 1, "--layers", 8, "--no-plot", "--quiet")


def test_a_journal_and_a_database_become_pages(run: Any) -> None:
    for storage in ("study.log", "sqlite:///study.db"):
        assert run(*SEARCH, "--storage", storage)[0] == 0
        assert run("report", storage) == (0, ["wrote report.html"], [])
        page = Path("report.html").read_text("utf-8")
        assert f"<title>Search: {load(storage).name} – pynn</title>" in page
        assert f"<b>{load(storage).best_score:.4g}" in page
        assert "cannot be drawn" not in page
    assert run("report", "study.log", "--output", "a.html")[:2] == (0, ["wrote a.html"])


def test_one_of_several_searches(run: Any, fails: Any) -> None:
    run(*SEARCH, "--storage", "study.log")
    run(*SEARCH, "--storage", "study.log", "--seed", 1, "--dropout", 0.5)
    names = [one.study_name for one in optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend("study.log")).get_all_studies()]  # fmt: skip
    names.sort()
    assert len(names) == 2
    assert fails("report", "study.log").endswith(f": choose one by name={names[0]!r}, in a terminal by --name")
    assert run("report", "study.log", "--name", names[1])[0] == 0


def test_what_is_no_search(run: Any, fails: Any) -> None:
    Path("notes.txt").write_text("hello")
    assert fails("report", "notes.txt") == (
        "notes.txt is no journal of Optuna; expected the file in which a search keeps its trials"
    )
    for name in ("nope.log", "nope.db"):
        assert fails("report", name) == (
            f"{name} does not exist, expected the file in which a search keeps its trials, or the folder of a run"
        )
    Path("empty.log").touch()
    assert fails("report", "empty.log") == "empty.log holds no search yet"
    assert fails("report", "sqlite:///no.db") == "sqlite:///no.db: the file no.db does not exist"
    assert not Path("no.db").exists()
    assert not Path("report.html").exists()


def test_options_that_do_not_go_with_a_search(fails: Any) -> None:
    Path("a.log").touch()
    Path("folder").mkdir()
    assert fails("report", "a.log", "folder") == "a.log holds a search, which has a page of its own: name it alone"
    assert fails("report", "a.log", "--live").startswith("--live follows trainings, not searches")
    assert fails("report", "folder", "--name", "a").startswith("--name is for the storage of a search")
    assert fails("report", "a.log", "--output", "a.txt") == "--output: expected a name that ends in .html, got 'a.txt'"


def test_without_optuna_and_without_matplotlib(run: Any, fails: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run(*SEARCH, "--storage", "study.log")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert run("report", "study.log")[0] == 0
    for name in [name for name in sys.modules if name.startswith("pynn.search")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert fails("report", "study.log") == 'pynn.search needs Optuna: pip install "pynn-cpu[search]"'
