"""Memory-mapped arrays are trained on, evaluated and predicted from without a copy of them in memory."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn
from pynn.data import arrays

COUNT, WIDTH = 16_000, 1024  # 16 to 131 MB in files that are holes but for some rows
MOST = 24 << 20  # bytes; pieces of some MB are checked at once

KINDS: dict[str, tuple[str, Any]] = {
    "uint8": ("u1", "C"),
    "float16": ("f2", "C"),
    "float32": ("f4", "C"),
    "float64": ("f8", "C"),
    "big-endian": (">f4", "C"),
    "Fortran order": ("f4", "F"),
    "int64": ("i8", "C"),
}
kinds = pytest.mark.parametrize(("dtype", "order"), KINDS.values(), ids=KINDS)


def mapped(folder: Path, dtype: str, order: Any) -> np.ndarray:
    x = np.memmap(folder / "x", dtype, mode="w+", shape=(COUNT, WIDTH), order=order)
    x[:: COUNT // 8] = 1
    x.flush()
    return np.memmap(folder / "x", dtype, mode="r", shape=(COUNT, WIDTH), order=order)


def peak(run: Callable[[], Any]) -> int:
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def small() -> pynn.Sequential:
    model = pynn.Sequential(pynn.Affine(4), pynn.BatchNorm(), pynn.ReLU(), pynn.Affine(2))
    model.build((WIDTH,))
    return model


@pytest.mark.slow
@kinds
def test_no_copy_is_made(tmp_path: Path, dtype: str, order: Any, backend: str) -> None:
    x, y, model = mapped(tmp_path, dtype, order), np.arange(COUNT) % 2, small()
    fit = {"epochs": 1, "batch_size": 512, "progress": False}
    assert x.nbytes > MOST / 2
    assert peak(lambda: model.fit(x, y, validation=(x, y), **fit)) < MOST
    assert peak(lambda: model.evaluate(x, y)) < MOST
    assert peak(lambda: model.predict(x)) < MOST
    assert peak(lambda: model.predict_proba(x)) < MOST


@kinds
def test_a_mapped_array_trains_as_one_in_memory(tmp_path: Path, dtype: str, order: Any) -> None:
    on_disk, y = mapped(tmp_path, dtype, order)[::500], np.arange(COUNT // 500) % 2
    results = []
    for x in (on_disk, np.array(on_disk)):
        model = small()
        model.fit(x, y, epochs=2, batch_size=8, progress=False)
        results.append((model.parameters.tobytes(), model.predict_proba(x).tobytes(), model.evaluate(x, y)))
    assert results[0] == results[1]


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_number_that_is_not_finite_is_found_wherever_it_is(tmp_path: Path, order: Any) -> None:
    x = np.memmap(tmp_path / "x", np.float64, mode="w+", shape=(12_000, 40, 20), order=order)
    assert peak(lambda: arrays.check_finite("x", x)) < x.nbytes // 3
    for place in ((0, 0, 0), (1310, 39, 19), (1311, 0, 0), (11_999, 39, 19)):
        x[place] = np.nan
        with pytest.raises(ValueError, match=rf"x\[{', '.join(map(str, place))}\] is nan"):
            arrays.check_finite("x", x)
        x[place] = 0
    x[2000, 3, 4] = 1e300
    with pytest.raises(ValueError, match=r"x\[2000, 3, 4\] is 1e\+300, too large for float32"):
        arrays.check_finite("x", x, np.float32)


LIMITED = """
import resource, sys
import numpy as np, pynn
model = pynn.Sequential(pynn.Affine(2))
fit = dict(epochs=1, batch_size=512, progress=False)
model.fit(np.zeros((2000, 1024), np.float32), np.arange(2000) % 2, **fit)   # threads and buffers are there now
used = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmData")) << 10
resource.setrlimit(resource.RLIMIT_DATA, (used + (64 << 20), -1))
x = np.memmap(sys.argv[1], np.float32, mode="r", shape=(64000, 1024))
y = np.arange(len(x)) % 2
model.fit(x, y, **fit)
model.evaluate(x, y), model.predict(x)
try:
    np.array(x)
except MemoryError:
    print("done, where a copy of", x.nbytes >> 20, "MiB has no room")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's limit of a process's own memory")
def test_a_process_without_room_for_a_copy_trains(tmp_path: Path) -> None:
    with open(tmp_path / "x", "wb") as file:
        file.truncate(64000 * 1024 * 4)
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "x")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("done, where a copy of 250 MiB has no room\n", "")
