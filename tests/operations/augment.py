"""Augmentation: images read at places of their own, and coloured."""

from __future__ import annotations

from typing import Any

import numpy as np

from .table import Arguments, Operation, Sizes, nan

KINDS = ("copy", "shift", "mirror", "affine", "far")


def transforms(kind: str, count: int, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    maps = np.tile([1.0, 0, 0, 0, 1, 0], (count, 1))
    if kind == "shift":
        maps[:, 2], maps[:, 5] = rng.integers(-4, 5, (2, count))
    elif kind == "mirror":  # beyond the middle, and upside down
        maps[:, 4], maps[:, 5] = -1, width - 1 + rng.integers(-3, 4, count)
        maps[::2, 0], maps[::2, 2] = -1, height - 1
    elif kind == "affine":
        maps += 0.3 * rng.standard_normal((count, 6))
        maps[:, [2, 5]] += 2 * rng.standard_normal((count, 2))
    elif kind == "far":
        maps[:, 2] = rng.choice([-5.5 * height, 3 * height, 1e30, -1e30, 2.0**30, 7], count)
    return maps


def warp_make(sizes: Sizes, rng: np.random.Generator, kind: str, dtype: str, reflect: bool) -> Arguments:
    n, h, w, c, b = sizes
    x = rng.integers(0, 256, (n, h, w, c)).astype(np.uint8) if dtype == "uint8" else rng.standard_normal((n, h, w, c))
    return {
        "x": x,
        "indices": rng.integers(0, n, b) if n else np.zeros(0, np.int64),
        "divisor": 255 if dtype == "uint8" else 1,
        "transforms": transforms(kind, b, h, w, rng),
        "reflect": reflect,
        "out": nan(b, h, w, c),
    }


def on_axis(place: float, size: int, reflect: bool) -> list[tuple[int, float]]:
    """The pixels that a place on an axis mixes, with their shares: tents of width 1 over all pixels, endlessly."""
    found = []
    for pixel in (int(np.floor(place)), int(np.floor(place)) + 1):
        share = max(0.0, 1 - abs(place - pixel))
        inside = 0 <= pixel < size
        while reflect and not 0 <= pixel < size:  # bounce off the edges
            pixel = 0 if size == 1 else -pixel if pixel < 0 else 2 * (size - 1) - pixel
        if inside or reflect:
            found.append((pixel, share))
    return found


def warp_answer(a: Arguments) -> dict[str, Any]:
    x, out = a["x"].astype(np.float64), np.zeros(a["out"].shape)
    for b, t in enumerate(a["transforms"]):
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                row, column = t[0] * i + t[1] * j + t[2], t[3] * i + t[4] * j + t[5]
                if max(abs(row), abs(column)) >= 2**30:
                    continue
                for r, share in on_axis(row, out.shape[1], a["reflect"]):
                    for s, other in on_axis(column, out.shape[2], a["reflect"]):
                        out[b, i, j] += share * other * x[a["indices"][b], r, s]
    return {"out": out / a["divisor"]}


def recolour_make(sizes: Sizes, rng: np.random.Generator) -> Arguments:
    b, h, w, c = sizes
    contrast = rng.uniform(0.5, 1.5, b)
    contrast[::3] = 1
    return {
        "images": rng.standard_normal((b, h * w, c)),
        "contrast": contrast,
        "matrix": rng.standard_normal((b, c, c)),
        "offset": rng.standard_normal((b, c)),
    }


def recolour_answer(a: Arguments) -> dict[str, Any]:
    out = a["images"].copy()
    for image, contrast, matrix, offset in zip(out, a["contrast"], a["matrix"], a["offset"], strict=True):
        if image.size:
            mean = image.sum(axis=0) / len(image)
            image[...] = [matrix @ (mean + contrast * (pixel - mean)) + offset for pixel in image]
    return {"images": out}


IMAGES: tuple[Sizes, ...] = (
    (1, 1, 1, 1, 1), (4, 5, 6, 3, 7), (3, 9, 4, 1, 5), (2, 6, 17, 4, 3), (3, 8, 8, 17, 2), (2, 1, 5, 3, 4),
    (2, 33, 2, 3, 2), (2, 4, 4, 3, 0), (0, 4, 4, 3, 0), (2, 0, 4, 3, 2), (2, 4, 0, 3, 2), (2, 4, 4, 0, 2),
    (12, 16, 16, 3, 20),
)  # fmt: skip
COLOURS: tuple[Sizes, ...] = (
    (0, 2, 2, 3), (4, 0, 3, 3), (4, 5, 1, 0), (1, 1, 1, 1), (5, 3, 3, 3), (4, 10, 10, 1), (3, 7, 1, 4), (30, 16, 16, 3),
)  # fmt: skip


def rows() -> list[Operation]:
    # 128: a place some tens of pixels out is rounded by as many units, and so moves along a steep slope
    rows = [
        Operation("warp", f"{kind} {dtype}" + (" reflect" if reflect else ""), IMAGES,
                  lambda s, r, k=kind, t=dtype, e=reflect: warp_make(s, r, k, t, e), warp_answer, tolerance=128,
                  bench=(1000, 32, 32, 3, 128) if kind == "affine" and dtype == "uint8" and not reflect else None)
        for kind in KINDS for dtype in ("uint8", "float") for reflect in (False, True)
    ]  # fmt: skip
    rows.append(
        Operation("recolour", "", COLOURS, recolour_make, recolour_answer, tolerance=64, bench=(128, 32, 32, 3))
    )
    return rows
