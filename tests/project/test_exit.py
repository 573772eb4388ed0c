"""A process that ends while one of its threads computes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

RUN = """
import threading, time
import numpy as np, pynn
x, y = np.random.default_rng(0).normal(size=(3000, 32)).astype(np.float32), np.arange(3000) % 3
model = pynn.Sequential(pynn.Affine(256), pynn.BatchNorm(), pynn.ReLU(), pynn.Affine(3))
model.fit(x, y, epochs=1, progress=False)

def work():
    while True:
        {what}

threading.Thread(target=work, daemon=True).start()
time.sleep(0.1)
"""


@pytest.mark.slow
@pytest.mark.parametrize("what", ["model.predict(x)", "model.fit(x, y, epochs=1, progress=False)"])
def test_a_daemon_thread_in_a_kernel_does_not_abort_the_end(what: str, tmp_path: Path) -> None:
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", RUN.format(what=what)], capture_output=True, text=True, cwd=tmp_path, timeout=60
        )
        assert (done.returncode, done.stderr) == (0, "")
