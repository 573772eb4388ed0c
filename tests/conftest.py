"""Fixtures of all tests. The backend is the one that `import pynn` chose; PYNN_BACKEND picks another."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from quick_choice import COLLECTED, choose

import pynn
from pynn.cli import main

settings.register_profile("pynn", deadline=None, derandomize=True, database=None, print_blob=False)
settings.load_profile("pynn")


@pytest.hookimpl(tryfirst=True)  # before -m looks at the marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    config.stash[COLLECTED] = list(items)
    for item in choose(items):
        item.add_marker("quick")


def pytest_collection_finish() -> None:
    """Leave the thousands of tests out of every later garbage collection, which would take a second."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _backend_and_threads_stay() -> Iterator[None]:
    """No test leaves another backend or thread count behind."""
    backend, threads = pynn.kernels.backend(), pynn.get_num_threads()
    yield
    pynn.use_backend(backend)
    pynn.set_num_threads(threads)


@pytest.fixture
def native() -> None:
    """Skip where the NumPy kernels run."""
    if pynn.kernels.backend() != "native":
        pytest.skip("about the native kernels")


@pytest.fixture
def both_backends() -> tuple[str, ...]:
    """The names of both backends; skip where the native one was not built."""
    if pynn.kernels.native_module() is None:
        pytest.skip("the native kernels were not built")
    return pynn.kernels.BACKENDS


@pytest.fixture(params=pynn.kernels.BACKENDS)
def backend(request: pytest.FixtureRequest, both_backends: tuple[str, ...]) -> str:
    """Each backend in turn."""
    pynn.use_backend(request.param)
    return str(request.param)


@pytest.fixture(scope="session")
def torch() -> Any:
    """PyTorch as an oracle; skip where it is not installed. One thread: its tensors here are tiny."""
    module = pytest.importorskip("torch")
    module.set_num_threads(1)
    return module


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def points(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """30 float32 samples of 4 numbers in 3 classes that a small network can tell apart."""
    y = np.arange(30) % 3
    x = rng.standard_normal((30, 4)) + 2 * np.eye(3, 4)[y]
    return x.astype(np.float32), y


@pytest.fixture(scope="session")
def digits() -> pynn.datasets.Dataset:
    return pynn.datasets.digits()


# The command line

Run = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The test works in an empty folder, sees none of the user's data and goes to no network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYNN_DATA", raising=False)
    monkeypatch.setitem(sys.modules, "pooch", None)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process; return its exit code, the lines of stdout, and those of stderr."""

    def call(*arguments: object) -> tuple[int, list[str], list[str]]:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return code, out.splitlines(), err.splitlines()

    return call


@pytest.fixture
def fails(run: Run) -> Callable[..., str]:
    """Run the command, which must fail with one line on stderr; return what it says."""

    def call(*arguments: object) -> str:
        code, _, err = run(*arguments)
        assert code == 2
        assert len(err) == 1, err
        assert err[0].startswith("pynn: error: ")
        assert "Traceback" not in err[0]
        return err[0].removeprefix("pynn: error: ")

    return call


@pytest.fixture
def fake_mnist(alone: None) -> Path:
    """A folder with a tiny MNIST of noise."""
    folder = Path("data/mnist")
    folder.mkdir(parents=True)
    for part, count in (("train", 100), ("t10k", 20)):
        pixels, labels = np.random.default_rng(0).integers(0, 256, (count, 28, 28), np.uint8), np.arange(count) % 10
        for name, array in (("images-idx3", pixels), ("labels-idx1", labels.astype(np.uint8))):
            sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
            (folder / f"{part}-{name}-ubyte").write_bytes(bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes())
    return folder.parent
