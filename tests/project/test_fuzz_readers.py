"""A short campaign of damaged and crafted files: `python tests/fuzz readers` is the long one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("PIL")
if sys.platform != "linux":
    pytest.skip("the campaign forks, and measures memory as Linux tells it", allow_module_level=True)

from fuzz import planted, readers

TESTS = Path(__file__).parents[1]
FILES = 2500
CALL = "import sys; sys.path.insert(0, sys.argv.pop(1)); from fuzz import {module}; sys.exit({module}.main())"


def run(arguments: list[str], backend: str) -> tuple[int, str]:
    """A campaign in a process of its own: its exit code, and what it prints."""
    environment = {**os.environ, "PYNN_BACKEND": backend}
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=environment, check=False, timeout=300
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout


def rows(printed: str) -> dict[str, list[str]]:
    """The columns of the table by the reader's name."""
    lines = [line.split() for line in printed.splitlines()]
    return {line[0]: line[1:] for line in lines if len(line) == 11 and line[0] != "reader"}


@pytest.mark.slow
def test_no_file_does_what_no_file_may(backend: str) -> None:
    """Errors of other kinds, time, memory, signals, code that runs, silent changes: all are findings."""
    code, printed = run([str(TESTS / "fuzz"), "readers", "--files", str(FILES), "--seed", "1"], backend)
    table = {name: [int(cell.replace(",", "")) for cell in row[:5]] for name, row in rows(printed).items()}
    assert table.keys() == readers.READERS.keys()
    assert sum(files for files, *_ in table.values()) == pytest.approx(FILES, abs=10)
    for name, (files, same, other, refused, _) in table.items():
        assert files < 100 or (same + other > files / 100 and refused > files / 100), (
            name
        )  # neither takes all, nor none
    assert code == 0, printed


@pytest.mark.slow
def test_the_campaign_sees_every_fault() -> None:
    files = len(planted.FAULTS) + 2
    code, printed = run(["-c", CALL.format(module="planted"), str(TESTS), "--files", str(files)], "numpy")
    seen = [line.removeprefix("FINDING planted: ") for line in printed.splitlines() if line.startswith("FINDING")]
    assert code == len(planted.FAULTS), printed
    assert sorted(seen) == sorted(planted.FAULTS)
    assert [rows(printed)["planted"][column] for column in (1, 3)] == ["1", "1"]  # what is right, and what is refused


@pytest.mark.slow
@pytest.mark.parametrize("name", ["model", "resume", "csv", "pictures", "pickles"])
def test_a_number_stands_for_the_same_file(name: str) -> None:
    for number in (1, 2, 3, 4):
        first, second = (readers.READERS[name]().make(number, seed=5) for _ in range(2))
        assert first == second
    assert readers.READERS[name]().make(1, seed=6) != first
