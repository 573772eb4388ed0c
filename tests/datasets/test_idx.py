"""IDX files: what is read, what is refused, and how much memory that takes."""

import gzip
import re
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pynn import datasets

CODES = {"uint8": 0x08, "int8": 0x09, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D, "float64": 0x0E}


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """No test sees the user's data or goes to the network, unless it asks to."""
    monkeypatch.delenv("PYNN_DATA", raising=False)
    monkeypatch.setitem(sys.modules, "pooch", None)


def header(code, *sizes):
    return bytes([0, 0, code, len(sizes)]) + b"".join(size.to_bytes(4, "big") for size in sizes)


def idx(array):
    return header(CODES[array.dtype.name], *array.shape) + array.astype(array.dtype.newbyteorder(">")).tobytes()


# IDX files


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (5,), (2, 0, 3), (2, 3, 4), (2, 1, 3, 2)], ids=str)
@pytest.mark.parametrize("dtype", CODES)
def test_read_idx_returns_what_was_written(tmp_path, dtype, shape, pack):
    array = np.asarray(np.random.default_rng(1).random(shape) * 200 - 50).astype("int64").astype(dtype)
    (tmp_path / "file").write_bytes(pack(idx(array)))
    result = datasets.read_idx(tmp_path / "file")
    np.testing.assert_array_equal(result, array, strict=True)
    assert result.dtype.isnative
    assert result.flags.c_contiguous
    assert result.flags.writeable


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\0\0\x0b\1\0\0\0\2\x01\x02\xff\xfe", np.array([258, -2], np.int16)),
        (b"\0\0\x0c\2\0\0\0\1\0\0\0\1\x00\x01\x00\x00", np.array([[65536]], np.int32)),
        (b"\0\0\x0d\1\0\0\0\1\x3f\xc0\x00\x00", np.array([1.5], np.float32)),
        (b"\0\0\x0e\0\x3f\xf8\x00\x00\x00\x00\x00\x00", np.array(1.5)),
        (b"\0\0\x09\1\0\0\0\1\xff", np.array([-1], np.int8)),
    ],
)
def test_read_idx_is_big_endian(tmp_path, content, expected):
    (tmp_path / "file").write_bytes(content)
    np.testing.assert_array_equal(datasets.read_idx(str(tmp_path / "file")), expected, strict=True)


def test_read_idx_goes_by_content_not_by_name(tmp_path):
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    (tmp_path / "plain.gz").write_bytes(idx(array))
    (tmp_path / "zipped").write_bytes(gzip.compress(idx(array)))
    np.testing.assert_array_equal(datasets.read_idx(tmp_path / "plain.gz"), array)
    np.testing.assert_array_equal(datasets.read_idx(tmp_path / "zipped"), array)


