"""Prefetching: the same items in order, errors passed on, no thread left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pytest

import pynn
from pynn.data.prefetch import prefetched

ahead = pytest.mark.parametrize("ahead", [0, 1, 4])


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "pynn.prefetch"]


@pytest.fixture(autouse=True)
def _no_thread_stays() -> Iterator[None]:
    yield
    assert threads() == []


@ahead
@pytest.mark.parametrize("count", [0, 1, 2, 50])
def test_items_come_in_order(ahead: int, count: int) -> None:
    assert list(prefetched(range(count), ahead)) == list(range(count))


def test_prefetching_prepares_no_more_than_its_depth() -> None:
    made: list[int] = []

    def source() -> Iterator[int]:
        for number in range(10):
            made.append(number)
            yield number

    with closing(prefetched(source(), 2)) as found:
        assert next(found) == 0
        deadline = time.monotonic() + 20
        while len(made) < 4 and time.monotonic() < deadline:  # one in use, two waiting, one that waits for room
            time.sleep(0.001)
        time.sleep(0.05)
        assert made == [0, 1, 2, 3]
        assert threads() == ["pynn.prefetch"]


@ahead
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, FloatingPointError])
def test_an_error_comes_after_the_items_before_it(ahead: int, error: type[BaseException]) -> None:
    def source() -> Iterator[int]:
        yield from range(3)
        raise error("spilled")

    found: list[int] = []
    with pytest.raises(error, match="spilled"):
        found.extend(prefetched(source(), ahead))
    assert found == [0, 1, 2]


@ahead
@pytest.mark.parametrize("used", [0, 1, 5])
def test_leaving_early_ends_the_thread(ahead: int, used: int) -> None:
    with closing(prefetched(iter(range(1000)), ahead)) as found:
        for _ in range(used):
            next(found)
    assert threads() == []


def test_reused_arrays_are_not_written_into_while_they_are_in_use() -> None:
    x = np.arange(4000, dtype=np.float32).reshape(1000, 4)
    y = np.arange(1000)
    for number in (1, 2, 5):
        addresses = set()
        for x_batch, y_batch in pynn.batches(x, y, 10, 3, reuse=True, prefetch=number):
            before = x_batch.copy()
            time.sleep(0.0005)
            np.testing.assert_array_equal(x_batch, before)
            np.testing.assert_array_equal(x_batch, x[y_batch])
            addresses.add(x_batch.ctypes.data)
        assert len(addresses) == number + 2


def test_the_setting_of_numpy_errors_goes_along() -> None:
    def source() -> Iterator[Any]:
        yield np.ones(1) / np.zeros(1)

    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        list(prefetched(source(), 1))
    with np.errstate(divide="ignore"):
        assert list(prefetched(source(), 1)) == [np.inf]


def model() -> pynn.Sequential:
    return pynn.Sequential(pynn.Affine(8), pynn.ReLU(), pynn.Affine(3))


def test_an_iterable_of_batches_is_prefetched_with_the_same_bits(points: Any) -> None:
    x, y = points
    batches = [(x[start : start + 7], y[start : start + 7]) for start in range(0, 28, 7)]
    one, other = model(), model()
    one.fit(batches, epochs=3, progress=False)
    other.fit(batches, epochs=3, progress=False, prefetch=2)
    np.testing.assert_array_equal(one.parameters, other.parameters)


def test_the_same_bits_beside_steps_on_several_threads(native: None, rng: np.random.Generator) -> None:
    """Augmentation and step are both large enough to ask for all threads."""
    images, y = rng.integers(0, 256, (160, 24, 24, 3)).astype(np.uint8), np.arange(160) % 3
    chain = [pynn.Flip(), pynn.PadCrop(2), pynn.Rotation(10), pynn.Contrast(0.5, 1.5)]
    results = []
    for count, number in ((1, 0), (1, 2), (4, 0), (4, 1), (4, 3)):
        pynn.set_num_threads(count)
        one = pynn.Sequential(pynn.Flatten(), pynn.Affine(64), pynn.ReLU(), pynn.Dropout(0.2), pynn.Affine(3))
        one.fit(images, y, augmentation=chain, prefetch=number, batch_size=32, epochs=2, progress=False)
        results.append(one.parameters.tobytes())
    assert len(set(results)) == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("arrays", [True, False])
def test_an_error_in_a_step_leaves_no_thread(points: Any, error: type[BaseException], arrays: bool) -> None:
    x, y = points

    class Stops(pynn.SGD):
        def step(self, model: Any) -> None:
            raise error("stop")

    given = (x, y) if arrays else ([(x, y)] * 20,)
    with pytest.raises(error, match="stop") as caught:
        model().fit(*given, optimizer=Stops(0.1), progress=False, prefetch=3, batch_size=2 if arrays else None)
    assert threads() == []  # while the traceback still holds the frames
    assert caught.value is not None


def test_an_error_of_the_iterable_reaches_fit(points: Any) -> None:
    class Broken:
        def __iter__(self) -> Iterator[Any]:
            yield points
            raise OSError("the disk is gone")

    for number in (0, 1):
        with pytest.raises(OSError, match="the disk is gone"):
            model().fit(Broken(), progress=False, prefetch=number)
