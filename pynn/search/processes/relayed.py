"""Warnings of other processes, which are shown here, and once. Knows no processes."""

from __future__ import annotations

import builtins
import warnings
from typing import Any


class Relayed:
    """Shows the warnings of several processes as if they came from one."""

    def __init__(self) -> None:
        self._shown: dict[Any, Any] = {}

    def show(self, text: str, category: str, filename: str, line: int) -> None:
        """Show a warning, unless another process had it too."""
        kind = getattr(builtins, category, UserWarning)
        warnings.warn_explicit(text, kind, filename, line, registry=self._shown)
