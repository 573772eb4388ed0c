"""What a reader of files is to a campaign: it makes files, reads them, and judges what came."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unicodedata import category

SAME, OTHER = "same", "other"


@dataclass
class File:
    """A file to be read.

    content: its bytes. sealed: whether a checksum must tell that it was changed. extra: what the reader needs to know.
    """

    content: bytes
    sealed: bool = False
    extra: Any = None


class Finding(Exception):
    """What must not be, in words: the first argument tells the kind, the second more of this one."""


@dataclass
class Crafted:
    """A file that somebody made on purpose; its content, or what makes it when it is needed."""

    name: str
    content: bytes | Callable[[], bytes]
    extra: Any = None


class Reader:
    """One of pynn's readers.

    share: of 1,000 files. refusals: what it may raise. names_file: whether its errors name the file.
    """

    name = ""
    share = 0
    refusals: tuple[type[BaseException], ...] = (ValueError, OSError)
    names_file = True
    file_name = "file"

    def __init__(self) -> None:
        """Makes the valid files that all others come from; in the parent, so once."""

    def settle(self, folder: Path) -> None:
        """Takes a folder of its own, in the process that reads."""
        self.folder = folder
        self.path = folder / self.file_name

    def crafted(self) -> list[Crafted]:
        """Files that are made on purpose; every fourth number is one of them, as long as there are any."""
        return []

    def damaged(self, rng: random.Random) -> File:
        """A valid file that was changed; what cannot be written raises anything."""
        raise NotImplementedError

    def granted(self, file: File) -> int:
        """Bytes of memory that the user allows it, by a default that is documented, beyond what all files may take."""
        return 0

    def put(self, file: File) -> None:
        """Write it to where `read` finds it; not watched."""
        self.path.write_bytes(file.content)

    def read(self, file: File) -> Any:
        raise NotImplementedError

    def judge(self, file: File, value: Any) -> str:
        """SAME or OTHER; raises Finding."""
        raise NotImplementedError

    def make(self, number: int, seed: int) -> tuple[File, str]:
        """File `number` of the seed, and what it is."""
        if number % 4 == 0 and number // 4 < len(self.crafted_ones):
            one = self.crafted_ones[number // 4]
            return File(one.content() if callable(one.content) else one.content, extra=one.extra), one.name
        rng = random.Random(f"{seed}/{self.name}/{number}")
        for _ in range(20):  # some changes cannot be written: two tensors of one name, text that is no Unicode
            try:
                return self.damaged(rng), "damaged"
            except Exception:
                continue
        raise AssertionError(f"{self.name}: no file can be made of {seed}/{self.name}/{number}")

    @property
    def crafted_ones(self) -> list[Crafted]:
        """In an order of chance, so that few files have some of all kinds."""
        if not hasattr(self, "_crafted"):
            self._crafted = self.crafted()
            random.Random(0).shuffle(self._crafted)
        return self._crafted


def expect(fine: bool, kind: str, more: str = "") -> None:
    """Raise the Finding unless it is fine."""
    if not fine:
        raise Finding(kind, more)


def is_clean(text: str) -> bool:
    """Whether a terminal shows the text as it is."""
    return all(one.isprintable() or one in "\n\u200c\u200d" or category(one) == "Zs" for one in text)
