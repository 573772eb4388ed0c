"""Arrays as pictures inside a page: PNG files in data URIs. Knows no records."""

from __future__ import annotations

import base64
import math
import struct
import zlib

import numpy as np

from ...typing import Array

LARGEST = 64  # pixels of a side; larger pictures are made smaller
BLUE = (31, 119, 198)  # of heat strips, with the number as opacity: it shows on light and dark pages


def uri(png: bytes) -> str:
    """The data URI of a PNG."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def png(pixels: Array) -> bytes:
    """The PNG file of uint8 pixels (H, W), (H, W, 1) or (H, W, 3)."""
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    return _file(pixels, {1: 0, 3: 2}[pixels.shape[2]])


def opacity(shares: Array) -> bytes:
    """The PNG file of shares (H, W) in 0..1, as opacities of one colour."""
    alphas = bytes(range(0, 256, 5))  # 52 shades: what the eye tells apart
    places = np.clip(shares * (len(alphas) - 1), 0, len(alphas) - 1).round().astype(np.uint8)
    palette = bytes(BLUE) * len(alphas)
    return _file(places[:, :, None], 3, _chunk(b"PLTE", palette) + _chunk(b"tRNS", alphas))


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _file(pixels: Array, colours: int, palette: bytes = b"") -> bytes:
    height, width = pixels.shape[:2]
    rows = np.zeros((height, 1 + pixels[0].size), np.uint8)  # each row begins with its filter: none
    rows[:, 1:] = pixels.reshape(height, -1)
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colours, 0, 0, 0))
    body = _chunk(b"IDAT", zlib.compress(rows.tobytes(), 9))
    return b"\x89PNG\r\n\x1a\n" + head + palette + body + _chunk(b"IEND", b"")


def image(values: Array, low: float, high: float, alt: str, kind: str = "") -> str:
    """An HTML image of numbers (H, W, C), low as black and high as white."""
    step = math.ceil(max(values.shape[:2]) / LARGEST)
    small = np.nan_to_num(np.asarray(values[::step, ::step], np.float64), posinf=high, neginf=low)
    scaled = np.clip((small - low) * (255 / ((high - low) or 1.0)), 0, 255).round().astype(np.uint8)
    height, width = scaled.shape[:2]
    return f'<img class="{kind}" src="{uri(png(scaled))}" width="{width}" height="{height}" alt="{alt}">'
