"""The short form of the soak: many steps, fits, models and forks in one process leave nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fuzz.soak import GROWTH, ROUNDS, Soak

import pynn

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts what Linux tells in /proc")
CAMPAIGNS = Path(__file__).parent / "fuzz"


def test_a_short_soak_finds_nothing(backend: str, tmp_path: Path) -> None:
    words = [sys.executable, str(CAMPAIGNS), "soak", "--steps=400", "--fits=60", "--models=20", "--forks=10"]
    environment = {**os.environ, "PYNN_BACKEND": backend}
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, timeout=400, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("\n0 findings\n")


@pytest.mark.parametrize("name", list(GROWTH))
def test_what_grows_is_found(name: str, tmp_path: Path) -> None:
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
