"""Callbacks: what listens to a run of training and may steer it, `fit(..., callbacks=[...])`; own ones too.

| callback | what it does |
|---|---|
| ProgressBar | what `fit(progress=...)` shows |

Own ones: `pynn.Callback`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base import Callback

__all__ = ["Callback", "ProgressBar"]

if TYPE_CHECKING:
    from ..progress import ProgressBar
else:
    # Looked up when somebody asks: training itself needs none of them.
    _LATER = {"ProgressBar": "pynn.progress"}

    def __getattr__(name):
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        globals()[name] = getattr(import_module(_LATER[name]), name)
        return globals()[name]
