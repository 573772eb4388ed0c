"""The short form of the soak: many steps, fits, models and forks in one process leave nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fuzz.soak import GROWTH, ROUNDS, Soak, is_enough

import pynn

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts what Linux tells in /proc")
CAMPAIGNS = Path(__file__).parents[1] / "fuzz"


@pytest.mark.slow
def test_a_short_soak_finds_nothing(backend: str, tmp_path: Path) -> None:
    words = [sys.executable, str(CAMPAIGNS), "soak", "--steps=400", "--fits=60", "--models=20", "--forks=10"]
    environment = {**os.environ, "PYNN_BACKEND": backend}
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, timeout=400, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("\n0 findings\n")
    assert "too short" not in done.stdout


@pytest.mark.slow
def test_growth_is_judged_only_where_there_is_enough_of_a_run(tmp_path: Path) -> None:
    words = [sys.executable, str(CAMPAIGNS), "soak", "--steps=40", "--fits=5", "--models=2", "--forks=0"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, timeout=400)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\ntoo short to judge growth: that takes --steps 400, --fits 60, --models 20, --forks 10" in done.stdout
    assert is_enough(400, 60, 20, 10)
    assert is_enough(0, 60, 0, 0)
    for counts in (0, 0, 0, 0), (399, 60, 20, 10), (400, 59, 20, 10), (400, 60, 19, 10), (400, 60, 20, 9):
        assert not is_enough(*counts)


def test_every_kind_of_fit_comes_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    soak, seen = Soak(0, tmp_path), list[int]()
    assert len(soak.fits) < 60 // 4  # all of them in the warm-up
    monkeypatch.setattr(soak, "fits", [lambda kind=kind: seen.append(kind) for kind in range(len(soak.fits))])
    for _ in soak.fits:
        soak.next_fit()
    assert sorted(seen) == list(range(len(soak.fits)))


@pytest.mark.parametrize("name", list(GROWTH))
def test_growth_of_memory_is_found(name: str, tmp_path: Path) -> None:
    soak = Soak(0, tmp_path)
    flat = [dict.fromkeys(GROWTH, 100) for _ in range(ROUNDS)]
    soak.compare(flat)
    assert soak.findings == []
    soak.compare([*flat[:-1], {**flat[-1], name: 101 + GROWTH[name]}])
    assert len(soak.findings) == 1
    assert soak.findings[0].startswith(f"{name} grew")


def test_other_bits_and_calls_that_are_not_refused_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    soak = Soak(0, tmp_path)
    soak.wanted[3] = b"something else"
    soak.refusals = {"a call": lambda: None}
    monkeypatch.setattr(soak, "fits", [lambda: (_ for _ in ()).throw(KeyError("lost"))])
    soak.round(0, 1, 0, 0)
    found: Any = soak.findings
    assert found == ["fit: KeyError: 'lost'", "a thread predicts other bits", "a call was not refused"]
    pynn.set_num_threads(1)
