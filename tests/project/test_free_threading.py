"""Free-threaded CPython: pynn does not bring the interpreter's lock back, and what threads share holds without it."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from processes import network

import pynn
from pynn.locks import Claim

Points = tuple[np.ndarray, np.ndarray]


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="an interpreter with a global lock")
def test_importing_pynn_leaves_the_interpreter_without_its_lock(native: None, tmp_path: Path) -> None:
    code = "import sys, pynn; print(pynn.kernels.backend(), sys._is_gil_enabled())"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout.split()) == (0, ["native", "False"]), done.stderr


def test_a_claim_has_one_holder_among_many_threads() -> None:
    claim, inside, most, refused = Claim("taken"), [0], [0], [0] * 8

    def work(number: int) -> None:
        for _ in range(2000):
            try:
                with claim.use():
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                    inside[0] -= 1
            except RuntimeError:
                refused[number] += 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert most == [1]
    assert sum(refused) < 8 * 2000
    with claim.use():
        pass


@pytest.mark.slow
def test_a_model_that_is_trained_in_turns_by_threads(backend: str, points: Points) -> None:
    """Predictions, copies and settings of threads meanwhile change no bit of what each trains."""
    alone = []
    for seed in range(4):
        model = network(seed)
        model.fit(*points, epochs=5, batch_size=7, progress=False)
        alone.append((model.parameters.tobytes(), model.predict_proba(points[0]).tobytes()))

    def train(seed: int) -> tuple[bytes, bytes]:
        model = network(seed % 4)
        for _ in range(5):
            model.fit(*points, epochs=1, batch_size=7, progress=False)
            pynn.set_num_threads(1 + seed % 3)
        return model.parameters.tobytes(), model.predict_proba(points[0]).tobytes()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(train, range(16))) == alone * 4
