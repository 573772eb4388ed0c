"""`python tests/fuzz kills`: runs that are killed at random moments go on to the very bits of one that was not.

Processes are forked from one that has imported pynn and computed nothing. They are killed at random moments and at
random operations on their files (SIGKILL), ended (SIGTERM), interrupted once or twice (SIGINT), or stopped (SIGSTOP)
while another one begins in the same folder, which must be refused.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pynn
from pynn.saving import filelocks

from . import folders, killed_runs
from . import options as types

KILLS = 8  # of one run; then it is left in peace
REFUSED, INTERRUPTED = 3, 130  # exit codes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kills", type=types.positive, default=200, help="how many (default 200)")
    parser.add_argument("--runs", nargs="+", choices=killed_runs.RUNS, help="of these kinds alone")
    parser.add_argument(
        "--folder", type=types.folder, help="where the runs write, such as a disk or another file system"
    )


def run(options: argparse.Namespace) -> int:
    """Kill so many times; print figures and findings; return how many findings there are."""
    with folders.temporary("kills", options.folder) as folder:
        try:
            return Campaign(options, folder).run()
        finally:
            for process in Child.living:  # of an interrupted campaign; one of them may be stopped for ever
                os.kill(process, signal.SIGKILL)
                os.waitpid(process, 0)


class Undisturbed(NamedTuple):
    """What a run gives that nobody disturbs."""

    results: dict[str, str]
    seconds: float
    operations: int


class Strike(NamedTuple):
    """Which operation on a file with this ending kills a process, and how many seconds after it begins."""

    ending: str = ""
    number: int = 0  # the first is 1; 0: none
    delay: float = 0.0


class Campaign:
    """So many kills, of runs in turns."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.kills, self.folder = options.kills, folder
        self.random = random.Random(options.seed)
        self.names = options.runs or list(killed_runs.RUNS)
        self.counts: Counter[str] = Counter()
        self.findings: list[str] = []
        self.undisturbed: dict[str, Undisturbed] = {}

    def run(self) -> int:
        begun = time.perf_counter()
        while self._done() < self.kills:
            self._one_run(self.names[self.counts["runs"] % len(self.names)])
            self.counts["runs"] += 1
        for name in (
            "kills at a random moment",
            "kills at an operation on a file",
            "SIGTERM",
            "SIGINT",
            "SIGINT twice",
        ):
            print(f"{name:40}{self.counts[name]:6}")
        print(f"{'second processes that were refused':40}{self.counts['refused']:6}")
        print(f"{'of all, in the middle of a write':40}{self.counts['in a write']:6}")
        print(f"{'runs that came to their end':40}{self.counts['runs']:6}")
        print(f"{'processes that went on':40}{self.counts['resumed']:6}")
        print(f"{'other bits, errors, files left behind':40}{len(self.findings):6}")
        print(f"{self._done()} kills in {time.perf_counter() - begun:.0f} s")
        return len(self.findings)

    def _done(self) -> int:
        return sum(count for name, count in self.counts.items() if name.startswith(("kills", "SIG")))

    def _one_run(self, name: str) -> None:
        """Kill it again and again, then let it end, and compare."""
        if name not in self.undisturbed:
            self._let_it_run(name)
        folder = self.folder / f"{self.counts['runs']}"
        folder.mkdir()
        for life in range(KILLS + 1):
            self.counts["resumed"] += life > 0
            killing = life < KILLS and self._done() < self.kills
            if self._live(name, folder, killing):
                break
            self._expect_sound(name, folder)
        self._compare(name, folder)
        shutil.rmtree(folder)

    def _let_it_run(self, name: str) -> None:
        folder = self.folder / name
        folder.mkdir()
        begun = time.perf_counter()
        child = Child(name, folder, 1)
        if child.ended() != 0:
            raise RuntimeError(f"{name} fails by itself: {child.said()}")
        told = json.loads((folder / "results.json").read_text())
        self.undisturbed[name] = Undisturbed(told["results"], time.perf_counter() - begun, told["operations"])

    def _live(self, name: str, folder: Path, killing: bool) -> bool:
        """Start it, and do something to it; whether it came to its end."""
        chance, whole = self.random, self.undisturbed[name]
        moment = chance.uniform(0, whole.seconds / 3)
        threads, how = chance.randint(1, 2), chance.random() if killing else 1.0
        if how < 0.55:
            strike = Strike(
                chance.choice(("", ".tmp", ".tmp")),
                chance.randint(1, max(whole.operations // 6, 2)),
                chance.choice((0.0, chance.uniform(0, 0.002))),
            )
            return self._ended(name, Child(name, folder, threads, strike), "kills at an operation on a file")
        child = Child(name, folder, threads)
        if not killing:
            return self._ended(name, child, "")
        child.wait(moment)
        if how < 0.7:
            child.send(signal.SIGKILL)
            return self._ended(name, child, "kills at a random moment")
        if how < 0.78:
            child.send(signal.SIGTERM)
            return self._ended(name, child, "SIGTERM")
        if how < 0.9:
            child.send(signal.SIGINT)
            if how < 0.84:
                return self._ended(name, child, "SIGINT")
            child.wait(chance.uniform(0, 0.01))
            child.send(signal.SIGINT)
            return self._ended(name, child, "SIGINT twice")
        self._second(name, folder, child)
        child.send(signal.SIGKILL)
        return self._ended(name, child, "kills at a random moment")

    def _second(self, name: str, folder: Path, child: Child) -> None:
        """A process that begins while another one is stopped: refused, and it touches nothing."""
        child.send(signal.SIGSTOP)
        held = [
            path for path in folder.glob(f"*/{filelocks.NAME}") if f'"process": {child.process},' in path.read_text()
        ]
        if not held:
            return
        before = files_in(held[0].parent)
        second = Child(name, folder, 1)
        if second.ended() != REFUSED or f"is in use by process {child.process} on " not in second.said():
            self._find(f"{name}: a second process was not refused: {second.said()}")
        if files_in(held[0].parent) != before:
            self._find(f"{name}: a second process changed {before} to {files_in(held[0].parent)}")
        self.counts["refused"] += 1

    def _ended(self, name: str, child: Child, kind: str) -> bool:
        code = child.ended()
        if code == 0:
            return True
        if code not in (-signal.SIGKILL, -signal.SIGALRM, -signal.SIGTERM, INTERRUPTED) or not kind:
            self._find(f"{name} ended with {code}: {child.said()}")
        self.counts[kind] += 1
        self.counts["in a write"] += any(
            f".{child.process}-{filelocks.machine()}" in file for file in files_in(child.folder)
        )
        if self._done() % 20 == 0:
            print(f"{self._done():5} kills, {self.counts['in a write']} in a write", flush=True)
        return False

    def _expect_sound(self, name: str, folder: Path) -> None:
        for wrong in killed_runs.check(name, folder):
            self._find(f"{name}: {wrong}")

    def _compare(self, name: str, folder: Path) -> None:
        path, expected = folder / "results.json", self.undisturbed[name].results
        results = json.loads(path.read_text())["results"] if path.exists() else {}
        if differing := [key for key in {**expected, **results} if expected.get(key) != results.get(key)]:
            self._find(f"{name}: other bits of {', '.join(differing)}")
        left = [file for file in files_in(folder) if Path(file).name.startswith(".")]
        if left:
            self._find(f"{name}: files left behind: {', '.join(left)}")

    def _find(self, what: str) -> None:
        self.findings.append(what)
        print(f"FOUND in run {self.counts['runs']}: {what}", flush=True)


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


class Child:
    """A process that runs one of the runs."""

    living: ClassVar[set[int]] = set()

    def __init__(self, name: str, folder: Path, threads: int, strike: Strike = Strike()) -> None:  # noqa: B008
        self.folder = folder
        self._code: int | None = None
        sys.stdout.flush()
        with folders.undisturbed() as disturb:
            self.process = os.fork()
            if not self.process:
                code = 1
                try:
                    disturb()
                    code = work(name, folder, threads, strike)
                except KeyboardInterrupt:
                    code = INTERRUPTED
                except BaseException:
                    traceback.print_exc()
                finally:
                    os._exit(code)
            self.living.add(self.process)

    def wait(self, seconds: float) -> None:
        """For so long, or until it ends."""
        until = time.perf_counter() + seconds
        while self._code is None and time.perf_counter() < until:
            time.sleep(0.0005)
            self._look(os.WNOHANG)

    def send(self, number: int) -> None:
        if self._code is None:
            os.kill(self.process, number)

    def ended(self) -> int:
        """Its exit code, or minus the signal that killed it, when it has ended."""
        until = time.perf_counter() + 60
        while self._code is None:
            if time.perf_counter() > until:
                os.kill(self.process, signal.SIGKILL)
                self._look(0)
                self._code = 99
            time.sleep(0.001)
            self._look(os.WNOHANG)
        return self._code

    def _look(self, how: int) -> None:
        if self._code is None:
            process, status = os.waitpid(self.process, how)
            if process:
                self.living.discard(process)
                self._code = os.waitstatus_to_exitcode(status)

    def said(self) -> str:
        """The end of what it wrote to stderr."""
        path = self.folder / f"stderr.{self.process}"
        return path.read_text()[-2000:] if path.exists() else ""


def work(name: str, folder: Path, threads: int, strike: Strike) -> int:
    """In the child: one run, and its results in a file; the exit code."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    stderr = os.open(folder / f"stderr.{os.getpid()}", os.O_CREAT | os.O_WRONLY)
    os.dup2(stderr, 2)
    warnings.simplefilter("error")  # no file is ever damaged, and no disk full
    count = watch(folder, strike)
    pynn.set_num_threads(threads)
    try:
        results = killed_runs.RUNS[name](folder)
    except RuntimeError as error:
        traceback.print_exc()
        return REFUSED if "is in use by" in str(error) else 1
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    text = json.dumps({"results": results, "operations": count["operations"]})
    (folder / "results.part").write_text(text)
    os.replace(folder / "results.part", folder / "results.json")
    return 0


def watch(folder: Path, strike: Strike) -> dict[str, int]:
    """Count what is opened, renamed and removed in the folder; die where the strike says."""
    count, begin = {"operations": 0, "struck": 0}, str(folder)

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in ("open", "os.rename", "os.remove", "os.truncate") or not str(arguments[0]).startswith(begin):
            return
        count["operations"] += 1
        if not str(arguments[0]).endswith(strike.ending):
            return
        count["struck"] += 1
        if count["struck"] != strike.number:
            return
        if strike.delay:
            signal.setitimer(signal.ITIMER_REAL, strike.delay)  # SIGALRM, which ends a process as SIGKILL does
        else:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(look)
    return count
