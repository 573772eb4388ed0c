"""Files that are made to take much time or memory: each is refused in one sentence, or read in little of both.

All are read in one other process, which measures: under 2 seconds, and under 64 MB or ten times the file's size.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import struct
import subprocess
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

pytest.importorskip("PIL.Image")

Chunks = list[tuple[bytes, bytes]]


READ = "^read$"  # there is no error


class Case(NamedTuple):
    """A file, how it is read, and what the error says, or READ."""

    reader: str
    content: Callable[[], bytes]
    message: str
    megabytes: float = 64  # of a picture: what its pixels take by the limit that its documentation names


# Pictures -----------------------------------------------------------------------------------------


def png(width: int, height: int, colour: int = 2, extra: Chunks | None = None, rows: int | None = None) -> bytes:
    """A picture of zeros; colour: 0 grey, 2 RGB, 6 RGBA. extra: chunks before the pixels."""
    row = bytes(1 + width * {0: 1, 2: 3, 6: 4}[colour])
    packer = zlib.compressobj(1)
    pixels = b"".join(packer.compress(row) for _ in range(height if rows is None else rows)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), *(extra or []), (b"IDAT", pixels), (b"IEND", b"")]
    parts = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def directory(tags: dict[int, tuple[int, int, int]], after: bytes = b"") -> bytes:
    """A TIFF file of one directory; tags: type, count and value or offset of each."""
    entries = b"".join(struct.pack("<HHII", tag, *parts) for tag, parts in sorted(tags.items()))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + bytes(4) + after


def tiff(width: int, height: int, compression: int = 1, after: bytes = b"", **changed: tuple[int, int, int]) -> bytes:
    """A grey picture whose pixels stand nowhere, or after its directory. changed: t273=(type, count, value)."""
    tags = {256: (4, 1, width), 257: (4, 1, height), 258: (3, 1, 8), 259: (3, 1, compression), 262: (3, 1, 1)}
    tags |= {273: (4, 1, 8), 277: (3, 1, 1), 278: (4, 1, height), 279: (4, 1, 99)}
    tags |= {int(name[1:]): parts for name, parts in changed.items()}
    return directory(tags, after)


def overlapping(count: int, size: int) -> bytes:
    """Tags that all have the same bytes, nearly the whole file, as their content."""
    return directory({1000 + number: (7, size, 8) for number in range(count)}, bytes(max(0, size - 12 * count)))


def gif(width: int, height: int, extra: bytes = b"", place: int = 0) -> bytes:
    frame = b"," + struct.pack("<HHHHB", place, place, width if not place else 4, height if not place else 4, 0)
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 128, 0, 0) + bytes(6) + extra + frame + b"\2\1\x44\0;"


def bmp(width: int, height: int, content: bytes) -> bytes:
    """A picture of 8 bits with run lengths."""
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(content), 0, 0, 16, 16)
    return b"BM" + struct.pack("<IHHI", 118 + len(content), 0, 0, 118) + header + bytes(64) + content


def jpeg(**options: Any) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (3000, 3000)).save(stream, "JPEG", **options)
    return stream.getvalue()


def many_scans(before: bytes = b"") -> bytes:
    content = jpeg(progressive=True)
    return content[:-2] + before + content[content.rindex(b"\xff\xda") : -2] * 3000 + content[-2:]


def claiming(side: int) -> bytes:
    """A small JPEG file that says it were larger."""
    content = bytearray(jpeg())
    place = content.index(b"\xff\xc0") + 5
    content[place : place + 4] = struct.pack(">HH", side, side)
    return bytes(content)


def segments(kind: bytes, count: int) -> bytes:
    content = jpeg()
    return content[:2] + (b"\xff" + kind + struct.pack(">H", 9) + b"Exif\0\0x") * count + content[2:]


def animated(side: int) -> bytes:
    """A WebP file whose canvas is large, and its frames are not."""
    from PIL import Image

    stream = io.BytesIO()
    frames = [Image.new("RGBA", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(stream, "WEBP", save_all=True, append_images=frames[1:])
    content = bytearray(stream.getvalue())
    place = content.index(b"VP8X") + 12
    content[place : place + 6] = struct.pack("<I", side - 1)[:3] * 2
    return bytes(content)


MUCH, BUSY = "has more than .* million pixels", "made to keep a computer busy"
LAST = 8 + 2 + 12 * 9 + 4  # where what follows the directory of `tiff` begins
PICTURES = {
    "png": (lambda: png(9400, 9400), MUCH),
    "png of 8 megapixels": (lambda: png(3000, 2800), READ),
    "png of 8 megapixels, transparent": (lambda: png(3000, 2800, 6), READ),
    "png of texts": (
        lambda: png(4, 4, extra=[(b"zTXt", b"k\0\0" + zlib.compress(bytes(10**8)))]),
        "the picture is damaged",
    ),
    "png of many texts": (
        lambda: png(4, 4, extra=[(b"zTXt", b"k%d\0\0" % one + zlib.compress(bytes(10**6))) for one in range(200)]),
        "the picture is damaged",
    ),
    "png with a profile": (
        lambda: png(4, 4, extra=[(b"iCCP", b"k\0\0" + zlib.compress(bytes(10**8)))]),
        "the picture is damaged",
    ),
    "png of many chunks": (lambda: png(4, 4, extra=[(b"abCd", b"")] * 20_000), BUSY),
    "png with EXIF": (lambda: png(4, 4, extra=[(b"eXIf", overlapping(4000, 50_000))]), f"{READ}|{BUSY}"),  # by Pillow
    "tiff": (lambda: tiff(9400, 9400), MUCH),
    "tiff, packed": (lambda: tiff(9400, 9400, 32773), MUCH),
    "tiff of 16 megapixels": (lambda: tiff(4000, 4000, 5), "the picture is damaged"),
    "tiff of a large tile": (
        lambda: tiff(16, 16, 8, t322=(4, 1, 20_000), t323=(4, 1, 20_000), t324=(4, 1, 8), t325=(4, 1, 99)),
        MUCH,
    ),
    "tiff of overlapping tags": (lambda: overlapping(20_000, 300_000), BUSY),
    "tiff of overlapping strips": (
        lambda: tiff(16, 16, after=struct.pack("<I", 8) * 50_000, t278=(4, 1, 1), t273=(4, 50_000, LAST)),
        BUSY,
    ),
    "tiff of many pages": (
        lambda: directory({}) + b"".join(struct.pack("<HI", 0, 14 + 6 * place) for place in range(1, 50_000)),
        "not a readable picture",
    ),
    "big tiff": (lambda: b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 2**62) + bytes(1000), "not a readable picture"),
    "gif": (lambda: gif(65535, 65535), MUCH),
    "gif, frame outside": (lambda: gif(4, 4, place=60_000), MUCH),
    "gif of comments": (lambda: gif(4, 4, b"!\xfe" + (b"\xff" + bytes(255)) * 40_000 + b"\0"), BUSY),
    "bmp of jumps": (lambda: bmp(15_999_999, 1, b"\0\2\xff\xff"), "a side of more than 250,000 pixels"),
    "bmp of smaller jumps": (lambda: bmp(32_000, 256, b"\0\2\xff\xff" * 2), f"{READ}|the picture is damaged"),
    "ppm": (lambda: b"P6 9400 9400 255\n", MUCH),
    "ppm of comments": (lambda: b"P3 39 39 255\n" + b"#\n" * 500_000, BUSY),
    "ppm of one comment": (lambda: b"P6 #" + b"x" * 10**6, BUSY),
    "ppm of one number": (lambda: b"P3 39 39 255\n" + b"1" * 10**6, "the picture is damaged"),
    "jpeg": (lambda: claiming(65500), MUCH),
    "jpeg of scans": (many_scans, BUSY),
    "jpeg of scans, an end in a comment": (lambda: many_scans(b"\xff\xfe\0\4\xff\xd9"), BUSY),
    "jpeg of scans, a restart after an end": (lambda: many_scans(b"\xff\xff\0\xd9\xff\xd0"), BUSY),
    "jpeg of scans, after its end": (lambda: jpeg() + b"\xff\xda" * 10**6, READ),
    "jpeg of EXIF": (lambda: segments(b"\xe1", 100_000), BUSY),
    "jpeg of comments": (lambda: segments(b"\xfe", 100_000), BUSY),
    "webp": (lambda: animated(16_000), MUCH),
}
CASES = {name: Case("image_folder(path)", content, message, 90) for name, (content, message) in PICTURES.items()}
CASES |= {
    f"{name}, made small": Case("image_folder(path, 32)", *PICTURES[name]) for name in ("png", "png of 8 megapixels")
}


# Tables -------------------------------------------------------------------------------------------


def wide(rows: int) -> bytes:
    header = ",".join(f"gene{place}" for place in range(40_000))
    return "\n".join([f"{header},t", *[",".join(["1.5"] * 40_000) + ",a"] * rows]).encode()


WIDE = 2 * 10**6
TABLES = {
    "40,000 columns": (lambda: wide(3), READ),
    "two million columns": (lambda: ",".join(map(str, range(WIDE))).encode() + b",t\n", r"line 1: more than .* fields"),
    "two million fields": (lambda: b"a,t\n" + b"11," * WIDE, r"line 2: more than .* fields"),
    "two million lines in a row": (lambda: b"a,t\n" + b'1,"x\n",' * WIDE, "more than .* fields"),
    "a long line": (lambda: b"a,t\n1," + b"x" * 70_000_000, "line 2: more than .* characters"),
    "a long number": (
        lambda: b"a,t\n" + b"1" * 1_000_000 + b",2\n",
        "line 2: not valid CSV .*is a quote never closed?",
    ),
    "a number that may stand": (lambda: b"a,t\n" + b"1" * 130_000 + b",2\n", "expected a finite number, got '1{40}'$"),
    "an open quote": (lambda: b'a,t\n1,"' + b"x,\n" * WIDE, "is a quote never closed?"),
    "300,000 classes": (
        lambda: b"a,t\n" + b"".join(b"1,c%d\n" % number for number in range(300_000)),
        READ,
        100,
    ),
    "300,000 numbers as classes": (
        lambda: b"a,t\n" + b"".join(b"1,%d\n" % number for number in range(300_000)),
        READ,
        100,
    ),
    "zeros": (lambda: b"a,t\n1,\0\n\0,2\n", r"line 3, column 'a': expected a finite number, got '\\x00'"),
    "UTF-16": (lambda: "a,t\n1,2\n".encode("utf-16"), r"expected UTF-8 text \(it is UTF-16\); save it as UTF-8"),
    "half a character": (lambda: b"a,t\n1,\xed\xa0\x80\n", "expected UTF-8 text"),
}
CASES |= {name: Case("csv(path, 't')", *parts) for name, parts in TABLES.items()}


# MNIST and CIFAR ----------------------------------------------------------------------------------


def idx(shape: tuple[int, ...], content: bytes = b"", code: int = 8) -> bytes:
    return bytes([0, 0, code, len(shape)]) + b"".join(struct.pack(">I", size) for size in shape) + content


def zipped(head: bytes, megabytes: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    return packer.compress(head) + b"".join(packer.compress(bytes(1 << 20)) for _ in range(megabytes)) + packer.flush()


HUGE = (2**32 - 1,)
ARRAYS = {
    "idx, zipped": (lambda: zipped(idx((300 << 20,)), 300), r"far more than a gzip file .*unzip it first \(gzip -d\)"),
    "idx, zipped, and no more": (lambda: zipped(idx((4,), b"abcd"), 300), "too long"),
    "idx, zipped, 45 MB of zeros": (lambda: zipped(idx((45 << 20,)), 45), READ),
    "idx, zipped little": (lambda: zipped(idx((30 << 20,)), 30), READ),
    "idx of many members": (lambda: gzip.compress(idx((4,), b"abcd")) + gzip.compress(b"") * 20_000, READ),
    "idx of 64 dimensions": (lambda: idx(HUGE * 64, bytes(100), 14), "cut off: its header says float64"),
    "idx of 255 dimensions": (lambda: idx(HUGE * 255), "at most 64 dimensions"),
    "idx of nothing, huge": (lambda: idx((0, *HUGE * 3)), "expected a shape NumPy can hold"),
}
CASES |= {name: Case("read_idx(path)", content, message) for name, (content, message) in ARRAYS.items()}

TEXT = b"T" + struct.pack("<i", 10**6) + bytes(10**6) + b"q\x01"  # a string that is remembered
NUMBER = b"\x8b" + struct.pack("<i", 10**6) + b"\x7f" * 10**6 + b"q\x01"
EMPTY = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
BYTES = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R"


def array(content: bytes, shape: bytes = b"J" + struct.pack("<i", 10**6) + b"\x85") -> bytes:
    return EMPTY + b"(K\x01" + shape + BYTES + b"\x89" + content + b"tb"


def colliding() -> bytes:
    keys = (((2**61 - 1) * number).to_bytes(10, "little", signed=True) for number in range(100_000))
    return b"\x80\x02}(" + b"".join(b"\x8a\x0a" + key + b"N" for key in keys) + b"u."


PICKLES = {
    "one string in many arrays": (
        lambda: b"\x80\x02}U\x01x](" + array(TEXT) + array(b"h\x01") * 2000 + b"es.",
        "refused: .*more bytes than the file has",
    ),
    "a long key, often": (lambda: b"\x80\x02}" + TEXT + b"Ns" + b"h\x01Ns" * 200_000 + b".", "a name of more than"),
    "a long number, often": (lambda: b"\x80\x02}" + NUMBER + b"Ns" + b"h\x01Ns" * 200_000 + b".", "a number of more"),
    "a long shape": (
        lambda: b"\x80\x02}U\x01x" + array(b"U\x00", NUMBER + b"h\x01" * 31 + b"t") + b"s.",
        "a number of more",
    ),
    "keys that collide": (colliding, "a number of more than 64 bits as a key"),
    "tuples in tuples": (lambda: b"\x80\x02N" + b"q\x01h\x01\x86" * 200_000 + b".", "a tuple as a value"),
    "a number in text": (lambda: b"I" + b"1" * 10**6 + b"\n.", "refused: it asks for the instruction INT"),
}
CASES |= {name: Case("unpickle.read(path)", content, message) for name, (content, message) in PICKLES.items()}


class Zeros(io.RawIOBase):
    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        buffer[:] = bytes(len(buffer))
        return len(buffer)


def archive(*members: tuple[str, int, dict[str, str]]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", format=tarfile.PAX_FORMAT, compresslevel=1) as tar:
        for name, size, headers in members:
            member = tarfile.TarInfo(name)
            member.size, member.pax_headers = size, headers
            tar.addfile(member, io.BufferedReader(Zeros()))
    return stream.getvalue()


TOO_MUCH = "damaged archive .*far more than an archive of its size should"
ARCHIVES = {
    "a large file in an archive": (lambda: archive(("f/a", 200 << 20, {})), TOO_MUCH),
    "a large other file": (lambda: archive(("b", 200 << 20, {})), TOO_MUCH),
    "a large header": (lambda: archive(("b", 0, {"comment": "x" * (100 << 20)})), TOO_MUCH),
    "many files": (lambda: archive(*(("b", 0, {}) for _ in range(40_000))), f"{TOO_MUCH}|expected it to contain f/a"),
}
CASES |= {
    name: Case("cifar.extract(path, 'f', ['a'], os.path.dirname(path))", content, message)
    for name, (content, message) in ARCHIVES.items()
}


# Weights ------------------------------------------------------------------------------------------


def weights(header: Any, content: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content


def tensors(*names: str, shape: tuple[int, ...] = (0,)) -> dict[str, Any]:
    return {name: {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]} for name in names}


WEIGHTS = {
    "a header that is not there": (lambda: struct.pack("<Q", 10**8 - 8) + b"{}", "not a whole safetensors file"),
    "a large header": (lambda: weights({"__metadata__": {"a": "x" * 50_000_000}}), "a header of more than 4 MiB"),
    "many tensors": (lambda: weights(tensors(*map(str, range(70_000)))), "names 70,000 tensors|header of more"),
    "more tensors": (
        lambda: weights(tensors(*(f"layer{one}.bias" for one in range(40_000)))),
        "nothing was loaded: .* and 39,988 more",
    ),
    "a huge shape of nothing": (
        lambda: weights(tensors("a", shape=(0, 2**62))),
        "a has a shape that NumPy cannot hold",
    ),
    "70 dimensions": (lambda: weights(tensors("a", shape=(1,) * 70 + (0,))), "a has a shape that NumPy cannot hold"),
    "a name of digits": (lambda: weights(tensors("a" + "1" * 6000, "b")), "nothing was loaded"),
    "a long name": (lambda: weights(tensors("x" * 1_000_000)), "nothing was loaded"),
    "brackets": (lambda: weights(b"[" * 10**6), "not a whole safetensors file"),
}
CASES |= {f"weights: {name}": Case("load_weights(model, path)", *parts) for name, parts in WEIGHTS.items()}


# All of them --------------------------------------------------------------------------------------

CHILD = """
import json, os, sys, time
import PIL.Image, pynn
from pynn.datasets import cifar, csv, image_folder, read_idx, unpickle
from pynn.transfer import load_weights

