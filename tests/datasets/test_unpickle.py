"""The reader of pickles: what CIFAR's files hold comes through, everything else is refused and nothing is run."""

from __future__ import annotations

import collections
import os
import pickle
import re
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pickles import python2

from pynn.datasets import unpickle


def read(folder: Path, content: bytes) -> dict[str, Any]:
    (folder / "file").write_bytes(content)
    return unpickle.read(folder / "file")


def message_of(folder: Path, content: bytes) -> str:
    """What the ValueError says; "" where a dict was read. Any other exception passes through."""
    try:
        result = read(folder, content)
    except ValueError as error:
        return str(error)
    return "" if type(result) is dict else "no dict"


VALUE: dict[bytes, Any] = {
    b"data": np.arange(600, dtype=np.uint8).reshape(2, 300),
    b"labels": [3, 700, -2, 1 << 40, 2.5, None, True, [1, [2]], {b"inner": [b"x"]}],
    b"batch_label": b"testing batch 1 of 1",
    b"filenames": [b"a.png", b"b\xff.png"] * 200,
    b"words": "ä",
}


@pytest.mark.parametrize("protocol", ["Python 2", 3, 4])
def test_allowed_pickles_are_read_unchanged(tmp_path: Path, protocol: Any) -> None:
    old = protocol == "Python 2"
    result = read(tmp_path, python2(VALUE) if old else pickle.dumps(VALUE, protocol))
    assert list(result) == ["data", "labels", "batch_label", "filenames", "words"]
    np.testing.assert_array_equal(result["data"], VALUE[b"data"], strict=True)
    assert result["labels"][:8] == VALUE[b"labels"][:8]
    assert [type(item) for item in result["labels"][:7]] == [int, int, int, int, float, type(None), bool]
    assert result["labels"][8] == {"inner": ["x"] if old else [b"x"]}
    assert result["filenames"][1] == ("b\xff.png" if old else b"b\xff.png")
    assert (result["words"], len(result["filenames"])) == ("ä", 400)


@pytest.mark.parametrize("dtype", ["u1", "i1", "<i2", ">i4", "i8", "f2", "<f4", ">f8", "?"])
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3, 2)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_numbers(tmp_path: Path, dtype: str, shape: tuple[int, ...], order: Any) -> None:
    array = np.asarray(np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype), order=order)
    result = read(tmp_path, pickle.dumps({"x": array, "y": [array]}, 4))
    np.testing.assert_array_equal(result["x"], array, strict=True)
    assert result["x"].dtype.byteorder == array.dtype.byteorder
    np.testing.assert_array_equal(result["y"][0], array, strict=True)


class Call:
    def __init__(self, function: Any, *arguments: Any, state: Any = None) -> None:
        self.parts = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self) -> Any:
        return self.parts


def pushed(*parts: bytes) -> bytes:
    """A dict {"x": what the parts push}."""
    return b"\x80\x02}U\x01x" + b"".join(parts) + b"s."


RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"
NDARRAY, DTYPE = b"cnumpy\nndarray\n", b"cnumpy\ndtype\n"
EMPTY_ARRAY = RECONSTRUCT + NDARRAY + b"K\x00\x85U\x01b\x87R"
BYTE_DTYPE = DTYPE + b"U\x02u1K\x00K\x01\x87R"


def state(shape: bytes, dtype: bytes, raw: bytes) -> bytes:
    return b"(K\x01" + shape + dtype + b"\x89" + raw + b"tb"


