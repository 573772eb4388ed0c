"""Changes that know a format: what stands behind checksums, lengths and compression is reached by nothing else."""

from __future__ import annotations

import gzip
import json
import pickletools
import random
import struct
import zlib
from typing import Any

import numpy as np

from . import mutations

# safetensors --------------------------------------------------------------------------------------

DTYPES = ("F32", "F64", "F16", "BF16", "I64", "I32", "I8", "U8", "U64", "BOOL", "F8_E4M3", "F8_E5M2", "C64", "F4", "x")
KINDS = ("f2", "f4", "f8", "i1", "i4", "i8", "u1", "u8", "?")


def split(content: bytes) -> tuple[dict[str, Any], bytes]:
    """A safetensors file's header, and its data."""
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def joined(header: Any, data: bytes) -> bytes:
    text = (header if isinstance(header, str) else json.dumps(header)).encode("utf-8", "surrogatepass")
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def safetensors_header(rng: random.Random, content: bytes) -> bytes:
    """Another header over the same data."""
    header, data = split(content)
    entry = header.get(rng.choice([name for name in header if name != "__metadata__"] or ["x"]))
    how = rng.randrange(6)
    if how == 0 and entry:
        entry["dtype"] = rng.choice(DTYPES)
    elif how == 1 and entry:
        entry["shape"] = rng.choice(
            (entry["shape"][::-1], [*entry["shape"], 1], [0, 2**62], [2**32, 2**32], [1] * 70, [-1])
        )
    elif how == 2 and entry:
        entry["data_offsets"] = [rng.choice((0, 1, len(data), len(data) + 1, 2**63)) for _ in range(2)]
    elif how == 3:
        empty = {"dtype": rng.choice(DTYPES), "shape": [0], "data_offsets": [len(data)] * 2}
        header[rng.choice(mutations.TEXTS)] = empty
    elif how == 4:
        return joined(_with_duplicate(rng, header), data)
    else:
        header = mutations.of_json(rng, header)
    return joined(header, data)


def _with_duplicate(rng: random.Random, header: dict[str, Any]) -> str:
    """JSON in which a key occurs twice."""
    name = rng.choice(list(header))
    return json.dumps(header)[:-1] + f", {json.dumps(name)}: {json.dumps(mutations.of_json(rng, header[name]))}}}"


def tensors(rng: random.Random, arrays: dict[str, Any]) -> dict[str, Any]:
    """Arrays by name of which one or two are others."""
    changed = dict(arrays)
    for _ in range(rng.choice((1, 1, 2))):
        if not changed:
            break
        name = rng.choice(list(changed))
        array, how = np.array(changed[name]), rng.randrange(8)
        if how == 0:
            del changed[name]
        elif how == 1:
            changed[rng.choice((*mutations.TEXTS[:8], f"{name}x", name[:-1], name.upper()))] = changed.pop(name)
        elif how == 2:
            changed[name] = array.astype(rng.choice(KINDS), casting="unsafe")
        elif how == 3:
            changed[name] = rng.choice((array.T, array.ravel(), array[None], array[..., None], array[:0], array[:1]))
        elif how == 4:
            other = rng.choice(list(changed))
            changed[name], changed[other] = changed[other], changed[name]
        elif how == 5:
            changed[f"{name}.{rng.choice(mutations.TEXTS[:8])}"] = array
        elif array.size and array.dtype.kind == "f":
            array.reshape(-1)[rng.randrange(array.size)] = rng.choice((np.nan, np.inf, -np.inf, 1e38, 1e-45, 0, -1))
            changed[name] = array
        elif array.size:
            largest = np.iinfo(array.dtype).max if array.dtype.kind in "iu" else 1
            array.reshape(-1)[rng.randrange(array.size)] = rng.choice((0, 1, largest))
            changed[name] = array
    return changed


# Compressed ---------------------------------------------------------------------------------------


def gzipped(rng: random.Random, content: bytes, others: tuple[bytes, ...] = ()) -> bytes:
    """A gzip file of a changed content, whole again; sometimes of several members, or with more behind it."""
    inner = mutations.of_bytes(rng, gzip.decompress(content), others, head=24)
    whole = gzip.compress(inner, mtime=0)
    how = rng.randrange(12)
    if how == 0:
        at = rng.randrange(len(inner) + 1)
        return gzip.compress(inner[:at], mtime=0) + gzip.compress(inner[at:], mtime=0)
    if how == 1:
        return whole + rng.choice((b"\0" * 9, b"more", whole, gzip.compress(b"", mtime=0)))
    return gzip.compress(whole, mtime=0) if how == 2 else whole


