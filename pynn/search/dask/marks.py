"""Whether a process on another machine sees the same folder: it looks for a file that was put there."""

from __future__ import annotations

import os
import uuid
from contextlib import suppress


def mark(folder: str) -> str:
    """Put a file of a new name into a folder, which is made; return the name, "" if that is not possible."""
    name = f".seen-{uuid.uuid4().hex}"
    with suppress(OSError):
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, name), "x"):
            return name
    return ""


def sees(folder: str, name: str) -> bool:
    """Whether this process sees the file, and may write beside it."""
    return name != "" and os.path.exists(os.path.join(folder, name)) and os.access(folder, os.W_OK)
