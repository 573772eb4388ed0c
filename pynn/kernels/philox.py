"""Random bits as a function of (seed, stream, step) and index: the NumPy twin of csrc/kernels/philox.h and draws.h."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def philox(seed: int, stream: int, step: int, blocks: int, first: int = 0) -> NDArray[np.uint32]:
    """Philox4x32-10 (Salmon et al. 2011): the (blocks, 4) words of counters (b, b >> 32, stream, step), key = seed.

    b counts from `first`.
    """
    return philox_at(np.arange(first, first + blocks, dtype=np.uint64), seed, stream, step)


def philox_at(index: NDArray[np.uint64], seed: int, stream: int, step: int) -> NDArray[np.uint32]:
    """The (blocks, 4) words of the counters with b from `index` (blocks,)."""
    low = np.uint64(0xFFFFFFFF)
    c0, c1 = index & low, index >> np.uint64(32)
    c2, c3 = np.full_like(index, stream), np.full_like(index, step)
    k0, k1 = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(10):
        p0, p1 = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        c0, c1 = (p1 >> np.uint64(32)) ^ c1 ^ np.uint64(k0), p1 & low
        c2, c3 = (p0 >> np.uint64(32)) ^ c3 ^ np.uint64(k1), p0 & low
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], axis=-1).astype(np.uint32)


def words(seed: int, stream: int, step: int, block: int = 0) -> tuple[int, int, int, int]:
    """The four words of one counter, as plain integers: arrays are slow for a single draw."""
    c0, c1, c2, c3 = block & 0xFFFFFFFF, block >> 32, stream, step
    k0, k1 = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(10):
        p0, p1 = c0 * 0xD2511F53, c2 * 0xCD9E8D57
        c0, c1 = (p1 >> 32) ^ c1 ^ k0, p1 & 0xFFFFFFFF
        c2, c3 = (p0 >> 32) ^ c3 ^ k1, p0 & 0xFFFFFFFF
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c0, c1, c2, c3


def _groups(seed: int, stream: int, step: int, size: int, offset: int, width: int) -> tuple[NDArray[np.uint32], slice]:
    """The (groups, 16, 4) words of all groups of `width` draws that elements offset.. touch, and where those lie."""
    first, before = divmod(offset, width)
    groups = -(-(before + size) // width)
    return philox(seed, stream, step, groups * 16, first * 16).reshape(groups, 16, 4), slice(before, before + size)


def draws16(seed: int, stream: int, step: int, size: int, offset: int = 0) -> NDArray[np.uint32]:
    """One 16-bit draw an element: 128 elements take 16 counters, word by word, low halves first, lane by lane.

    That order lets vector units write without a shuffle. The first element takes draw number `offset`.
    """
    words, wanted = _groups(seed, stream, step, size, offset, 128)
    halves = np.stack([words & np.uint32(0xFFFF), words >> np.uint32(16)], axis=-1)  # group, lane, word, half
    draws: NDArray[np.uint32] = halves.transpose(0, 2, 3, 1).reshape(-1)[wanted]
    return draws


def normals(seed: int, stream: int, step: int, size: int, offset: int = 0) -> NDArray[np.float64]:
    """One standard normal number an element, by Box and Muller: 64 elements take 16 counters.

    Words 0 and 1 of a counter make two numbers, words 2 and 3 two more, each from the upper 24 bits of a word; they
    stand word by word, lane by lane. The largest is √(2·ln 2^24) = 5.77.
    """
    words, wanted = _groups(seed, stream, step, size, offset, 64)
    uniform = (words >> np.uint32(8)) / 2.0**24  # 0 <= u < 1
    radius = np.sqrt(-2 * np.log(uniform[..., 0::2] + 2.0**-24))
    angle = 2 * math.pi * uniform[..., 1::2]
    pairs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)  # group, lane, pair, half
    numbers: NDArray[np.float64] = pairs.transpose(0, 2, 3, 1).reshape(-1)[wanted]
    return numbers


def threshold(rate: float) -> int:
    """The number of 16-bit draws of 65,536 that mean "dropped": the rate rounded to a multiple of 2^-16, below 1."""
    return min(math.floor(rate * 65536 + 0.5), 65535)
