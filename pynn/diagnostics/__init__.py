"""Diagnostics: is a gradient right, is a model ready to be trained, what is training doing.

Reference: CS231n notes, "Neural Networks Part 3: Learning and Evaluation".
"""

from __future__ import annotations

from .diagnosis import diagnose
from .doctor import diagnosing as diagnosing  # for `fit`
from .gradient_check import Block, GradientCheck, gradient_check
from .learning_rate_range import LearningRateRange, learning_rate_range
from .monitor import Monitor
from .record import Histogram, LayerStatistics, Part, Record, Snapshot
from .report import report
from .sanity_check import Finding, SanityCheck, sanity_check
from .verdicts import SEVERITIES, VOCABULARY, Verdict, Verdicts

__all__ = [
    "SEVERITIES",
    "VOCABULARY",
    "Block",
    "Finding",
    "GradientCheck",
    "Histogram",
    "LayerStatistics",
    "LearningRateRange",
    "Monitor",
    "Part",
    "Record",
    "SanityCheck",
    "Snapshot",
    "Verdict",
    "Verdicts",
    "diagnose",
    "gradient_check",
    "learning_rate_range",
    "report",
    "sanity_check",
]
