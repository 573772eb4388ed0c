"""Equal rows: of numbers that are equal though their bits differ, of text, and of large whole numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pynn.data import equal_rows
from pynn.diagnostics import repeated_rows

KINDS = [np.float16, np.float32, np.float64]


def pairs(kind: Any) -> np.ndarray:
    """Forty rows, each twice: the second has -0.0 for 0.0, and another NaN."""
    x = np.zeros((80, 4), kind)
    x[:, 0] = np.repeat(np.arange(40), 2)
    x[::2, 1] = -0.0
    x[:, 2] = np.nan
    x[::2, 2] = -x[::2, 2]
    return x


def bits(x: np.ndarray) -> int:
    return len({row.tobytes() for row in x})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("where", ["array", "table", "images", "strided"])
def test_equal_numbers_of_other_bits(kind: Any, where: str) -> None:
    x: Any = pairs(kind)
    assert bits(x) == 80
    if where == "table":
        x = pytest.importorskip("pandas").DataFrame(x, columns=list("abcd"))
    elif where == "images":
        x = x.reshape(80, 2, 2, 1)
    elif where == "strided":
        x = np.asfortranarray(x)
    found = equal_rows.groups(x, np.repeat([0.0, 1.0], 40))
    assert found is not None
    np.testing.assert_array_equal(found, np.repeat(np.arange(40), 2))


def test_targets_with_other_zeros() -> None:
    found = equal_rows.groups(pairs(np.float32), np.tile([0.0, -0.0], 40))
    np.testing.assert_array_equal(found, np.repeat(np.arange(40), 2))


def test_rows_larger_than_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(equal_rows, "BLOCK", 100)
    found = equal_rows.groups(pairs(np.float64), np.zeros(80))
    np.testing.assert_array_equal(found, np.repeat(np.arange(40), 2))


def test_rows_of_objects() -> None:
    """Not the same objects, but equal ones."""
    x = np.array([[f"row {place // 2}", None if place % 2 else float("nan")] for place in range(80)], object)
    found = equal_rows.groups(x, np.zeros(80))
    np.testing.assert_array_equal(found, np.repeat(np.arange(40), 2))


@pytest.mark.parametrize("kind", [np.int64, np.uint64])
def test_large_numbers_differ(kind: Any) -> None:
    """Beyond 2^53 floating numbers cannot tell them apart."""
    numbers = np.arange(100).astype(kind) + kind(2**60)
    assert equal_rows.groups(np.zeros((100, 1), np.float32), numbers) is None
    frame = pytest.importorskip("pandas").DataFrame({"a": numbers})
    assert equal_rows.groups(frame, np.zeros(100)) is None


def test_the_diagnosis_finds_rows_with_other_zeros(rng: np.random.Generator) -> None:
    """Images whose background is 0.0 in one part and -0.0 in the other."""
    x = rng.standard_normal((300, 30)).astype(np.float32)
    x[:, ::3] = 0.0
    held = x[:60].copy()
    held[:, ::3] = -0.0
    assert repeated_rows.shared_rows(x, held) == 1
    doubled = np.concatenate([x, held])[:, :12]
    assert len(repeated_rows.without_copies(doubled)) == 300
