"""Training in several processes: the run of one within rounding, the same bits in all, and nothing that hangs."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import distributed_cases
import numpy as np
import pytest
from mpi_processes import mpirun

import pynn
from pynn.data.batches import part_of

SIZES = (2, 4)
EXACT = (
    "float64",
    "gradient float64",
    "batchnorm float64",
    "pictures",
    "given batches",
    "tree",
    "numbers",
    "structured",
    "own loss",
    "callbacks",
)
ROUNDED = ("float32", "gradient float32", "batchnorm float32")


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process finds without MPI."""
    folder, here = tmp_path_factory.mktemp("alone"), Path.cwd()
    try:
        distributed_cases.run_all(folder, False)
    finally:
        os.chdir(here)
    return folder


@pytest.fixture(scope="module", params=[pytest.param(size, marks=pytest.mark.slow) for size in SIZES])
def several(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """What each of several processes finds, and how many they are."""
    folder = tmp_path_factory.mktemp(f"several{request.param}")
    done = mpirun(request.param, [distributed_cases.__file__, str(folder)], folder)
    assert done.returncode == 0, done.stderr
    return folder, request.param


def found(folder: Path, case: str, rank: int = 0) -> dict[str, np.ndarray]:
    return dict(np.load(folder / case.replace(" ", "_") / f"found{rank}.npz"))


def worst(wanted: dict[str, np.ndarray], got: dict[str, np.ndarray]) -> float:
    """The largest difference, in terms of the largest number of each array."""
    assert list(wanted) == list(got)
    return max(float(np.abs(wanted[k] - got[k]).max() / max(np.abs(wanted[k]).max(), 1e-9)) for k in wanted)


@pytest.mark.parametrize("case", EXACT)
def test_a_distributed_run_is_that_of_one_process(alone: Path, several: tuple[Path, int], case: str) -> None:
    assert worst(found(alone, case), found(several[0], case)) < 1e-12


@pytest.mark.parametrize("case", ROUNDED)
def test_a_distributed_float32_run_is_that_of_one_process(alone: Path, several: tuple[Path, int], case: str) -> None:
    wanted, got = found(alone, case), found(several[0], case)
    assert worst(wanted, got) < 1e-5
    if "accuracy" in wanted:
        np.testing.assert_array_equal(got["val_accuracy"], wanted["val_accuracy"])
        np.testing.assert_allclose(got["accuracy"], wanted["accuracy"], rtol=1e-6)


@pytest.mark.parametrize("case", [name for name in distributed_cases.CASES if name != "errors"])
def test_all_processes_end_with_the_same_bits(several: tuple[Path, int], case: str) -> None:
    folder, size = several
    first = found(folder, case)
    for rank in range(1, size):
        for name, values in found(folder, case, rank).items():
            np.testing.assert_array_equal(values, first[name], err_msg=name)


def test_batch_normalization_of_parts_is_another_run_with_averaged_statistics(
    alone: Path, several: tuple[Path, int]
) -> None:
    wanted, got = found(alone, "batchnorm of parts"), found(several[0], "batchnorm of parts")
    assert worst(wanted, got) > 1e-3
    mean = "batchnorm1.running_mean"
    assert np.abs(got[mean] - wanted[mean]).max() < 0.5 * np.abs(wanted[mean]).max()


def test_the_first_process_alone_writes(alone: Path, several: tuple[Path, int]) -> None:
    there, here = several[0] / "callbacks", alone / "callbacks"
    wanted, got = ([line.split(",") for line in (at / "table.csv").read_text().splitlines()] for at in (here, there))
    assert got[0] == wanted[0]
    speed = wanted[0].index("samples_per_second")
    for one, other in zip(wanted[1:], got[1:], strict=True):
        del one[speed], other[speed]
        np.testing.assert_allclose([float(v) for v in other], [float(v) for v in one], rtol=1e-11)
    assert sorted(path.name for path in there.glob("*.safetensors")) == sorted(
        path.name for path in here.glob("*.safetensors")
    )


def test_a_resumed_run_has_the_bits_of_one_that_was_not_stopped(several: tuple[Path, int]) -> None:
    values = found(several[0], "resumed")
    for name in [name for name in values if not name.startswith("resumed ")]:
        np.testing.assert_array_equal(values[f"resumed {name}"], values[name], err_msg=name)


def test_a_stop_in_one_process_stops_all_after_the_same_step(several: tuple[Path, int]) -> None:
    for rank in range(several[1]):
        values = found(several[0], "stopped by one", rank)
        assert values["step"] == 3
        assert str(values["stopped"]) == "one has had enough"


def test_errors_are_raised_in_all_processes(alone: Path, several: tuple[Path, int]) -> None:
    folder, size = several
    one = {name: str(text) for name, text in found(alone, "errors").items()}
    for rank in range(size):
        texts = {name: str(text) for name, text in found(folder, "errors", rank).items()}
        assert texts["NaN"] == one["NaN"]
        assert texts["NaN"].startswith("FloatingPointError at ")
        assert texts["interrupt"] == one["interrupt"]
        assert "KeyboardInterrupt at 3" in texts["interrupt"]
        assert texts["all cannot"] == one["all cannot"]
        assert "batch_size is 0" in texts["all cannot"]
        if rank == 1:
            assert texts["one cannot"].startswith("ValueError at 0: y[0] is")
        else:
            assert texts["one cannot"].startswith(f"RuntimeError at 0: rank 1 of {size} cannot train: ValueError: y[0]")
        assert "from rank 0 to rank 1: the names of the classes" in texts["other labels"]
        assert "from rank 0 to rank 1: the data differs" in texts["other data"]
        assert "from rank 0 to rank 1: batch_size was 16, now it is 8" in texts["other size"]
        assert "the parameters of rank 1 are no longer those of rank 0" in texts["spoilt"]
        assert texts["no samples"] == "nothing"


FAILING = """
import sys, numpy as np, pynn
class Failing(pynn.Layer):
    def forward(self, x, training):
        if self.context.step == 2 and pynn.Distributed().rank == 1:
            raise ValueError("the disk of this one is full")
        return x
    def backward(self, dy):
        return dy
model = pynn.Sequential(pynn.Affine(4), Failing())
model.fit(np.eye(8), np.arange(8) % 4, batch_size=4, epochs=9, progress=True, distributed=True)
print("not reached")
"""


@pytest.mark.slow
def test_an_uncaught_error_in_one_process_ends_all(tmp_path: Path) -> None:
    done = mpirun(2, ["-c", FAILING], tmp_path)
    assert done.returncode != 0
    assert "not reached" not in done.stdout
    assert "ValueError: the disk of this one is full" in done.stderr
    assert "pynn: rank 1 of 2 failed during training: all processes end" in done.stderr
    assert "rank 0 of 2 failed" not in done.stderr


@pytest.mark.slow
def test_the_same_script_runs_alone(tmp_path: Path) -> None:
    pytest.importorskip("mpi4py")
    code = "import numpy as np, pynn; m = pynn.Sequential(pynn.Affine(2)); " \
        "m.fit(np.eye(4), [0, 1, 0, 1], epochs=2, distributed=True, progress=False); print(m.epoch)"  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert (done.returncode, done.stdout.strip()) == (0, "2"), done.stderr


def test_distributed_alone_equals_one_process(points: tuple[np.ndarray, np.ndarray]) -> None:
    comm = SimpleNamespace(Allreduce=None, Dup=None, Abort=None, Get_rank=lambda: 0, Get_size=lambda: 1)
    models = [pynn.Sequential(pynn.Affine(8), pynn.BatchNorm(), pynn.ReLU(), pynn.Affine(3)) for _ in range(2)]
    models[0].fit(*points, epochs=2, batch_size=8, progress=False)
    history = models[1].fit(
        *points, epochs=2, batch_size=8, progress=False, distributed=pynn.Distributed(comm, sync_batchnorm=True)
    )
    np.testing.assert_array_equal(models[1].parameters, models[0].parameters)
    assert history.epochs == 2


def test_parts_are_the_batch_in_order_and_hold_two_samples_or_none() -> None:
    for count in range(1, 40):
        for size in range(1, 9):
            parts = [part_of(count, rank, size) for rank in range(size)]
            assert [place for part in parts for place in range(count)[part]] == list(range(count))
            assert all(part.stop - part.start != 1 for part in parts) or count == 1
            sizes = [part.stop - part.start for part in parts if part.stop > part.start]
            assert max(sizes) - min(sizes) <= 1


def test_shares_of_batches_are_the_batches(points: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = points
    whole = list(pynn.batches(x, y, 7, seed=3, weights=np.arange(30.0)))
    shares = [list(pynn.batches(x, y, 7, seed=3, weights=np.arange(30.0), share=(rank, 3))) for rank in range(3)]
    for batch, *parts in zip(whole, *shares, strict=True):
        for array, *pieces in zip(batch, *parts, strict=True):
            np.testing.assert_array_equal(np.concatenate(pieces), array)


@pytest.mark.parametrize("share", [(0, 0), (2, 2), (-1, 2), (0,), 1, (0.5, 2)])
def test_another_share_is_refused(points: tuple[np.ndarray, np.ndarray], share: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=r"share is .*expected \(rank, size\)"):
        pynn.batches(*points, 7, share=share)


@pytest.mark.parametrize("given", [3, "yes", None, pynn.Distributed])
def test_another_distributed_is_refused(points: tuple[np.ndarray, np.ndarray], given: Any) -> None:
    model = pynn.Sequential(pynn.Affine(3))
    with pytest.raises(TypeError, match=r"distributed is .*expected True, False or a pynn\.Distributed object"):
        model.fit(*points, distributed=given)
    assert not model.built


def test_another_communicator_is_refused() -> None:
    with pytest.raises(TypeError, match="comm is 3, expected an mpi4py communicator"):
        pynn.Distributed(3)
    with pytest.raises(TypeError, match="sync_batchnorm is 1, expected True or False"):
        pynn.Distributed(SimpleNamespace(Allreduce=0, Dup=0, Abort=0), sync_batchnorm=1)  # type: ignore[arg-type]


def test_without_mpi4py_an_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, points: tuple[np.ndarray, np.ndarray]
) -> None:
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(ImportError, match=r'pip install "pynn-cpu\[mpi\]"'):
        pynn.Sequential(pynn.Affine(3)).fit(*points, distributed=True)


# Batch normalization over parts, without MPI --------------------------------------------------------


class Threads:
    """Threads in the place of processes: `add_up` adds their arrays."""

    sync_batchnorm = True

    def __init__(self, size: int) -> None:
        self.arrays: list[np.ndarray] = []
        self.barrier = threading.Barrier(size)
        self.lock = threading.Lock()

    def add_up(self, array: np.ndarray) -> None:
        with self.lock:
            self.arrays.append(array)
        self.barrier.wait()
        total = sum(one.copy() for one in self.arrays)
        self.barrier.wait()
        array[...] = total
        if self.barrier.wait() == 0:
            self.arrays.clear()
        self.barrier.wait()


def normalized(x: np.ndarray, dy: np.ndarray, parts: list[slice]) -> list[dict[str, np.ndarray]]:
    """What each thread gets for its part; one part is plain batch normalization."""
    together = Threads(len(parts))
    results: list[dict[str, np.ndarray]] = [{} for _ in parts]

    def work(number: int, part: slice) -> None:
        layer = pynn.BatchNorm()
        model = pynn.Sequential(layer, pynn.ReLU(), dtype=str(x.dtype))
        model.build(x.shape[1:])
        layer.gamma[...], layer.beta[...] = np.linspace(0.5, 2, x.shape[1]), np.linspace(-1, 1, x.shape[1])
        layer.running_mean[...] = 3
        if len(parts) > 1:
            model.context.group = together  # type: ignore[assignment]
        y = model.forward(x[part], training=True).copy()
        dx = model.backward(dy[part], input_gradient=True)
        assert dx is not None
        state = {name: array.copy() for name, array in layer.state.items()}
        results[number] = {"y": y, "dx": dx.copy(), "dgamma": layer.dgamma, "dbeta": layer.dbeta, **state}

    threads = [threading.Thread(target=work, args=one) for one in enumerate(parts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "parts", [[slice(0, 6), slice(6, 13)], [slice(0, 2), slice(2, 11), slice(11, 13), slice(13, 13)]]
)
def test_synchronized_statistics_are_those_of_the_whole(
    backend: str, parts: list[slice], dtype: str, rng: np.random.Generator
) -> None:
    x = rng.standard_normal((13, 9)) * 2 + 5
    x[:, 3] = 4.25  # no variance
    x[:, 4] *= 1e-4
    x, dy = x.astype(dtype), rng.standard_normal((13, 9)).astype(dtype)
    (whole,) = normalized(x, dy, [slice(0, 13)])
    pieces = normalized(x, dy, parts)
    tolerance = {"rtol": 1e-9, "atol": 1e-11} if dtype == "float64" else {"rtol": 2e-4, "atol": 2e-4}
    for name in ("y", "dx"):
        joined = np.concatenate([piece[name] for piece in pieces])
        scale = np.maximum(np.abs(whole[name]).max(axis=0), 1)
        np.testing.assert_allclose(joined / scale, whole[name] / scale, err_msg=name, **tolerance)
    for name in ("dgamma", "dbeta"):  # of a part: the processes' gradients are added up later
        np.testing.assert_allclose(sum(piece[name] for piece in pieces), whole[name], err_msg=name, **tolerance)
    for name in ("running_mean", "running_var"):
        for piece in pieces:
            np.testing.assert_allclose(piece[name], whole[name], err_msg=name, rtol=1e-6)
            np.testing.assert_array_equal(piece[name], pieces[0][name])


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30])
def test_numbers_that_are_none_leave_synchronized_statistics_alone(backend: str, bad: float) -> None:
    x = np.ones((6, 3), np.float32)
    x[1:, 2], x[0, 1] = 2, bad
    for piece in normalized(x, np.ones_like(x), [slice(0, 3), slice(3, 6)]):
        np.testing.assert_allclose(piece["running_mean"], [2.8, 3, 0.9 * 3 + 0.1 * 11 / 6], rtol=1e-6)
        assert piece["running_var"][1] == 1
        assert np.isfinite(piece["y"][:, [0, 2]]).all()
