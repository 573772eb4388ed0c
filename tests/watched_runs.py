"""Small runs with a Monitor, whole and killed, for the tests of what reads them."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np

import pynn


def network() -> pynn.Sequential:
    return pynn.Sequential(
        pynn.Affine(16), pynn.BatchNorm(), pynn.ReLU(), pynn.Dropout(0.2), pynn.Affine(8), pynn.Tanh(), pynn.Affine(3)
    )


def samples(count: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    y = np.arange(count) % 3
    return (random.standard_normal((count, 6)) + 2 * np.eye(3, 6)[y]).astype(np.float32), y


def watched(folder: Any = None, epochs: int = 3, validation: Any = 0.2, **options: Any) -> pynn.History:
    """The history of a small run."""
    monitor = pynn.Monitor(folder, interval=10)
    chosen: dict[str, Any] = {"batch_size": 20, "progress": False, "optimizer": pynn.Adam(0.02), **options}
    model = chosen.pop("model", None) or network()
    x, y = chosen.pop("samples", None) or samples()
    return model.fit(x, y, validation=validation, epochs=epochs, callbacks=[monitor], **chosen)


def killed(folder: Path, steps: int = 60) -> None:
    """Train in another process, and kill it when the folder has seen some steps."""
    process = begun(folder)
    try:
        wait_for_steps(folder, steps, process)
    finally:
        process.kill()
        process.wait()


def begun(folder: Path) -> subprocess.Popen[bytes]:
    """A process that trains until it is killed, slowly enough to be followed."""
    code = """
        import sys, time
        sys.path.insert(0, sys.argv[2])
        import pynn, watched_runs
        class Slow(pynn.Callback):
            def on_step_end(self, trainer):
                time.sleep(0.002)
        x, y = watched_runs.samples()
        watched_runs.network().fit(x, y, validation=0.2, epochs=100000, batch_size=20, progress=False,
            callbacks=[pynn.Monitor(sys.argv[1], interval=10), Slow()])
    """
    command = [sys.executable, "-P", "-c", textwrap.dedent(code), str(folder), str(Path(__file__).parent)]
    return subprocess.Popen(command, env={**os.environ, "PYNN_BACKEND": pynn.kernels.backend()})


def wait_for_steps(folder: Path, steps: int, process: subprocess.Popen[bytes]) -> None:
    from pynn.diagnostics import run_folder

    for _ in range(2400):
        assert process.poll() is None, "the training ended by itself"
        if run_folder.is_run(folder) and len(run_folder.read(folder).losses) >= steps:
            return
        time.sleep(0.05)
    raise AssertionError("the training wrote nothing in two minutes")