@pytest.mark.slow
def test_read_idx_reads_sparse_images(tmp_path, rng):
    """2 pixels of 100 are set: the gzip file has about a thirtieth of their size."""
    x = np.zeros(60_000 * 28 * 28, np.uint8)
    x[rng.integers(0, len(x), len(x) // 50)] = 255
    content = gzip.compress(idx(x.reshape(-1, 28, 28)), 6)
    assert len(content) * 25 < x.nbytes
    (tmp_path / "file").write_bytes(content)
    np.testing.assert_array_equal(datasets.read_idx(tmp_path / "file").ravel(), x)


@pytest.mark.parametrize(("repeats", "fits"), [(30, True), (80, False)])
def test_read_idx_lets_a_large_gzip_file_hold_forty_times_its_size(tmp_path, rng, monkeypatch, repeats, fits):
    monkeypatch.setattr("pynn.datasets.idx._ZIPPED", 1000)
    x = np.tile(rng.integers(0, 256, 20_000, np.uint8), repeats)
    content = gzip.compress(idx(x))
    assert (len(content) * 40 > x.nbytes) == fits
    (tmp_path / "file").write_bytes(content)
    if fits:
        np.testing.assert_array_equal(datasets.read_idx(tmp_path / "file"), x)
    else:
        with pytest.raises(ValueError, match="far more than a gzip file of its size should hold"):
            datasets.read_idx(tmp_path / "file")


GOOD = idx(np.arange(200, dtype=np.uint8).reshape(2, 100))
ZIPPED = gzip.compress(GOOD)
BAD_IDX = {
    "empty": (b"", "got an empty file"),
    "short magic": (b"\0\0\x08", "not an IDX file.*got 00 00 08"),
    "foreign": (b"<!DOCTYPE html>", "not an IDX file.*got 3c 21 44 4f"),
    "unknown type": (header(0x0A, 1) + b"\0", "not an IDX file.*08, 09, 0b, 0c, 0d, 0e.*got 00 00 0a 01"),
    "no sizes": (b"\0\0\x08\3\0\0\0\1\0\0", "cut off: expected 3 sizes, 12 bytes.*got 6"),
    "no data": (header(0x08, 3), "cut off.*uint8 \\(3,\\), so expected 3 bytes.*got 0"),
    "no scalar": (header(0x0E), "cut off.*expected 8 bytes.*got 0"),
    "one byte short": (GOOD[:-1], "cut off.*expected 200 bytes.*got 199"),
    "one byte long": (GOOD + b"\0", "too long.*expected 200 bytes.*got more"),
    "trailing after nothing": (header(0x08, 0) + b"x", "too long.*expected 0 bytes.*got more"),
    "claims all memory": (header(0x0E, *[2**32 - 1] * 3) + b"x" * 100, "cut off.*got 100"),
    "too big with a zero": (header(0x0E, 0, *[2**32 - 1] * 3), "expected a shape NumPy can hold"),
    "too many dimensions": (header(0x08, *[1] * 65) + b"x", "at most 64 dimensions.*got 65"),
}
BAD_GZIP = {
    "only its magic": ZIPPED[:2],
    "cut off": ZIPPED[:-9],
    "without checksum": ZIPPED[:-8],
    "wrong checksum": ZIPPED[:-5] + bytes([ZIPPED[-5] ^ 1]) + ZIPPED[-4:],
    "wrong length": ZIPPED[:-1] + b"\1",
    "trailing bytes": ZIPPED + b"more",
    "unknown method": ZIPPED[:2] + b"\1" + ZIPPED[3:],
    "broken block": ZIPPED[:10] + b"\xff" * 20,
}


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize(("content", "message"), BAD_IDX.values(), ids=BAD_IDX)
def test_read_idx_refuses(tmp_path, content, message, pack):
    (tmp_path / "file").write_bytes(pack(content))
    with pytest.raises(ValueError, match=f"(?s){re.escape(str(tmp_path / 'file'))}.*{message}"):
        datasets.read_idx(tmp_path / "file")


@pytest.mark.parametrize("content", BAD_GZIP.values(), ids=BAD_GZIP)
def test_read_idx_refuses_damaged_gzip(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ValueError, match=f"{re.escape(str(tmp_path / 'file'))}: damaged gzip file"):
        datasets.read_idx(tmp_path / "file")


def test_read_idx_names_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing: no such file; expected an IDX file"):
        datasets.read_idx(tmp_path / "nothing")
    (tmp_path / "file").write_bytes(GOOD)
    with pytest.raises(FileNotFoundError, match="no such file"):
        datasets.read_idx(tmp_path / "file" / "below")
    with pytest.raises(ValueError, match="expected an IDX file, got a folder"):
        datasets.read_idx(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        header(0x08, 4_000_000_000) + b"x",
        gzip.compress(header(0x0E, 4_000_000_000, 28, 28) + b"x"),
        gzip.compress(header(0x08, 10) + bytes(50_000_000)),
    ],
    ids=["claims 4 GB", "gzip claims 25 TB", "gzip bomb"],
)
def test_read_idx_takes_no_memory_for_what_is_not_there(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"cut off|too long"):
            datasets.read_idx(tmp_path / "file")
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "file"


sizes = st.lists(st.integers(0, 4) | st.integers(0, 2**32 - 1), max_size=5) | st.lists(st.integers(0, 2), max_size=255)
codes = st.sampled_from(sorted(CODES.values())) | st.integers(0, 255)
contents = st.binary(max_size=40) | st.builds(lambda c, s, b: header(c, *s) + b, codes, sizes, st.binary(max_size=100))


def array_or_value_error(path, content):
    """The array, or None after a ValueError that names the file; any other exception passes through."""
    path.write_bytes(content)
    try:
        array, message = datasets.read_idx(path), ""
    except ValueError as error:
        array, message = None, str(error)
    assert array is None or (array.flags.c_contiguous and array.flags.writeable)
    assert array is not None or str(path) in message
    return array


@pytest.mark.slow
@settings(deadline=None, max_examples=300)
@given(content=contents)
@example(content=GOOD)
def test_read_idx_of_any_bytes(scratch, content):
    array = array_or_value_error(scratch, content)
    assert array is None or idx(array) == content


@pytest.mark.slow
@settings(deadline=None, max_examples=300)
@given(
    content=contents, cut=st.integers(0, 60), noise=st.dictionaries(st.integers(0, 80), st.integers(0, 255), max_size=3)
)
@example(content=GOOD, cut=0, noise={})
def test_read_idx_of_any_gzip(scratch, content, cut, noise):
    zipped = bytearray(gzip.compress(content))
    for at, value in noise.items():
        zipped[at % len(zipped)] = value
    array = array_or_value_error(scratch, zipped[: len(zipped) - cut])
    # Noise may fall on bytes that mean nothing, such as the time stamp; what is read is then still the content.
    assert array is None or bytes(zipped[:2]) != b"\x1f\x8b" or idx(array) == content
