"""Files that somebody made on purpose: small, and asking for much time, memory or depth, or for code to run."""

from __future__ import annotations

import atexit
import contextlib
import functools
import gzip
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from . import folders, formats
from .cases import Crafted


@functools.cache
def scratch() -> Path:
    """A folder for valid files, in memory where the system has one; it goes with the process."""
    memory = Path("/dev/shm")
    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(folders.temporary("readers", memory if memory.is_dir() else None))


def is_checked(content: bytes, load: Callable[[Path], Any], path: Path) -> bool:
    """Whether a checksum sees that the last byte of a file is another."""
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    try:
        load(path)
    except ValueError:
        return True
    return False


# safetensors --------------------------------------------------------------------------------------


def safetensors_files(valid: bytes, entry: str | None) -> list[Crafted]:
    """Headers that claim too much, and descriptions that are nested too deep."""
    header, data = formats.split(valid)
    end, name = [len(data)] * 2, next(name for name in header if name != "__metadata__")
    empty = {"dtype": "F32", "shape": [0], "data_offsets": end}
    headers: dict[str, Any] = {
        "no tensors": {"__metadata__": header.get("__metadata__", {})},
        "20,000 empty tensors": {**header, **{f"z{number}": empty for number in range(20_000)}},
        "0 x huge": {**header, "z": {**empty, "shape": [0, 2**62]}},
        "huge x huge": {**header, name: {**header[name], "shape": [2**40, 2**40]}},
        "70 dimensions": {**header, "z": {**empty, "shape": [1] * 70 + [0]}},
        "name of 1 MB": {**header, "n" * 10**6: empty},
        "name with control characters": {**header, "\x1b[2J\x07\u202e": empty},
        "names that collide": {**header, name + "\0": empty, name + " ": empty},
    }
    headers |= {f"dtype {dtype}": {**header, "z": {**empty, "dtype": dtype}} for dtype in formats.DTYPES}
    found = [Crafted(title, formats.joined(one, data)) for title, one in headers.items()]
    found += [
        Crafted("length 2^63", struct.pack("<Q", 2**63) + b"{}"),
        Crafted("length of 100 MB", struct.pack("<Q", 10**8 - 8) + b"{}"),
        Crafted("deep header", formats.joined('{"__metadata__":' + "[" * 10**5, b"")),
        Crafted("empty", b""),
        Crafted("zip", b"PK\x03\x04" + bytes(60)),
        Crafted("pickle", b"\x80\x02cos\nsystem\n(U\x04echotR."),
    ]
    if entry is not None:
        text = header["__metadata__"][entry]
        texts = {
            "deep lists": "[" * 10**5,
            "deep objects": '{"a":' * 10**5 + "1" + "}" * 10**5,
            "deep notes": text[:-1] + ', "notes": ' + "[" * 50_000 + "]" * 50_000 + "}",
            "integer of 100,000 digits": text[:-1] + ', "seed": ' + "9" * 10**5 + "}",
            "format of 400 digits": text[:-1] + ', "format": ' + "9" * 400 + "}",
            "key twice": text[:-1] + ", " + text[1:],
            "not JSON": text[:-1],
            "a number": "1",
            "1 MB of text": text[:-1] + ', "x": "' + "x" * 10**6 + '"}',
        }
        found += [
            Crafted(title, formats.joined({**header, "__metadata__": {entry: one}}, data))
            for title, one in texts.items()
        ]
    return found


ITEMS: tuple[list[Any], ...] = (
    *([], [10**9], [10**6, 10**6], [10**9, 0.5], [[10**9]], [-1], [2**63]),
    *(["\x1b[2J"], [{}], [float("nan")]),
)


def _object(kind: str, *items: Any, **arguments: Any) -> dict[str, Any]:
    return {"kind": kind, "items": list(items), "arguments": arguments}


