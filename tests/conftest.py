"""Fixtures of all tests. The backend is the one that `import pynn` chose; PYNN_BACKEND picks another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

import pynn

settings.register_profile("pynn", deadline=None, derandomize=True, database=None, print_blob=False)
settings.load_profile("pynn")


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
