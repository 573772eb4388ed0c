"""The campaign of kills in its short form, and that it finds what is not whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import pynn

TESTS = Path(__file__).parents[1]
pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="forks its processes"),
    pytest.mark.skipif(sys.platform == "darwin", reason="Apple's libraries fail in such children"),
]
SPOILED = """
import sys, time
from pathlib import Path
from pynn.saving import files, filelocks

def write_in_two(path, content):
    with open(path, "wb", buffering=0) as file:
        file.write(content[:len(content) // 2])
        time.sleep(0.003)
        file.write(content[len(content) // 2:])

{spoil}
sys.argv = [str(Path(sys.argv[1]) / "fuzz" / "__main__.py"), "kills", *sys.argv[2:]]
import runpy
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def kills(*options: str, spoil: str = "pass", folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYNN_BACKEND": pynn.kernels.backend()}
    command = [sys.executable, "-c", SPOILED.format(spoil=spoil), str(TESTS), *options, "--folder", str(folder)]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=300)


@pytest.mark.slow
def test_killed_runs_end_with_the_bits_of_those_that_were_not(tmp_path: Path) -> None:
    done = kills("--kills", "12", "--seed", "3", "--runs", "batches", "sequences", "saves", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = dict(line.rsplit(maxsplit=1) for line in done.stdout.splitlines() if line[-1].isdecimal())
    assert lines["other bits, errors, files left behind"] == "0"
    assert int(lines["processes that went on"]) >= 8
    assert int(lines["runs that came to their end"]) >= 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "run", "found"),
    [
        ("files.write_whole = write_in_two", "saves", r"is not a whole safetensors file"),
        ("files._sweep = lambda path: None", "saves", r"files left behind: "),
        ("from pynn import optimizers; optimizers.Optimizer.restore = lambda *_: None", "sequences", r"other bits of "),
    ],
)
def test_the_campaign_finds_files_and_states_that_are_not_whole(
    spoil: str, run: str, found: str, tmp_path: Path
) -> None:
    done = kills("--kills", "30", "--runs", run, spoil=spoil, folder=tmp_path)  # few hit the middle of a write
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FOUND in run " in done.stdout
    assert found in done.stdout
