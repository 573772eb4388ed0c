"""Picture files as pixels in a model's shape. Needs Pillow (extra `images`)."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = NDArray[np.uint8]

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")  # no format that starts other programs


def read(path: str, shape: tuple[int, ...], invert: str) -> tuple[Pixels, bool]:
    """The picture as uint8 pixels of shape (H, W, 1 or 3), and whether it was inverted.

    invert: "yes", "no", or "auto": a grey picture whose border is light. Raises ValueError for what is no picture.
    """
    image = _open(path)
    if image.mode == "F":
        raise ValueError(f"{path}: its pixels are floating-point numbers; save it as a PNG of 8 or 16 bits")
    height, width, channels = shape
    pixels = _opaque(image, "L" if channels == 1 else "RGB")
    border = _border(pixels)
    inverted = invert == "yes" or (invert == "auto" and channels == 1 and border.mean() > 127.5)
    pixels = _fit(pixels, width, height, border).reshape(shape)
    return (255 - pixels if inverted else pixels), inverted


def _open(path: str) -> Image:
    """The file's first picture, decoded and upright."""
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
                return ImageOps.exif_transpose(image)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        limit = (Image.MAX_IMAGE_PIXELS or 0) // 10**6
        raise ValueError(f"{path}: the picture has more than {limit} million pixels; make it smaller first") from None
    except PermissionError:
        raise
    except UnidentifiedImageError:
        raise ValueError(f"{path}: no picture that can be read, expected one of {', '.join(FORMATS)}") from None
    except Exception as cause:  # decoders raise what they like: SyntaxError, struct.error, zlib.error, ...
        raise ValueError(f"{path}: the picture is damaged or of an unknown kind ({cause})") from cause


def _opaque(image: Image, mode: str) -> Pixels:
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


def _border(pixels: Pixels) -> NDArray[np.float64]:
    """The median colour of the outermost pixels, one number a channel."""
    edges = [pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]
    median: NDArray[np.float64] = np.median(np.concatenate(edges), axis=0)
    return median


def _fit(pixels: Pixels, width: int, height: int, border: NDArray[np.float64]) -> Pixels:
    """Resized to fit into width x height, and padded with the border's colour."""
    from PIL import Image

    rows, columns = pixels.shape[:2]
    scale = min(width / columns, height / rows)
    wide, high = max(1, round(columns * scale)), max(1, round(rows * scale))
    how = Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC  # BOX: each pixel the mean of what it covers
    whole = np.empty((height, width, *pixels.shape[2:]), np.uint8)
    whole[...] = border.round()
    top, left = (height - high) // 2, (width - wide) // 2
    whole[top : top + high, left : left + wide] = Image.fromarray(pixels).resize((wide, high), how)
    return whole
