"""The warnings of one thread. Those of others are shown as before, since `warnings` has no state of each thread."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

Heard = tuple[str, str, str, int]  # text, category, file and line

_threads = threading.local()
_others: Any = None  # what shows the warnings of other threads


@contextmanager
def listening() -> Iterator[list[Heard]]:
    """Collect the warnings of this thread, in one thread at a time."""
    global _others
    found = _threads.found = list[Heard]()
    _others, warnings.showwarning = warnings.showwarning, _show
    try:
        yield found
    finally:
        _threads.found = None
        if warnings.showwarning is _show:
            warnings.showwarning = _others


def _show(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, file: Any = None, line: Any = None
) -> None:
    found = getattr(_threads, "found", None)
    if found is None:
        _others(message, category, filename, lineno, file, line)
    else:
        found.append((str(message), category.__name__, filename, lineno))
