"""Diagnostics: is a gradient right, is a model ready to be trained, what is training doing.

Reference: CS231n notes, "Neural Networks Part 3: Learning and Evaluation".
"""

from __future__ import annotations

from .gradient_check import Block, GradientCheck, gradient_check
from .learning_rate_range import LearningRateRange, learning_rate_range

__all__ = ["Block", "GradientCheck", "LearningRateRange", "gradient_check", "learning_rate_range"]
