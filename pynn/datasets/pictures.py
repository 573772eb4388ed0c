"""Folders of pictures. Needs Pillow (extra `images`)."""

from __future__ import annotations

import operator
import os
from collections.abc import Sequence

import numpy as np

from ..checks import expect_count
from ..messages.terminal import brief, printable
from .common import Samples, StrPath, class_names
from .decoding import Pixels, decoded, naming, opaque, resized


def image_folder(
    path: StrPath,
    size: int | tuple[int, int] | None = None,
    *,
    classes: Sequence[str] | None = None,
    max_pixels: int | None = None,
) -> Samples:
    """Read pictures from one sub-folder per class, such as ``path/cat/1.png`` and ``path/dog/2.jpg``.

    Parameters
    ----------
    path : path
        Its sub-folders are the classes; files next to them are ignored. Classes and pictures are sorted by the code
        points of their names, so that the order is the same on every machine. Names that begin with a dot are skipped.
        Everything else in a sub-folder must be a picture: PNG, JPEG, GIF, BMP, TIFF, WebP or PNM.
    size : int or tuple (height, width), optional
        Size to which pictures are stretched or shrunk (when shrinking, each pixel is the mean of the area it covers).
        By default all pictures must have the same size.
    classes : sequence of str, optional
        Sub-folder names in label order, such as those of the training folder for a test folder, which may lack some.
        By default all sub-folders, sorted.
    max_pixels : int, optional
        The most pixels a picture may have, since a file of a few hundred bytes can claim to hold a huge one. By default
        16 million, or 10 per byte of the file if that is more, up to `PIL.Image.MAX_IMAGE_PIXELS`. Reading takes 7
        bytes per pixel, 17 for WebP.

    Returns
    -------
    Samples
        (x, y, classes): x uint8 (N, H, W, 3), RGB, upright as the EXIF data says, transparent parts over white or
        black, whichever contrasts better; y int64 (N,), 0..C-1; classes, the names of the labels.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    ValueError
        If the folder has no sub-folders, a sub-folder is empty or not among the classes, a file is not a picture,
        damaged or too large, or sizes differ. The message names the file or folder.
    MemoryError
        If the pictures do not fit into memory.
    """
    path = os.fspath(path)
    shape = None if size is None else _checked_size(size)
    if max_pixels is not None:
        expect_count("", 1, max_pixels=max_pixels)
    shown = printable(path)
    if not os.path.exists(path):
        raise FileNotFoundError(f"{shown}: there is no such folder; expected one sub-folder per class")
    if not os.path.isdir(path):
        raise ValueError(f"{shown}: expected a folder with one sub-folder per class, got a file")
    folders = [name for name in _listed(path) if os.path.isdir(os.path.join(path, name))]
    if not folders:
        raise ValueError(f"{shown}: expected one sub-folder per class; got none")
    names = folders if classes is None else _checked_classes(path, class_names(classes), folders)
    present, files, labels = set(folders), [], []
    for label, name in enumerate(names):
        if name not in present:
            continue
        inside = _listed(os.path.join(path, name))
        if not inside:
            raise ValueError(f"{printable(os.path.join(path, name))}: expected pictures, got an empty folder")
        files += [os.path.join(path, name, file) for file in inside]
        labels += [label] * len(inside)
    return Samples(_pictures(files, shape, max_pixels), np.array(labels, np.int64), tuple(names))


def _pictures(files: list[str], shape: tuple[int, int] | None, max_pixels: int | None) -> Pixels:
    """Read all files into one array (N, H, W, 3)."""
    first = None if shape else _picture(files[0], None, max_pixels)
    height, width = shape or first.shape[:2]  # type: ignore[union-attr]
    try:
        x = np.empty((len(files), height, width, 3), np.uint8)
    except (MemoryError, ValueError):  # ValueError: larger than any array can be
        raise MemoryError(
            f"{len(files):,} pictures of {height}x{width} pixels take {len(files) * height * width * 3 / 1e9:,.1f} GB, "
            "more memory than there is; give a smaller size=(height, width), or read fewer"
        ) from None
    for place, file in enumerate(files):
        pixels = first if place == 0 and first is not None else _picture(file, shape, max_pixels)
        if pixels.shape[:2] != (height, width):
            raise ValueError(
                f"{printable(file)}: the picture has {pixels.shape[0]}x{pixels.shape[1]} pixels (height x width), but "
                f"{printable(files[0])} has {height}x{width}; give size=(height, width) to resize them all"
            )
        x[place] = pixels
    return x


def _checked_classes(path: str, classes: list[str], folders: list[str]) -> list[str]:
    """Return the classes; ValueError if a sub-folder is not among them, since its pictures would be lost."""
    known = set(classes)
    if unknown := [name for name in folders if name not in known]:
        few = classes if len(classes) <= 20 else [*classes[:20], "..."]
        raise ValueError(
            f"{printable(os.path.join(path, unknown[0]))}: its name is not among the classes "
            f"({printable(', '.join(few))}); add it "
            "to them, or move the folder away"
        )
    return classes


def _checked_size(size: int | tuple[int, int]) -> tuple[int, int]:
    try:
        height, width = map(operator.index, size if isinstance(size, (tuple, list)) else (size, size))
    except (TypeError, ValueError):
        height = width = 0
    if min(height, width) < 1:
        raise ValueError(f"size: expected (height, width) or one number for both, of at least 1; got {brief(size)}")
    return height, width


def _listed(folder: str) -> list[str]:
    return sorted(name for name in os.listdir(folder) if not name.startswith("."))


def _picture(path: str, shape: tuple[int, int] | None, max_pixels: int | None) -> Pixels:
    image = decoded(path, max_pixels, ", or let image_folder(max_pixels=...) have more")
    with naming(path):
        # Resize before making an array, which saves memory.
        if shape is not None and image.mode[0] not in "FI" and not image.has_transparency_data:
            image = image if image.mode == "RGB" else image.convert("RGB")
            return np.asarray(image if image.size == shape[::-1] else resized(image, *shape))
        pixels = opaque(image, "RGB")
        del image
        return pixels if shape is None or pixels.shape[:2] == shape else np.asarray(resized(pixels, *shape))
