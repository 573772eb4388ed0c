"""A picture file as pixels, in memory and time that its size or the user allows. Needs Pillow (extra `images`).

Knows one file at a time: no folders, no classes.
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

from ..files import expect_file
from ..terminal import printable
from .common import caught_warnings

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

Pixels = NDArray[np.uint8]

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")  # no format that starts other programs
MOST_PIXELS = 16_000_000  # of any file; a larger one may have PER_BYTE for each of its bytes
PER_BYTE = 10  # photographs have 2 to 8
LONGEST_SIDE = 250_000  # a jump in a BMP file makes up to 255 rows at once
MOST_READS = 10_000  # of a header: Pillow joins the comments of a GIF file in quadratic time
MOST_SCANS, MOST_COMMENTS = 40, 1000  # a scan of a JPEG goes through the whole picture, a comment moves a PPM's text
STRIP = 1 << 18  # pixels converted at once
BUSY = "the picture is damaged, or made to keep a computer busy: it has far more parts than one needs; save it anew"


class _Refused(ValueError):
    """What a file asks for and does not get, in words."""


class _Rationed:
    """A file that is read no more often, and no more of it, than its size explains: the parts of one may overlap."""

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
    """The file's first picture, decoded and upright; ValueError names a file that is none, or takes too much memory.

    max_pixels: as in `image_folder`. more: what else the user of a picture that is too large can do.
    """
    with naming(path):
        from PIL import Image, ImageOps

        size = os.path.getsize(path)
        usual = int(min(max(MOST_PIXELS, PER_BYTE * size), Image.MAX_IMAGE_PIXELS or math.inf))
        with open(path, "rb") as file:
            rationed: Any = _Rationed(file, size)
            with Image.open(rationed, formats=FORMATS) as image:
                _expect_modest(image, max_pixels or usual, more)
                _expect_few_marks(image, file)
                rationed.reads, rationed.bytes = size + MOST_READS, 8 * size + (len(image.tile) + 16 << 16)
                image.load()
                _turn(image, Image, ImageOps)
        whole: Image.Image = image
        return whole


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Whatever Pillow raises about a file as a ValueError that names it; OSError where it is none."""
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
        raise ValueError(f"{path}: no picture that can be read, expected one of {', '.join(FORMATS)}") from None
    except _Refused as refused:
        raise ValueError(f"{path}: {refused}") from None
    except MemoryError as cause:
        raise MemoryError(f"{path}: there is no memory for so large a picture; make it smaller first") from cause
    except Exception as cause:  # decoders raise what they like: SyntaxError, struct.error, zlib.error, ...
        raise ValueError(f"{path}: the picture is damaged or of an unknown kind ({printable(cause, 200)})") from cause


def _expect_modest(image: ImageFile, limit: int, more: str) -> None:
    """_Refused for a picture whose file, opened and not decoded yet, asks for more pixels than the limit."""
    tags: Any = getattr(image, "tag_v2", {})
    tile: Any = [tags.get(tag) for tag in (322, 323)]  # width and length of a TIFF file's tiles
    area = math.prod(image.size)
    if area > limit or (all(isinstance(side, int) for side in tile) and math.prod(tile) > limit):
        size = f"more than {limit / 1e6:.4g} million pixels, which is much for its file"
        raise _Refused(f"the picture has {size}; make it smaller first{more}")
    if max(image.size) > LONGEST_SIDE:
        raise _Refused(f"the picture has a side of more than {LONGEST_SIDE:,} pixels; cut it into smaller ones")
    boxes = [one[1] for one in image.tile if one[1]]
    if sum((right - left) * (lower - upper) for left, upper, right, lower in boxes) > 8 * area:
        raise _Refused(BUSY)


def _expect_few_marks(image: ImageFile, file: Any) -> None:
    scans = image.format in ("JPEG", "MPO")  # MPO: a JPEG file with more than one picture
    if scans or (image.format == "PPM" and image.tile[0][0] == "ppm_plain"):
        place = file.tell()
        file.seek(0)
        content = file.read()
        file.seek(place)
        if _has_many_scans(content) if scans else content.count(b"#") > MOST_COMMENTS:
            raise _Refused(BUSY)


def _has_many_scans(content: bytes) -> bool:
    """Whether the first picture of a JPEG file has them; telephones put films behind its end."""
    import re

    marker = re.compile(rb"\xff([\xc0-\xcf\xd9-\xfe])")  # of a segment: no restart, no 0 after a 255 of the pixels
    scans = place = 0
    while (found := marker.search(content, place)) and found[1] != b"\xd9" and scans <= MOST_SCANS:
        scans += found[1] == b"\xda"
        place = found.end() + max(2, int.from_bytes(content[found.end() : found.end() + 2], "big"))
    return scans > MOST_SCANS


def _turn(image: Any, Image: Any, ImageOps: Any) -> None:
    """Upright as its EXIF says, in place."""
    exif = image.info.get("exif", b"").removeprefix(b"Exif\0\0").removeprefix(b"Exif\0\0")  # some cameras write two
    if exif:
        Image.Exif().load_from_fp(_Rationed(io.BytesIO(exif), len(exif)))
    image.getexif()
    image.info.pop("exif", None)  # else Pillow puts all of it together anew, without the turn
    ImageOps.exif_transpose(image, in_place=True)


def opaque(image: Image, mode: str) -> Pixels:
    """Pixels (H, W) for mode "L", (H, W, 3) for "RGB"; what is transparent gets the ground that shows the ink best.

    To be called `naming` the file.
    """
    from PIL import Image

    if image.mode == "F":
        raise _Refused("its pixels are floating-point numbers; save it as a PNG of 8 or 16 bits")
    pixels = np.empty((image.height, image.width, 3)[: 2 + (mode == "RGB")], np.uint8)
    ground = _ground(image) if image.has_transparency_data else None
    top = 0
    for part in _strips(image):
        if ground is not None:
            part = Image.alpha_composite(Image.new("RGBA", part.size, ground), part.convert("RGBA"))
        pixels[top : top + part.height] = np.asarray(part.convert(mode))
        top += part.height
    return pixels


def _strips(image: Image) -> Iterator[Image]:
    """The picture in strips from its top: what is made of each takes little memory."""
    rows = max(1, STRIP // image.width)
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        yield _eight_bits(strip) if image.mode.startswith("I") else strip


def _ground(image: Image) -> str:
    """White for dark ink, black for light ink."""
    ink = total = 0
    for strip in _strips(image):
        part = strip.convert("RGBA")
        grey, alpha = (np.asarray(band, np.int64) for band in (part.convert("L"), part.getchannel("A")))
        ink += int(np.vdot(grey, alpha))
        total += int(alpha.sum())
    return "white" if ink < 127.5 * total else "black"


def _eight_bits(image: Image) -> Image:
    """A grey picture of 16 or more bits as one of 8: Pillow's own conversion cuts the bright part off."""
    from PIL import Image

    values: NDArray[Any] = np.asarray(image)
    return Image.fromarray((np.clip(values, 0, 65535) / 257).round().astype(np.uint8))


def resized(picture: Image | Pixels, height: int, width: int) -> Image:
    """The picture in this size; where it shrinks, each pixel is the mean of what it covers."""
    from PIL import Image

    image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    shrinks = height * width < image.height * image.width
    return image.resize((width, height), Image.Resampling.BOX if shrinks else Image.Resampling.BICUBIC)