HOSTILE: dict[str, tuple[bytes, str]] = {
    "os.system": (pickle.dumps({"x": Call(os.system, "touch hacked")}, 2), r"(posix|nt)\.system, which could run code"),
    "os.system, protocol 4": (pickle.dumps({"x": Call(os.system, "touch hacked")}, 4), "system, which could run code"),
    "text protocol": (b"cos\nsystem\n(S'touch hacked'\ntR.", "os.system, which could run code"),
    "eval": (pushed(b"c__builtin__\neval\nU\x011\x85R"), "__builtin__.eval"),
    "instance": (pushed(b"(ios\nsystem\n"), "the instruction INST"),
    "object": (pushed(b"(" + NDARRAY + b"o"), "the instruction OBJ"),
    "new object": (pushed(NDARRAY + b")\x81"), "the instruction NEWOBJ"),
    "extension": (pushed(b"\x82\x01"), "the instruction EXT1"),
    "persistent": (pushed(b"K\x01Q"), "the instruction BINPERSID"),
    "set": (pickle.dumps({"x": {1, 2}}, 4), "the instruction EMPTY_SET"),
    "ordered dict": (pickle.dumps({"x": collections.OrderedDict()}, 2), "collections.OrderedDict"),
    "dotted name": (pickle.dumps({"x": Call(np.ndarray.tofile, "f")}, 4), "getattr|ndarray.tofile"),
    "numpy's loader": (pushed(b"cnumpy\nload\nU\x01f\x85R"), "numpy.load"),
    "object array": (pickle.dumps({"x": np.array([{}, None], object)}, 4), "dtype 'O8'; only arrays of numbers"),
    "object dtype": (pushed(DTYPE + b"U\x01OK\x00K\x01\x87R"), "dtype 'O'"),
    "record dtype": (pickle.dumps({"x": np.zeros(2, "u1,f4")}, 4), "dtype 'V5'"),
    "text array": (pickle.dumps({"x": np.array(["a"])}, 4), "dtype 'U1'"),
    "dtype of a list": (pushed(DTYPE + b"]\x85R"), "where a string is expected"),
    "call of ndarray": (pushed(NDARRAY + b"J\xff\xff\xff\x7f\x85\x85R"), "a call of ndarray"),
    "another class": (pushed(RECONSTRUCT + DTYPE + b"K\x00\x85U\x01b\x87R"), "a call of _reconstruct"),
    "a call of text": (pushed(b"U\x01f)R"), "a call of str"),
    "state of a dict": (pushed(b"}}b"), "a change of a dict"),
    "too few bytes": (pushed(EMPTY_ARRAY, state(b"K\x05\x85", BYTE_DTYPE, b"U\x02ab")), "bytes do not fit its shape"),
    "a huge shape": (pushed(EMPTY_ARRAY, state(b"J\xff\xff\xff\x7f\x85", BYTE_DTYPE, b"U\x02ab")), "do not fit"),
    "a negative shape": (pushed(EMPTY_ARRAY, state(b"J\xfe\xff\xff\xff\x85", BYTE_DTYPE, b"U\x02ab")), "do not fit"),
    "no dtype": (pushed(EMPTY_ARRAY, state(b"K\x02\x85", b"U\x02u1", b"U\x02ab")), "an unknown state"),
    "a name as value": (pushed(NDARRAY), "a name as a value"),
    "a dtype as value": (pushed(BYTE_DTYPE), "a dtype as a value"),
    "a tuple": (pickle.dumps({"x": (1, 2)}, 2), "a tuple as a value"),
    "a list as key": (b"\x80\x02}]K\x01s.", "where a string is expected"),
    "many instructions": (b"\x80\x02" + b"N" * 1_000_001 + b".", "more than 1,000,000 instructions"),
}
DAMAGED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "damaged, or not a pickle"),
    "foreign": (b"<!DOCTYPE html>", "damaged, or not a pickle"),
    "cut off": (python2(VALUE)[:-300], "damaged, or not a pickle"),
    "no stop": (python2(VALUE)[:-1], "damaged, or not a pickle"),
    "empty stack": (b"\x80\x02.", "damaged, or not a pickle"),
    "no mark": (b"\x80\x02]e.", "damaged, or not a pickle"),
    "below a mark": (b"\x80\x02]N(Nb(a.", "refused|damaged, or not a pickle"),
    "unknown memo": (b"\x80\x02j\xff\xff\xff\x7f.", "damaged, or not a pickle"),
    "array without content": (pushed(EMPTY_ARRAY), "an array has no content"),
    "no dtype of that size": (pushed(DTYPE + b"U\x02f1K\x00K\x01\x87R"), "damaged, or not a pickle"),
    "a list": (pickle.dumps([1], 2), "expected a pickled dict, got list"),
}


@pytest.mark.parametrize(("content", "message"), (HOSTILE | DAMAGED).values(), ids=HOSTILE | DAMAGED)
def test_other_pickles_are_refused_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "system", lambda command: Path("hacked").touch())
    with pytest.raises(ValueError, match=message) as caught:
        read(tmp_path, content)
    assert str(caught.value).startswith(str(tmp_path / "file"))
    assert len(str(caught.value)) < 300 + len(str(tmp_path))
    assert os.listdir() == ["file"]


BOMBS = {
    "memo": b"\x80\x02}r\xff\xff\xff\x7fr\xff\xff\xff\xff0.",
    "bytes": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b"x.",
    "frame": b"\x80\x04\x95" + struct.pack("<Q", 1 << 62) + b"}.",
    "string": b"\x80\x02T\xff\xff\xff\x7fx.",
    "doubling": pushed(b"]q\x01(" + b"h\x01" * 1000 + b"e"),
    "deep": pushed(b"(" * 100_000),
}


@pytest.mark.parametrize("content", BOMBS.values(), ids=BOMBS)
def test_no_memory_is_taken_for_what_is_not_there(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    tracemalloc.start()
    try:
        assert message_of(tmp_path, content) == "" or content is not BOMBS["doubling"]
        assert tracemalloc.get_traced_memory()[1] < 16_000_000
    finally:
        tracemalloc.stop()


def test_a_file_that_is_too_large_is_not_even_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpickle, "MOST_BYTES", 1 << 20)
    with pytest.raises(ValueError, match=re.escape("expected a pickle of at most 1 MiB, got 2 MiB")):
        read(tmp_path, bytes(2 << 20))


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


SMALL = python2({b"data": np.arange(6, dtype=np.uint8).reshape(2, 3), b"labels": [1, 2], b"n": b"text"})


@pytest.mark.slow
@settings(max_examples=500)
@given(noise=st.dictionaries(st.integers(0, len(SMALL) - 1), st.integers(0, 255), max_size=4), cut=st.integers(0, 20))
@example(noise={}, cut=0)
def test_noise_gives_a_dict_or_one_sentence(scratch: Path, noise: dict[int, int], cut: int) -> None:
    content = bytearray(SMALL)
    for place, value in noise.items():
        content[place] = value
    message = message_of(scratch, bytes(content[: len(content) - cut]))
    assert message == "" or str(scratch / "file") in message
