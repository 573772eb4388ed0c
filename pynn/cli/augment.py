"""The augmentations of ``pynn train --augment``: the text flip,crop:4,rotation:10 as objects."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NamedTuple

import pynn

from . import words

AHEAD = 2  # batches augmented in advance


class Known(NamedTuple):
    """What a name means: its default number (whose type is read), how to make the augmentation, its effect."""

    usual: float
    make: Callable[[Any], pynn.Augmentation]
    effect: str


AUGMENTATIONS = {
    "flip": Known(0.5, pynn.Flip, "flipped left to right with this probability"),
    "crop": Known(4, pynn.PadCrop, "shifted by up to this many pixels"),
    "rotation": Known(10.0, pynn.Rotation, "rotated by up to this many degrees"),
    "zoom": Known(0.1, lambda share: pynn.Zoom(1 - share, 1 + share), "enlarged or shrunk by up to this factor"),
    "shear": Known(10.0, pynn.Shear, "sheared sideways by up to this many degrees"),
    "brightness": Known(0.1, pynn.Brightness, "up to this is added; black is 0, white 1"),
    "contrast": Known(0.2, lambda share: pynn.Contrast(1 - share, 1 + share), "contrast changed by up to this factor"),
    "saturation": Known(
        0.2, lambda share: pynn.Saturation(1 - share, 1 + share), "saturation changed by up to this factor"
    ),
    "colour": Known(0.1, pynn.ColourShift, "AlexNet's colour shift, with this standard deviation"),
}


def read(text: str) -> tuple[pynn.Augmentation, ...]:
    """The augmentations in "flip,crop:4" or "none"; ArgumentTypeError for other text."""
    if text.strip().lower() in ("", "none"):
        return ()
    return tuple(_parsed(part.strip()) for part in text.split(","))


def table() -> str:
    """The names with their numbers, for the help."""
    lines = [f"  {f'{name}:{known.usual:g}':<16}{known.effect}" for name, known in AUGMENTATIONS.items()]
    return "\n".join(lines)


def _parsed(part: str) -> pynn.Augmentation:
    name, colon, number = part.partition(":")
    known = AUGMENTATIONS.get(name.lower())
    if known is None:
        match = words.like(name, AUGMENTATIONS, words.CHOICES)
        raise argparse.ArgumentTypeError(
            f"expected none, or names from {', '.join(AUGMENTATIONS)}, separated by commas; got {part!r}"
            + (f"; did you mean {match}?" if match else "")
        )
    try:
        value = type(known.usual)(number) if colon else known.usual
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected {name} or {name}:NUMBER, such as {name}:{known.usual:g}; got {part!r}"
        ) from None
    try:
        return known.make(value)
    except (TypeError, ValueError) as cause:  # TypeError: nan is not a number
        raise argparse.ArgumentTypeError(f"{part}: {cause}") from None
