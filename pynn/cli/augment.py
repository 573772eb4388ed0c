"""The augmentations of ``pynn train --augment``: the text flip,crop:4,rotation:10 as objects."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NamedTuple

import pynn

from . import words


class Known(NamedTuple):
    """What a name means: its default number (whose type is read), how to make the augmentation, its effect."""

    usual: float
    make: Callable[[Any], pynn.Augmentation]
    effect: str


AUGMENTATIONS = {
    "flip": Known(0.5, pynn.Flip, "mirrored, left for right, with this probability"),
    "crop": Known(4, pynn.PadCrop, "moved by up to so many pixels"),
    "rotation": Known(10.0, pynn.Rotation, "turned by up to so many degrees"),
    "zoom": Known(0.1, lambda share: pynn.Zoom(1 - share, 1 + share), "enlarged or shrunk by up to this share"),
    "shear": Known(10.0, pynn.Shear, "sheared sideways by up to so many degrees"),
    "brightness": Known(0.1, pynn.Brightness, "up to this is added, of black 0 to white 1"),
    "contrast": Known(0.2, lambda share: pynn.Contrast(1 - share, 1 + share), "contrast changed by up to this share"),
    "saturation": Known(
        0.2, lambda share: pynn.Saturation(1 - share, 1 + share), "colours changed by up to this share"
    ),
    "colour": Known(0.1, pynn.ColourShift, "AlexNet's shift of colours, with this deviation"),
}


def read(text: str) -> tuple[pynn.Augmentation, ...]:
    """The augmentations in "flip,crop:4" or "none"; ArgumentTypeError for other text."""
    if text.strip().lower() in ("", "none"):
        return ()
    return tuple(_one(part.strip()) for part in text.split(","))


def table() -> str:
    """The names with their numbers, for the help."""
    lines = [f"  {f'{name}:{known.usual:g}':<16}{known.effect}" for name, known in AUGMENTATIONS.items()]
    return "\n".join(lines)


def _one(part: str) -> pynn.Augmentation:
    name, colon, number = part.partition(":")
    known = AUGMENTATIONS.get(name.lower())
    if known is None:
        meant = words.like(name, AUGMENTATIONS, words.CHOICES)
        raise argparse.ArgumentTypeError(
            f"expected none, or names out of {', '.join(AUGMENTATIONS)} with commas between; got {part!r}"
            + (f"; did you mean {meant}?" if meant else "")
        )
    try:
        value = type(known.usual)(number) if colon else known.usual
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected {name} or {name}:NUMBER, such as {name}:{known.usual:g}; got {part!r}"
        ) from None
    try:
        return known.make(value)
    except (TypeError, ValueError) as cause:  # TypeError: not a number, as nan says
        raise argparse.ArgumentTypeError(f"{part}: {cause}") from None
