"""Values in a file without a name: what is mapped is what was written, and its arrays are no copies."""

from __future__ import annotations

import os
import tempfile
from typing import Any

import numpy as np
import pytest

pytest.importorskip("optuna")

from pynn.search.data import read
from pynn.search.processes import shared

BASE = np.arange(1200.0).reshape(30, 40)
ARRAYS = {
    "plain": BASE,
    "float32": BASE.astype(np.float32),
    "columns first": np.asfortranarray(BASE),
    "parts": BASE[::2, 3:17:2],
    "turned": BASE.T[::-1],
    "empty": BASE[:0],
    "labels": np.array(["one", "three"] * 15),
    "records": np.zeros(30, [("a", "f4"), ("b", "i8")]),
    "repeated": np.broadcast_to(np.float32(3), (30, 2)),
}


def mapped(value: Any) -> Any:
    with shared.written(value) as file:
        return shared.mapped(os.dup(file.fileno()))


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_are_the_same_and_no_copies(name: str) -> None:
    array, other = mapped({"a": ARRAYS[name], "b": BASE})["a"], mapped(np.zeros(3, np.int8))
    np.testing.assert_array_equal(array, ARRAYS[name])
    assert array.dtype == ARRAYS[name].dtype
    assert not array.flags.owndata
    assert not array.flags.writeable
    assert array.ctypes.data % shared.ALIGNED == 0 or not array.size
    assert other.tolist() == [0, 0, 0]


def test_memory_maps_and_objects(tmp_path: Any) -> None:
    disk = np.memmap(tmp_path / "x", np.float32, "w+", shape=(20, 3))
    disk[:] = np.arange(60).reshape(20, 3)
    objects = np.array([1, "a", None], object)
    array, copy = mapped((disk, objects))
    np.testing.assert_array_equal(array, disk)
    assert not array.flags.owndata
    assert copy.tolist() == [1, "a", None]


def test_frames(points: Any) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": points[0][:, 0], "b": points[1], "c": ["x", "y", None] * 10})
    frame["d"] = frame["c"].astype("category")
    found = mapped(frame)
    pandas.testing.assert_frame_equal(found, frame)
    assert not found["a"].to_numpy().flags.owndata
    pandas.testing.assert_frame_equal(found.iloc[3:7], frame.iloc[3:7])


def test_frames_of_polars(points: Any) -> None:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"a": points[0][:, 0], "c": ["x", "y", None] * 10})
    assert mapped(frame).equals(frame)


def test_the_samples_of_a_search(points: Any) -> None:
    x, y = points
    data = read(x, y, np.ones(len(y)), None, 5, None, 0)
    other = mapped(data)
    for fold in range(5):
        one, two = data.part(fold), other.part(fold)
        np.testing.assert_array_equal(one.x, two.x)
        np.testing.assert_array_equal(one.validation[1], two.validation[1])
        assert two.x.base is not None


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a full disk")
def test_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda: open("/dev/full", "r+b"))  # noqa: SIM115
    with pytest.raises(OSError, match=r"the samples \(9,600 bytes\) cannot be written to .*; set .* TMPDIR"):
        shared.written(BASE)