def descriptions(kinds: Mapping[str, type]) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """What replaces parts of a description, and whether the tensors of the valid file stay with it."""
    affine = _object("Affine", 2)
    for title, layers, shape in _networks():
        yield title, {"layers": layers, "input_shape": shape}, False
    for depth in (20, 100, 200):
        for kind in ("Sequential", "Residual", "Chain"):
            inner = affine
            for _ in range(depth):
                inner = _object(kind, inner)
            yield f"{depth} {kind} in one another", {"layers": [inner]}, False
    for kind in sorted(kinds):
        for items in (*ITEMS, [affine]):
            made, text = {"kind": kind, "items": items}, f"{kind}{items!r:.30}"
            yield f"layer {text}", {"layers": [made], "input_shape": [4]}, False
            yield f"image {text}", {"layers": [made], "input_shape": [8, 8, 2]}, False
            yield f"loss {text}", {"loss": made}, True
            yield f"preprocessing {text}", {"preprocessing": made, "raw_shape": [4]}, True
            yield f"targets {text}", {"target_preprocessing": made}, True
            yield f"initializer {text}", {"layers": [_object("Affine", 3, initializer=made), affine]}, False
            yield f"penalty {text}", {"layers": [_object("Affine", 3, penalty=made), affine]}, False
            yield f"constraint {text}", {"layers": [_object("Affine", 3, constraint=made), affine]}, False
    for size in (2**31, 2**40, 2**62):
        yield f"raw shape {size}", {"preprocessing": _object("Standardization"), "raw_shape": [size]}, True
        yield f"PCA of {size}", {"preprocessing": _object("PCA", 3), "raw_shape": [size]}, True
    many = _object("Pipeline", *[_object("Standardization")] * 10_000)
    yield "10,000 transformers", {"preprocessing": many, "raw_shape": [4]}, True
    yield "classes", {"targets": {"classes": ["\x1b[2J", "\u202e"]}}, True
    for name in ("\x1b[2J", "a\0b", "../x", "__class__", "x" * 10**6):
        yield f"name {name!r:.20}", {"layers": [{**affine, "name": name}, affine]}, False


def _networks() -> Iterator[tuple[str, list[Any], list[int]]]:
    """Layers of a small description that are large, or take long to build."""
    flat = _object("Flatten")
    for kind, sizes in (("MaxPool2d", (10**3, 10**4, 10**9)), ("AvgPool2d", (10**3, 10**4, 10**9))):
        for size in sizes:
            yield f"{kind} of {size}", [_object(kind, size, stride=1), flat], [size, size, 1]
            yield f"{kind} of {size}, padded", [_object(kind, size, stride=1, padding=size // 2), flat], [4, 4, 1]
    for size in (10**4, 10**6, 10**9):
        yield f"MaxPool1d of {size}", [_object("MaxPool1d", size, stride=1), flat], [size, 1]
        yield f"Conv1d padded by {size}", [_object("Conv1d", 1, padding=size), flat], [4, 1]
        yield f"Conv2d padded by {size}", [_object("Conv2d", 1, padding=size), flat], [4, 4, 1]
        yield f"Conv2d dilated by {size}", [_object("Conv2d", 1, dilation=size), flat], [4, 4, 1]
        yield f"Conv2d in {size} groups", [_object("Conv2d", size, groups=size), flat], [1, 1, size]
        yield f"Upsample by {size}", [_object("Upsample", size), flat], [4, 4, 1]
        yield f"fractional pooling of {size}", [_object("FractionalMaxPool2d", 1.0001), flat], [size, size, 1]
        yield f"HierarchicalSoftmax of {size}", [_object("HierarchicalSoftmax", size)], [4]
        yield f"Maxout of {size}", [_object("Maxout", 1, size)], [4]
        yield f"Affine of {size}", [_object("Affine", size)], [4]
        yield f"input of {size}", [_object("Affine", 1)], [size]
        yield f"activations of {size}", [_object("ReLU"), _object("Dropout", 0.5), _object("Softmax")], [size]
        per_feature = ("BatchNorm", "LayerNorm", "PReLU", "PMish", "Scale")
        yield f"numbers for each of {size} features", [_object(kind) for kind in per_feature], [size]
        yield f"GroupNorm of {size}", [_object("GroupNorm", size)], [size]
        yield f"Reshape to {size}", [_object("Reshape", size, size)], [4]
        yield f"Transitions of {size}", [_object("Transitions", size)], [4, 3]
        yield f"Sparse of {size}", [_object("Affine", 3, initializer=_object("Sparse", size))], [4]
    for size in (500, 3000):
        for kind in ("Orthogonal", "RandomWalk", "Sparse"):
            yield f"{kind} of {size}", [_object("Affine", size, initializer=_object(kind))], [size]
    counts = list(range(1, 20_001))
    yield "tree of 20,000 counts", [_object("HierarchicalSoftmax", 20_000, counts=counts)], [1]
    nested: Any = 0
    for label in range(1, 200):
        nested = [nested, label]
    yield "tree of 200 levels", [_object("HierarchicalSoftmax", 200, tree=nested)], [1]
    for count in (1000, 20_000):
        yield f"{count} layers", [_object("ReLU")] * count, [4]
        yield f"{count} affine layers", [_object("Affine", 1)] * count, [1]
    yield "64 dimensions", [flat], [2] * 64
    yield "100 dimensions", [flat], [1] * 100


# Pictures -----------------------------------------------------------------------------------------


def _zeros(rows: int, row: int) -> bytes:
    """So many bytes of nothing, compressed."""
    packer, line = zlib.compressobj(1), bytes(row)
    return b"".join([*(packer.compress(line) for _ in range(rows)), packer.flush()])


def png(width: int, height: int, kind: int = 0, data: bytes = b"", more: Iterable[bytes] = ()) -> bytes:
    head = formats.chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0))
    return formats.SIGNATURE + head + b"".join(more) + formats.chunk(b"IDAT", data) + formats.chunk(b"IEND", b"")