# PNG ----------------------------------------------------------------------------------------------

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHUNKS = (
    *(b"IHDR", b"PLTE", b"IDAT", b"IEND"),
    *(b"tRNS", b"gAMA", b"iCCP", b"zTXt", b"iTXt", b"eXIf", b"acTL", b"fdAT", b"fcTL"),
)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(rng: random.Random, content: bytes) -> bytes:
    """Chunks that are changed, with checksums that are right again."""
    chunks = _chunks(content)
    for _ in range(rng.choice((1, 1, 2))):
        at = rng.randrange(len(chunks))
        kind, data = chunks[at]
        how = rng.randrange(7)
        if how == 0:
            del chunks[at]
        elif how == 1:
            chunks.insert(rng.randrange(len(chunks) + 1), rng.choice(chunks))
        elif how == 2:
            chunks[at] = (rng.choice(CHUNKS), data)
        elif how == 3:
            extra = zlib.compress(mutations.of_bytes(rng, b"Title of it"))
            chunks.insert(rng.randrange(len(chunks) + 1), (rng.choice(CHUNKS[4:]), b"key\0\0" + extra))
        elif kind == b"IDAT" and how > 3:
            try:
                data = zlib.compress(mutations.of_bytes(rng, zlib.decompress(data)))
            except zlib.error:
                data = b""
            chunks[at] = (kind, data)
        else:
            chunks[at] = (kind, mutations.of_bytes(rng, data))
        chunks = chunks or [(b"IEND", b"")]
    return SIGNATURE + b"".join(chunk(*one) for one in chunks)


def _chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], len(SIGNATURE)
    while at < len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        found.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + length]))
        at += length + 12
    return found


# TIFF ---------------------------------------------------------------------------------------------

TAGS = (
    254,
    256,
    257,
    258,
    259,
    262,
    266,
    273,
    274,
    277,
    278,
    279,
    282,
    284,
    317,
    320,
    322,
    323,
    324,
    325,
    330,
    338,
    339,
    700,
    34665,
    34675,
)


def tiff(rng: random.Random, content: bytes) -> bytes:
    """Entries of the first directory with another tag, type, count or value."""
    if content[2:4] not in (b"*\0", b"\0*"):  # BigTIFF
        return mutations.of_bytes(rng, content, head=256)
    changed, order = bytearray(content), "<" if content[:2] == b"II" else ">"
    (start,) = struct.unpack(order + "I", content[4:8])
    (count,) = struct.unpack(order + "H", content[start : start + 2])
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = start + 2 + 12 * rng.randrange(count)
        tag, kind, number, value = struct.unpack(order + "HHII", changed[at : at + 12])
        how = rng.randrange(4)
        tag = rng.choice(TAGS) if how == 0 else tag
        kind = rng.randrange(20) if how == 1 else kind
        number = rng.choice(mutations.EDGES) % 2**32 if how == 2 else number
        if how == 3:
            value = (rng.choice(mutations.EDGES) if rng.random() < 0.6 else value + rng.choice((-1, 1, 8))) % 2**32
        changed[at : at + 12] = struct.pack(order + "HHII", tag, kind, number, value)
    return bytes(changed)


# Pickles ------------------------------------------------------------------------------------------

CALLS = (
    *(b"cos\nsystem\n(U\x04echotR", b"c__builtin__\nexec\n(U\x04passtR", b"\x8c\x02os\x8c\x06system\x93"),
    *(
        b"cnumpy\nndarray\n)\x81",
        b"(S'x'\nios\nsystem\n",
        b"Px\n",
        b"Q",
        b"\x82\x01",
        b"}",
        b"]",
        b")",
        b"(",
        b"0",
        b"1",
    ),
    *(b"2", b"a", b"s", b"u", b"e", b"b", b"t", b"\x85", b"\x86", b"\x87", b"R", b"h\x00", b"h\x01", b"q\x00", b"\x94"),
    *(b"N", b"K\x05", b"\x8a\xff" + b"\x7f" * 255),
)


def pickled(rng: random.Random, content: bytes) -> bytes:
    """Instructions that are removed, doubled, swapped or put in."""
    starts = [place for _, _, place in pickletools.genops(content)]
    parts = [content[start:stop] for start, stop in zip(starts, [*starts[1:], len(content)], strict=True)]
    for _ in range(rng.choice((1, 1, 2, 4))):
        at, other = rng.randrange(len(parts)), rng.randrange(len(parts))
        how = rng.randrange(6)
        if how == 0 and len(parts) > 1:
            del parts[at]
        elif how == 1:
            parts.insert(at, parts[other])
        elif how == 2:
            parts[at], parts[other] = parts[other], parts[at]
        elif how == 3:
            parts[at] = mutations.of_bytes(rng, parts[at], head=4)
        else:
            parts.insert(at, rng.choice(CALLS))
    return b"".join(parts)
