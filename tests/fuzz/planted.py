"""A reader that does all that no reader may do: it shows that the campaign sees each of these."""

from __future__ import annotations

import argparse
import ctypes
import os
import subprocess
import time
from typing import Any

import numpy as np

from . import folders, guard, readers
from .cases import OTHER, SAME, File, Finding, Reader

KEPT: list[Any] = []  # what is never given back


def _leave_open() -> None:
    KEPT.append(open("/dev/null", "rb"))  # noqa: SIM115


def _write_elsewhere() -> None:
    with open(os.devnull, "w"):
        pass


def _burn() -> None:
    start = time.process_time()
    while time.process_time() - start < 1.2 * guard.SECONDS:
        pass


def _refuse(text: str) -> None:
    raise ValueError(text)


def _load_another() -> None:
    raise Finding("a damaged file loads as another model")


FAULTS: dict[str, Any] = {
    "KeyError in <lambda>": lambda: {}["x"],
    "MemoryError in ones": lambda: np.ones(1 << 40),
    "slow": _burn,
    "large": lambda: np.ones(10 << 20).sum(),
    "subprocess.Popen": lambda: subprocess.run(["true"], check=True),
    "os.system": lambda: os.system("true"),
    "runs code": lambda: exec("pass"),
    "writes a file": _write_elsewhere,
    "imports a module": lambda: __import__("antigravity_of_a_file"),
    "descriptor left open": _leave_open,
    "ends the process: SIGSEGV": lambda: ctypes.string_at(0),
    "ends the process: exit code 3": lambda: os._exit(3),
    "does not end": lambda: time.sleep(60),
    "control characters in a message": lambda: _refuse("{path} \x1b[2J"),
    "message too long": lambda: _refuse("{path} " + "x" * 5000),
    "message does not name the file": lambda: _refuse("something is wrong"),
    "a damaged file loads as another model": _load_another,
}


class Planted(Reader):
    """Each file asks for one fault, or for none."""

    name, share = "planted", 1

    def make(self, number: int, seed: int) -> tuple[File, str]:
        asked = (*FAULTS, "nothing", "refused")
        return File(asked[number % len(asked)].encode()), "planted"

    def read(self, file: File) -> Any:
        asked = self.path.read_text()
        if asked == "refused":
            raise ValueError(f"{self.path} is damaged")
        if asked != "nothing":
            try:
                FAULTS[asked]()
            except ModuleNotFoundError:
                pass
            except ValueError as cause:
                raise ValueError(str(cause).format(path=self.path)) from None
        return asked

    def judge(self, file: File, value: Any) -> str:
        return SAME if value == "nothing" else OTHER


def main() -> int:
    """A campaign of it, with a short patience."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    readers.add_arguments(parser)
    readers.HANG, guard.SECONDS = 6.0, 0.4
    readers.READERS = {"planted": Planted}
    with folders.ending_in_order():
        return readers.run(parser.parse_args())