def _blank(side: int, kind: int) -> bytes:
    """A whole PNG of one colour, grey (kind 0) or with transparency (6)."""
    return png(side, side, kind, _zeros(side, (4 if kind == 6 else 1) * side + 1))


def _with_text(kind: bytes) -> bytes:
    return png(1, 1, data=_zeros(1, 2), more=[formats.chunk(kind, b"key\0\0" + _zeros(100, 10**6))])


def _tiff(side: int, compression: int = 1, kinds: Mapping[int, tuple[int, int, int]] | None = None) -> bytes:
    """One strip of eight bytes, whatever the directory claims. kinds: tag to (type, count, value)."""
    entries = {256: (4, 1, side), 257: (4, 1, side), 258: (3, 1, 8), 259: (3, 1, compression), 262: (3, 1, 1)}
    entries |= {273: (4, 1, 8), 277: (3, 1, 1), 278: (4, 1, side), 279: (4, 1, 8), **(kinds or {})}
    body = b"".join(struct.pack("<HHII", tag, *entry) for tag, entry in sorted(entries.items()))
    return b"II*\0" + struct.pack("<I", 16) + bytes(8) + struct.pack("<H", len(entries)) + body + bytes(4)


def pictures() -> list[Crafted]:
    """Pictures that claim to be large, or are so when they are decoded."""
    claims = {f"PNG that claims {side} x {side}": png(side, side) for side in (0, 1000, 9000, 30_000, 2**31 - 1)}
    claims |= {f"PPM that claims {side} x {side}": b"P6\n%d %d\n255\n" % (side, side) for side in (1000, 9000, 99_999)}
    claims |= {f"TIFF that claims {side} x {side}": _tiff(side) for side in (1000, 9000, 30_000)}
    for side in (3000, 9000):
        for compression in (5, 8, 32773, 50000):
            claims[f"TIFF of {side} x {side}, compression {compression}"] = _tiff(side, compression)
    tiles = {322: (4, 1, 8000), 323: (4, 1, 8000), 324: (4, 1, 8), 325: (4, 1, 8)}
    bitmap = struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 9000, -9000, 1, 24, 0, 0, 0, 0, 0, 0)
    gif = struct.pack("<HHHB", 65535, 1300, 0, 44) + struct.pack("<HHHHBBBB", 0, 0, 65535, 1300, 0, 2, 0, 59)
    claims |= {
        "TIFF of a large tile": _tiff(16, kinds=tiles),
        "TIFF of a large tile, compressed": _tiff(16, 5, tiles),
        "TIFF with many values": _tiff(4, kinds={305: (2, 2**31, 8)}),
        "TIFF with 65,000 samples": _tiff(4, kinds={277: (3, 1, 65_000)}),
        "BMP that claims much": b"BM" + bitmap,
        "GIF that claims much": b"GIF89a" + gif,
        "empty": b"",
        "EPS, which would start a program": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
    }
    found = [Crafted(name, content) for name, content in claims.items()]
    for side in (3000, 9400):
        found += [
            Crafted(f"PNG of {side} x {side}, grey", partial(_blank, side, 0)),
            Crafted(f"PNG of {side} x {side}, grey, made small", partial(_blank, side, 0), 8),
            Crafted(f"PNG of {side} x {side}, transparent, made small", partial(_blank, side, 6), 8),
        ]
    found += [
        Crafted(f"PNG with 100 MB in {kind.decode()}", partial(_with_text, kind))
        for kind in (b"zTXt", b"iCCP", b"eXIf")
    ]
    return found


# Tables, arrays, pickles --------------------------------------------------------------------------


def tables() -> list[Crafted]:
    wide = ",".join(f"c{number}" for number in range(40_000))
    texts: dict[str, Any] = {
        "40,000 columns": f"{wide},y\n{'1,' * 40_000}a\n",
        "40,000 columns of one name": f"{'c,' * 40_000}y\n",
        "quote that is never closed": 'a,y\n"' + "x\n" * 500_000,
        "number of 100,000 digits": "a,y\n" + "9" * 100_000 + ",b\n",
        "number of 140,000 digits": "a,y\n" + "9" * 140_000 + ",b\n",
        "100,000 classes": "a,y\n" + "".join(f"1,k{number}\n" for number in range(100_000)),
        "NUL": "a,y\n1\0,b\n",
        "control characters": "\x1b[2J,y\n1,\x1b]0;x\x07\n2,\x1b\nx,\x1b\n",
        "column of 1 MB": "x" * 10**6 + ",y\n1,b\n",
        "digits of other scripts": "a,y\n١,b\n２,c\n",
        "UTF-16": "a,y\n1,b\n".encode("utf-16"),
        "lines that are empty": "a,y\n" + "\n" * 10**6 + "1,b\n",
        "one line of commas": "a,y\n" + "," * 10**6,
        "empty": "",
    }
    return [Crafted(title, text if isinstance(text, bytes) else text.encode()) for title, text in texts.items()]


