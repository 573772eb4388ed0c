"""Picture files as pixels, and folders of them. Needs Pillow (extra `images`)."""

from __future__ import annotations

import operator
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .common import Samples, StrPath, class_names

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = NDArray[np.uint8]

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")  # no format that starts other programs


def image_folder(
    path: StrPath, size: int | tuple[int, int] | None = None, *, classes: Sequence[str] | None = None
) -> Samples:
    """Pictures in folders, one a class: `path/cat/1.png`, `path/dog/2.jpg`.

    path: its sub-folders are the classes; files beside them are left alone. Names are sorted by their characters'
        numbers, classes and pictures alike, so that the order is the same on every machine. What begins with a dot is
        left out. Everything else in a sub-folder must be a picture: PNG, JPEG, GIF, BMP, TIFF, WebP or PNM.
    size: None where all pictures have the same size (default); else (height, width), or one number for both: pictures
        are stretched or shrunk to it (where they shrink, each pixel is the mean of what it covers).
    classes: the sub-folders' names in the order of their labels, such as those of the training folder for the test
        folder, which may lack some of them; None takes all sub-folders, sorted.
    Returns (x, y, classes): x uint8 (N, H, W, 3), RGB, upright as their EXIF says, transparent parts over white or
    black, whichever shows the rest better; y int64 (N,), 0..C-1; classes, the names of the labels.
    Raises FileNotFoundError where there is no such folder; ValueError, which names the file or folder, for one without
    sub-folders, a sub-folder without pictures or that is none of the classes, what is no picture or damaged, pictures
    of different sizes.
    """
    path = os.fspath(path)
    shape = None if size is None else _checked_size(size)
    if not os.path.exists(path):
        raise FileNotFoundError(f"{path}: there is no such folder; expected one with a sub-folder a class")
    if not os.path.isdir(path):
        raise ValueError(f"{path}: expected a folder with a sub-folder a class, got a file")
    found = [name for name in _listed(path) if os.path.isdir(os.path.join(path, name))]
    if not found:
        raise ValueError(f"{path}: expected sub-folders, one a class; got none")
    names = found if classes is None else _checked_classes(path, class_names(classes), found)
    files, labels = [], []
    for label, name in enumerate(names):
        if name not in found:
            continue
        inside = _listed(os.path.join(path, name))
        if not inside:
            raise ValueError(f"{os.path.join(path, name)}: expected pictures, got an empty folder")
        files += [os.path.join(path, name, file) for file in inside]
        labels += [label] * len(inside)
    first = _picture(files[0], shape)
    x = np.empty((len(files), *first.shape), np.uint8)
    for place, file in enumerate(files):
        pixels = first if place == 0 else _picture(file, shape)
        if pixels.shape != first.shape:
            raise ValueError(
                f"{file}: the picture has {pixels.shape[0]}x{pixels.shape[1]} pixels (height x width), but {files[0]} "
                f"has {first.shape[0]}x{first.shape[1]}; give size=(height, width) to bring all to the same"
            )
        x[place] = pixels
    return Samples(x, np.array(labels, np.int64), tuple(names))


def _checked_classes(path: str, given: list[str], found: list[str]) -> list[str]:
    """The classes; ValueError where a sub-folder is none of them: its pictures would be left out."""
    if unknown := [name for name in found if name not in given]:
        few = given if len(given) <= 20 else [*given[:20], "..."]
        raise ValueError(
            f"{os.path.join(path, unknown[0])}: its name is none of the classes ({', '.join(few)}); give it a place "
            "among them, or move the folder away"
        )
    return given


def _checked_size(size: int | tuple[int, int]) -> tuple[int, int]:
    try:
        height, width = map(operator.index, size if isinstance(size, (tuple, list)) else (size, size))
    except (TypeError, ValueError):
        height = width = 0
    if min(height, width) < 1:
        raise ValueError(f"size: expected (height, width) or one number for both, of at least 1; got {size!r}")
    return height, width


def _listed(folder: str) -> list[str]:
    return sorted(name for name in os.listdir(folder) if not name.startswith("."))


def _picture(path: str, shape: tuple[int, int] | None) -> Pixels:
    pixels = opaque(decoded(path), "RGB")
    return pixels if shape is None or pixels.shape[:2] == shape else _resized(pixels, *shape)


def _resized(pixels: Pixels, height: int, width: int) -> Pixels:
    from PIL import Image

    how = Image.Resampling.BOX if height * width < pixels.shape[0] * pixels.shape[1] else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(pixels).resize((width, height), how))


def decoded(path: str) -> Image:
    """The file's first picture, decoded and upright; ValueError names a file that is none."""
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ModuleNotFoundError as cause:
        raise ImportError('pictures are read with Pillow: pip install "pynn-cpu[images]"') from cause
    if not Path(path).exists():
        raise FileNotFoundError(f"{path}: there is no such file; expected a picture")
    if Path(path).is_dir():
        raise IsADirectoryError(f"{path} is a folder, expected a picture")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:
                image.load()
                upright = ImageOps.exif_transpose(image)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        limit = (Image.MAX_IMAGE_PIXELS or 0) // 10**6
        raise ValueError(f"{path}: the picture has more than {limit} million pixels; make it smaller first") from None
    except PermissionError:
        raise
    except UnidentifiedImageError:
        raise ValueError(f"{path}: no picture that can be read, expected one of {', '.join(FORMATS)}") from None
    except Exception as cause:  # decoders raise what they like: SyntaxError, struct.error, zlib.error, ...
        raise ValueError(f"{path}: the picture is damaged or of an unknown kind ({cause})") from cause
    if upright.mode == "F":
        raise ValueError(f"{path}: its pixels are floating-point numbers; save it as a PNG of 8 or 16 bits")
    return upright


def opaque(image: Image, mode: str) -> Pixels:
    """Pixels (H, W) for mode "L", (H, W, 3) for "RGB"; what is transparent gets the ground that shows the ink best."""
    from PIL import Image

    if image.mode.startswith("I"):
        image = _eight_bits(image)
    if not image.has_transparency_data:
        return np.asarray(image.convert(mode))
    image = image.convert("RGBA")
    grey, alpha = (np.asarray(part, np.float32).ravel() for part in (image.convert("L"), image.getchannel("A")))
    dark_ink = np.vdot(grey, alpha) < 127.5 * alpha.sum()
    ground = Image.new("RGBA", image.size, "white" if dark_ink else "black")
    return np.asarray(Image.alpha_composite(ground, image).convert(mode))


def _eight_bits(image: Image) -> Image:
    """A grey picture of 16 or more bits as one of 8: Pillow's own conversion cuts the bright part off."""
    from PIL import Image

    values: NDArray[Any] = np.asarray(image)
    return Image.fromarray((np.clip(values, 0, 65535) / 257).round().astype(np.uint8))
