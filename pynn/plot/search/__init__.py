"""Pictures of a search for hyperparameters. What it found is read by attribute."""

from __future__ import annotations

from .curves import trials
from .parallel import parallel_coordinates
from .points import parameters
from .report import search_report

__all__ = ["parallel_coordinates", "parameters", "search_report", "trials"]