def idx(*shape: int, code: int = 8, data: bytes = b"") -> bytes:
    return bytes([0, 0, code, len(shape)]) + b"".join(struct.pack(">I", size) for size in shape) + data


def arrays() -> list[Crafted]:
    huge, three = 2**32 - 1, idx(3, data=b"abc")
    plain = {
        "huge x huge": idx(huge, huge),
        "255 dimensions": idx(*[1] * 255, data=b"x"),
        "64 dimensions of 2^32 - 1": idx(*[huge] * 64),
        "64 dimensions of 1": idx(*[1] * 64, data=b"x"),
        "0 x huge": idx(0, huge, huge, code=14),
        "empty": b"",
    }
    zipped = {
        "100 MB of zeros": lambda: _gzip(idx(10**8, data=bytes(10**8))),
        "100 MB where 3 are declared": lambda: _gzip(idx(3, data=bytes(10**8))),
        "huge x huge, zipped": lambda: _gzip(idx(huge, huge, data=bytes(10**7))),
        "zipped twice": _gzip(_gzip(three)),
        "20,000 members": _gzip(three) + _gzip(b"") * 20_000,
        "with zeros behind it": _gzip(three) + bytes(10**6),
    }
    return [Crafted(title, content) for title, content in {**plain, **zipped}.items()]


def _gzip(content: bytes) -> bytes:
    return gzip.compress(content, 6, mtime=0)


def _long(number: int) -> bytes:
    raw = number.to_bytes(number.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8b" + struct.pack("<i", len(raw)) + raw


def pickles() -> list[Crafted]:
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85C\x01btR"
    dtype = b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tR(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    text = b"x" * (1 << 20)
    begin = b"\x80\x04}(U\x01sT" + struct.pack("<i", len(text)) + text + b"r\x07\0\0\0"
    again = array + b"(K\x01J" + struct.pack("<i", len(text)) + b"\x85" + dtype + b"\x89j\x07\0\0\0tb"
    doubling = b"".join(b"]q%c(" % (step + 1) + b"h%c" % step * 10 + b"e" for step in range(60))
    prime = 2**61 - 1
    files = {
        "one string in 200 arrays": begin + b"".join(b"U\x06a%05d" % number + again for number in range(200)) + b"u.",
        "shape of long integers": b"\x80\x04}(U\x01a"
        + array
        + b"(K\x01("
        + _long(1 << 2**20)
        + b"r\x08\0\0\0"
        + b"j\x08\0\0\0" * 29
        + b"t"
        + dtype
        + b"\x89U\x01xtbu.",
        "keys of one hash": b"\x80\x04}("
        + b"".join(_long(prime * number) + b"N" for number in range(1, 20_000))
        + b"u.",
        "list in itself": b"\x80\x04}(U\x01a]q\x01h\x01au.",
        "deep lists": b"\x80\x04}U\x01a" + b"]" * 100_000 + b"a" * 99_999 + b"s.",
        "deep tuples": b"\x80\x04}U\x01aN" + b"\x85" * 100_000 + b"s.",
        "doubling lists": b"\x80\x04}U\x01a]q\0" + doubling + b"s.",
        "100,000 marks": b"\x80\x04" + b"(" * 100_000 + b".",
        "frame of 2^63": b"\x80\x04\x95" + struct.pack("<Q", 2**63) + b"}.",
        "string of 2^62": b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b".",
        "bytearray of 2^62": b"\x80\x05\x96" + struct.pack("<Q", 2**62) + b".",
        "integer of 100,000 digits": b"}(U\x01aI" + b"9" * 100_000 + b"\nu.",
        "long of 100,000 digits": b"}(U\x01aL" + b"9" * 100_000 + b"L\nu.",
        "name of 1 MB": b"c" + b"x" * 10**6 + b"\ny\n.",
        "name with control characters": b"c\x1b[2J\ny\n.",
    }
    calls = [Crafted(f"call {number}", b"\x80\x04" + call + b".") for number, call in enumerate(formats.CALLS)]
    return [*(Crafted(title, content) for title, content in files.items()), *calls]
