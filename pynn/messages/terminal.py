"""Text for terminals: without control characters, and to stderr even if that is missing, closed or broken.

Knows nothing else of pynn.
"""

from __future__ import annotations

import os
import sys
from typing import Any

LONGEST, MOST = 1000, 100_000  # characters of a name, and of a message


def printable(text: object, most: int = LONGEST, lines: bool = False) -> str:
    """The text as it may be shown on a terminal, for text from a file: names of classes, tensors, the file itself.

    Control characters, which move the cursor or clear the screen, characters that change the direction of writing, and
    unpaired surrogates are shown as escapes: \\x1b. The middle of a long text is left out.
    lines: whether line breaks and tabs stay.
    """
    text = _cut(str(text), most)
    if text.isprintable():
        return text
    from unicodedata import category  # here: hardly any text needs it

    kept = "\u200c\u200d\n\t" if lines else "\u200c\u200d"  # the first two join or separate letters and emoji
    parts = (
        sign if sign.isprintable() or sign in kept or category(sign) == "Zs" else sign.encode("unicode_escape").decode()
        for sign in text
    )
    return _cut("".join(parts), most)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most // 2]} ... {text[-(most // 2) :]}"


def brief(value: object) -> str:
    """The repr of a value for an error, shortened: long lists and texts are shown in parts."""
    from reprlib import Repr  # here: only errors need it

    shortener = Repr()
    shortener.maxlevel, shortener.maxlist, shortener.maxtuple, shortener.maxdict = 3, 10, 10, 8
    shortener.maxstring, shortener.maxlong, shortener.maxother = 200, 60, 200
    try:
        return shortener.repr(value)
    except ValueError:  # Python writes no integer of more than 4,300 digits
        return f"{type(value).__name__} with integers too long to be shown"


def called(layer: Any) -> str:
    """A layer's name in messages, or its kind if it has no name yet."""
    return printable(layer.name or layer.kind, 100)


def is_open(stream: Any) -> bool:
    """Whether the stream can be written to: a windowed program has no stderr, others have closed it."""
    try:
        return hasattr(stream, "write") and not getattr(stream, "closed", False)
    except ValueError:  # a stream whose buffer was detached
        return False


def is_terminal(stream: Any) -> bool:
    """Whether the stream is a terminal; False if it cannot tell."""
    try:
        return is_open(stream) and bool(stream.isatty())
    except (AttributeError, OSError, ValueError):
        return False


def width(stream: Any) -> int | None:
    """Columns of the terminal behind this stream, from COLUMNS or the terminal itself; None if it is not a terminal."""
    if not is_terminal(stream):
        return None
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) > 0:
        return int(columns)
    try:
        return os.get_terminal_size(stream.fileno()).columns or None  # 0: the terminal does not know its size
    except (AttributeError, OSError, ValueError):
        return None


def say(text: str) -> None:
    """Write a line to stderr, ignoring failures: a message must not stop the work."""
    stream = Safe(sys.stderr)
    stream.write(printable(text, MOST, lines=True) + "\n")
    stream.flush()


class Safe:
    """A stream that ignores failures."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.encoding = getattr(stream, "encoding", None) if is_open(stream) else None  # tqdm draws its bar by it

    def write(self, text: str) -> None:
        try:
            if is_open(self._stream):
                self._stream.write(text)
        except (OSError, ValueError):
            pass

    def flush(self) -> None:
        try:
            if is_open(self._stream) and hasattr(self._stream, "flush"):
                self._stream.flush()
        except (OSError, ValueError):
            pass
