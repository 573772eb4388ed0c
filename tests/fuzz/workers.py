"""Numbered trials in processes of their own: one that crashes or hangs is reported by its number, the next goes on.

The processes are started anew, not forked: a forked child has no team of threads, so it would not try them. Knows
nothing of what a trial does.
"""

from __future__ import annotations

import json
import mmap
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from . import folders

MOST_DEATHS = 100  # of one stripe: then something is wrong with all calls
STATE = struct.Struct("qd")  # the number of the trial that runs, and since when


class Diary:
    """The number of the trial that runs, in a file that outlives a crash; and what was found, one JSON value a line."""

    def __init__(self, path: Path) -> None:
        self._findings = path.with_suffix(".findings").open("a", encoding="utf-8")
        with path.open("r+b") as file:
            self._state = mmap.mmap(file.fileno(), STATE.size)

    def begin(self, number: int) -> None:
        self._state[:] = STATE.pack(number, time.monotonic())

    def note(self, value: object) -> None:
        self._findings.write(json.dumps(value) + "\n")
        self._findings.flush()


Report = tuple[int, object]  # the number of a trial and what its process noted, or a sentence about its end


class _Stripe:
    """One process at a time over first, first + step, ... below stop."""

    def __init__(self, command: Sequence[str], folder: Path, numbers: range, seconds: float) -> None:
        self.command, self.numbers, self.seconds = command, numbers, seconds
        self.path = folder / f"stripe{numbers.start}"
        self.findings = self.path.with_suffix(".findings")
        self.findings.touch()
        self.read = self.deaths = 0
        self.start()

    def start(self) -> None:
        self.path.write_bytes(STATE.pack(-1, time.monotonic()))
        numbers = [str(value) for value in (self.numbers.start, self.numbers.stop, self.numbers.step)]
        with self.path.with_suffix(".errors").open("wb") as errors:
            self.process: subprocess.Popen[bytes] | None = subprocess.Popen(
                [*self.command, "--diary", str(self.path), "--numbers", *numbers], stdout=errors, stderr=errors
            )

    def poll(self) -> Iterator[Report]:
        """What is new; afterwards `process` is None where the stripe is done."""
        assert self.process is not None
        code = self.process.poll()
        number, since = STATE.unpack(self.path.read_bytes())
        late = time.monotonic() - since > (self.seconds if number >= 0 else 20 * self.seconds)
        if code is None and late:
            self.process.kill()
            code = self.process.wait()
        with self.findings.open("rb") as file:
            file.seek(self.read)
            for line in file:
                yield tuple(json.loads(line))  # type: ignore[misc]
            self.read = file.tell()
        if code is None:
            return
        self.process = None
        if code == 0:
            return
        tail = self.path.with_suffix(".errors").read_text(errors="replace")[-6000:]
        if number < 0:
            raise RuntimeError(f"{' '.join(self.command)} did not begin (exit code {code}):\n{tail}")
        how = f"took over {self.seconds:g} s" if late else f"died of {_cause(code)}"
        yield number, {"died": how, "tail": tail}
        self.deaths += 1
        self.numbers = range(number + self.numbers.step, self.numbers.stop, self.numbers.step)
        if self.numbers and self.deaths < MOST_DEATHS:
            self.start()

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def _cause(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def run(command: Sequence[str], numbers: range, jobs: int, seconds: float, note: Callable[[int, object], None]) -> None:
    """Every number is tried, on `jobs` processes; `seconds`: the most for one."""
    with folders.temporary("workers") as folder:
        stripes = [_Stripe(command, folder, numbers[job::jobs], seconds) for job in range(min(jobs, len(numbers)))]
        try:
            while any(stripe.process for stripe in stripes):
                time.sleep(0.05)
                for stripe in stripes:
                    if stripe.process:
                        for number, value in stripe.poll():
                            note(number, value)
        finally:
            for stripe in stripes:
                stripe.stop()


def processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def this_command(name: str, *arguments: str) -> list[str]:
    """`python tests/fuzz NAME ARGUMENTS`, as a worker."""
    return [sys.executable, str(Path(__file__).parent), name, *arguments]