PIL.Image.init()
model = pynn.Sequential(pynn.Affine(3))
model.build((4,))

def memory(name):
    with open("/proc/self/status") as file:
        return int(dict(line.split(":", 1) for line in file)[name].split()[0]) / 1024

def measured(reader, path):
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # the peak begins anew
        before = memory("VmRSS")
    except OSError:
        before = None
    began = time.process_time()
    try:
        eval(reader)
        said = None
    except Exception as error:
        said = [type(error).__name__, str(error)]
    took = time.process_time() - began
    return said, took, 0 if before is None else memory("VmHWM") - before

for line in sys.stdin:
    print(json.dumps(measured(*json.loads(line))), flush=True)
"""


@pytest.fixture(scope="module")
def child() -> Iterator[Any]:
    with subprocess.Popen(
        [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        cwd=tempfile.gettempdir(),
    ) as process:  # fmt: skip
        yield process
        assert process.stdin is not None
        process.stdin.close()


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_little_time_and_memory(case: Case, child: Any, tmp_path: Path) -> None:
    pictures = case.reader.startswith("image_folder")
    file = tmp_path / "class" / "file" if pictures else tmp_path / "file"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(case.content())
    child.stdin.write(json.dumps([case.reader, str(tmp_path if pictures else file)]) + "\n")
    said, seconds, megabytes = json.loads(child.stdout.readline())
    assert re.search(case.message, "read" if said is None else said[1]), said
    if said is not None:
        kind, message = said
        assert kind == "ValueError"
        assert message.startswith(str(file))
        assert message.isprintable()
        assert len(message) < 1500 + len(str(file))
    assert seconds < 2
    assert megabytes < max(case.megabytes, 10 * file.stat().st_size / 2**20)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize(
    "reader", ["csv(path, 't')", "read_idx(path)", "unpickle.read(path)", "load_weights(model, path)"]
)
def test_pipes_and_devices_are_not_waited_for(reader: str, child: Any, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (str(tmp_path / "pipe"), "/dev/zero"):
        child.stdin.write(json.dumps([reader, path]) + "\n")
        kind, message = json.loads(child.stdout.readline())[0]
        assert kind == "OSError"
        assert message.startswith(f"{path} is a device, a pipe or a socket, expected a")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_among_pictures(child: Any, tmp_path: Path) -> None:
    (tmp_path / "class").mkdir()
    os.mkfifo(tmp_path / "class" / "pipe")
    child.stdin.write(json.dumps(["image_folder(path)", str(tmp_path)]) + "\n")
    kind, message = json.loads(child.stdout.readline())[0]
    assert kind == "OSError"
    assert message.endswith("pipe is a device, a pipe or a socket, expected a picture")


@pytest.mark.slow
def test_the_measuring_sees_what_is_taken(child: Any) -> None:
    for reader, least in (("len(b'x' * (100 << 20))", (0.0, 95)), ("sum(range(10**7))", (0.02, -1))):
        child.stdin.write(json.dumps([reader, ""]) + "\n")
        said, seconds, megabytes = json.loads(child.stdout.readline())
        assert said is None
        assert seconds > least[0]
        assert megabytes > least[1] or not os.path.exists("/proc/self/clear_refs")
