"""The page on a search for hyperparameters. What it found is read by attribute: this knows no searches."""

from __future__ import annotations

from .page import html

__all__ = ["html"]
