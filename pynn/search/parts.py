"""How the samples of a search are parted: plain values, as a storage keeps them, and words. Knows no samples."""

from __future__ import annotations

from typing import Any

from ..data.split import Split
from ..messages.counting import several
from ..messages.terminal import brief

GROUPS, EQUAL = "groups", "equal samples"  # what is kept together


def own(samples: int) -> dict[str, Any]:
    """So many samples of the user's own to validate on."""
    return {"own": samples}


def share(split: Split, together: str) -> dict[str, Any]:
    """A share that is held out. together: what is in one part only; "" for nothing."""
    seed = None if split.seed is None else int(split.seed)  # a storage takes no numbers of NumPy
    return {"share": float(split.share), "stratified": split.stratify, "seed": seed, "together": together}


def folds(count: int, stratified: bool, together: str) -> dict[str, Any]:
    """Parts of which each is validated on once."""
    return {"folds": int(count), "stratified": stratified, "together": together}


def text(parts: Any) -> str:
    """The parts in words, also those that another version of pynn has written."""
    if not isinstance(parts, dict) or not {"own", "share", "folds"} & parts.keys():
        return brief(parts)
    if "own" in parts:
        return f"{several(parts['own'], 'sample')} of their own"
    words = f"{parts['folds']} folds" if "folds" in parts else f"a share of {parts['share']:g}"
    if parts.get("stratified") is False and "share" in parts:
        words += ", whatever their labels"
    if parts.get("seed") is not None:
        words += f", with the seed {parts['seed']}"
    return f"{words}, {parts['together']} kept together" if parts.get("together") else words
