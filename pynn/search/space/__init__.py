"""What a search chooses from: ranges, choices, and spaces of them by name."""

from .ranges import integer, log_uniform, uniform
from .space import Choice, Space, choice

__all__ = ["Choice", "Space", "choice", "integer", "log_uniform", "uniform"]
