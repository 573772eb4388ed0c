"""Decodes a picture file into pixels, within limits of memory and time. Needs Pillow (extra `images`).

Knows single files: no folders, no classes.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..messages.terminal import printable
from ..saving.files import expect_file
from .common import caught_warnings

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

Pixels = NDArray[np.uint8]

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")  # without those whose readers start other programs
MOST_PIXELS = 16_000_000  # for any file; large files may have PER_BYTE pixels for each byte
PER_BYTE = 10  # photographs have 2 to 8
LONGEST_SIDE = 250_000  # a jump in a BMP file makes up to 255 rows at once
MOST_READS = 10_000  # of a header: Pillow joins the comments of a GIF file in quadratic time
MOST_SCANS, MOST_COMMENTS = 40, 1000  # each scan of a JPEG visits the whole picture, each comment copies a PPM's text
STRIP = 1 << 18  # pixels converted at once
BUSY = (
    "the picture is damaged, or made to keep a computer busy: it has far more parts than a picture needs; save it again"
)


class _Refused(ValueError):
    """A file asks for something that is refused."""


class _Rationed:
    """A file whose reads and bytes are limited by its size: parts of a picture may overlap."""

    def __init__(self, file: Any, size: int) -> None:
        self._file = file
        self.reads, self.bytes = MOST_READS, 4 * size + (1 << 20)

    def read(self, count: int = -1) -> bytes:
        content: bytes = self._file.read(count)
        self.reads -= 1
        self.bytes -= len(content)
        if min(self.reads, self.bytes) < 0:
            raise _Refused(BUSY)
        return content

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def decoded(path: str, max_pixels: int | None = None, more: str = "") -> Image:
    """Return the file's first picture, decoded and upright; ValueError if it is not a picture or is too large.

    max_pixels: as in `image_folder`. more: what else the user can do about a picture that is too large.
    """
    with naming(path):
        from PIL import Image, ImageOps

        size = os.path.getsize(path)
        usual = int(min(max(MOST_PIXELS, PER_BYTE * size), Image.MAX_IMAGE_PIXELS or math.inf))
        with open(path, "rb") as file:
            rationed: Any = _Rationed(file, size)
            with Image.open(rationed, formats=FORMATS) as image:
                _expect_modest(image, max_pixels or usual, more)
                _expect_few_segments(image, file)
                rationed.reads, rationed.bytes = size + MOST_READS, 8 * size + (len(image.tile) + 16 << 16)
                image.load()
                _rotate_upright(image, Image, ImageOps)
        result: Image.Image = image
        return result


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Turn whatever Pillow raises into a ValueError that names the file; OSError if it is not a regular file."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ModuleNotFoundError as cause:
        raise ImportError('pictures are read with Pillow: pip install "pynn-cpu[images]"') from cause
    expect_file(path, "a picture")
    path = printable(path)
    try:
        with caught_warnings():
            yield
    except PermissionError:
        raise
    except Image.DecompressionBombError:
        most = 2e-6 * (Image.MAX_IMAGE_PIXELS or 0)
        raise ValueError(
            f"{path}: the picture has more than {most:.4g} million pixels, twice PIL.Image.MAX_IMAGE_PIXELS; make it "
            "smaller first"
        ) from None
    except UnidentifiedImageError:
        raise ValueError(f"{path}: not a readable picture, expected one of {', '.join(FORMATS)}") from None
    except _Refused as refused:
        raise ValueError(f"{path}: {refused}") from None
    except MemoryError as cause:
        raise MemoryError(
            f"{path}: there is not enough memory for a picture of this size; make it smaller first"
        ) from cause
    except Exception as cause:  # decoders raise anything: SyntaxError, struct.error, zlib.error, ...
        raise ValueError(f"{path}: the picture is damaged or of an unknown kind ({printable(cause, 200)})") from cause


def _expect_modest(image: ImageFile, limit: int, more: str) -> None:
    """Raise _Refused if the opened, not yet decoded picture asks for more pixels than the limit."""
    tags: Any = getattr(image, "tag_v2", {})
    tile: Any = [tags.get(tag) for tag in (322, 323)]  # width and length of a TIFF file's tiles
    area = math.prod(image.size)
    if area > limit or (all(isinstance(side, int) for side in tile) and math.prod(tile) > limit):
        size = f"more than {limit / 1e6:.4g} million pixels, too many for its file size"
        raise _Refused(f"the picture has {size}; make it smaller first{more}")
    if max(image.size) > LONGEST_SIDE:
        raise _Refused(f"the picture has a side of more than {LONGEST_SIDE:,} pixels; cut it into smaller ones")
    boxes = [entry[1] for entry in image.tile if entry[1]]
    if sum((right - left) * (lower - upper) for left, upper, right, lower in boxes) > 8 * area:
        raise _Refused(BUSY)


def _expect_few_segments(image: ImageFile, file: Any) -> None:
    scans = image.format in ("JPEG", "MPO")  # MPO: a JPEG file with several pictures
    if scans or (image.format == "PPM" and image.tile[0][0] == "ppm_plain"):
        place = file.tell()
        file.seek(0)
        content = file.read()
        file.seek(place)
        if _has_many_scans(content) if scans else content.count(b"#") > MOST_COMMENTS:
            raise _Refused(BUSY)


def _has_many_scans(content: bytes) -> bool:
    """Whether the first picture of a JPEG file has too many scans; phones append videos after its end."""
    import re

    # The start of a segment; not a restart, nor an escaped 255 in the pixels.
    marker = re.compile(rb"\xff([\xc0-\xcf\xd9-\xfe])")
    scans = place = 0
    while (match := marker.search(content, place)) and match[1] != b"\xd9" and scans <= MOST_SCANS:
        scans += match[1] == b"\xda"
        place = match.end() + max(2, int.from_bytes(content[match.end() : match.end() + 2], "big"))
    return scans > MOST_SCANS


def _rotate_upright(image: Any, Image: Any, ImageOps: Any) -> None:
    """Rotate the picture upright, in place, as its EXIF data says."""
    exif = image.info.get("exif", b"").removeprefix(b"Exif\0\0").removeprefix(b"Exif\0\0")  # some cameras write two
    if exif:
        Image.Exif().load_from_fp(_Rationed(io.BytesIO(exif), len(exif)))
    image.getexif()
    image.info.pop("exif", None)  # else Pillow writes all of it again, without the rotation
    ImageOps.exif_transpose(image, in_place=True)


def opaque(image: Image, mode: str) -> Pixels:
    """Return pixels (H, W) for mode "L" or (H, W, 3) for "RGB"; call it inside `naming`.

    Transparent parts get the background that contrasts best.
    """
    from PIL import Image

    if image.mode == "F":
        raise _Refused("its pixels are floating-point numbers; save it as a PNG of 8 or 16 bits")
    pixels = np.empty((image.height, image.width, 3)[: 2 + (mode == "RGB")], np.uint8)
    ground = _background(image) if image.has_transparency_data else None
    top = 0
    for part in _strips(image):
        if ground is not None:
            part = Image.alpha_composite(Image.new("RGBA", part.size, ground), part.convert("RGBA"))
        pixels[top : top + part.height] = np.asarray(part.convert(mode))
        top += part.height
    return pixels


def _strips(image: Image) -> Iterator[Image]:
    """Yield the picture in horizontal strips, so that conversions take little memory."""
    rows = max(1, STRIP // image.width)
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        yield _eight_bits(strip) if image.mode.startswith("I") else strip


def _background(image: Image) -> str:
    """Choose white behind dark ink, black behind light ink."""
    ink = total = 0
    for strip in _strips(image):
        part = strip.convert("RGBA")
        grey, alpha = (np.asarray(band, np.int64) for band in (part.convert("L"), part.getchannel("A")))
        ink += int(np.vdot(grey, alpha))
        total += int(alpha.sum())
    return "white" if ink < 127.5 * total else "black"


def _eight_bits(image: Image) -> Image:
    """Scale a grey picture of 16 or more bits to 8 bits: Pillow's own conversion clips the bright part."""
    from PIL import Image

    values: NDArray[Any] = np.asarray(image)
    return Image.fromarray((np.clip(values, 0, 65535) / 257).round().astype(np.uint8))


def resized(picture: Image | Pixels, height: int, width: int) -> Image:
    """Return the picture in this size; if it shrinks, each pixel is the mean of the area that it covers."""
    from PIL import Image

    image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    shrinks = height * width < image.height * image.width
    return image.resize((width, height), Image.Resampling.BOX if shrinks else Image.Resampling.BICUBIC)
