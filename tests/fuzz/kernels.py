"""`python tests/fuzz kernels`: every kernel with mutated arguments, on both backends.

A call may be refused with a sentence or computed; a refused one has written nothing, an accepted one gives the bits of
any number of threads and the twin's numbers. No call crashes, hangs or writes outside its arrays.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import pynn
from pynn import kernels
from pynn.kernels import reference

from . import options as types
from . import workers
from .kernel_calls import Call, make_call
from .kernel_judge import judge

SHOWN = 3  # calls of each kind of finding
ENOUGH = 50  # calls of a kernel, of which one at least must compute
LEAST_MEMORY = 1000  # MB of address space: less has no room for the process, numpy and the team of threads


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--calls", type=types.positive, default=100_000, help="how many (default 100000)")
    names = types.names_of("kernel", kernels.NAMES)
    parser.add_argument("--only", metavar="NAMES", type=names, help="kernels, with commas between them (default all)")
    parser.add_argument(
        "--jobs", type=types.positive, default=workers.processors(), help="processes (default: processors)"
    )
    parser.add_argument("--seconds", type=types.seconds, default=30, help="after which a call hangs (default 30)")
    memory = types.megabytes(LEAST_MEMORY)
    parser.add_argument("--memory", type=memory, default=8000, help="MB for each process, 0 for any (default 8000)")
    parser.add_argument(
        "--call", type=types.natural, metavar="N", help="make this one call again, here, and tell about it"
    )
    parser.add_argument("--diary", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--numbers", type=int, nargs=3, help=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> int:
    names = tuple(options.only or kernels.NAMES)
    if options.memory and sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (options.memory << 20,) * 2)
    if options.call is not None:
        return tell(options.seed, options.call, names)
    if options.diary is not None:
        return work(options.seed, range(*options.numbers), names, workers.Diary(options.diary))
    return supervise(options, names)


def native_table() -> Any:
    """The native kernels as people call them, or None where they were not built."""
    if kernels.native_module() is None:
        return None
    pynn.use_backend("native")
    return kernels


def watched(seed: int, number: int, names: tuple[str, ...]) -> tuple[list[str], str]:
    def make(guarded: bool) -> Call:
        return make_call(seed, number, names, guarded)

    return judge(make, native_table(), reference, pynn.set_num_threads)


def work(seed: int, numbers: range, names: tuple[str, ...], diary: workers.Diary) -> int:
    """In a process of its own: the calls one by one; notes what was found and what became of each."""
    warnings.simplefilter("error")
    parent = os.getppid()
    for number in numbers:
        if os.getppid() != parent:  # the campaign was killed
            return 1
        diary.begin(number)
        found, said = watched(seed, number, names)
        for sentence in found:
            diary.note([number, sentence])
        diary.note([number, {f"{names[number % len(names)]} {said.partition(':')[0]}": 1}])
    return 0


def tell(seed: int, number: int, names: tuple[str, ...]) -> int:
    call = make_call(seed, number, names)
    print(f"call {number}: {call}")
    for name, value in call.passed.items():
        text = (
            f"{value.dtype} {value.shape} strides {value.strides}" if hasattr(value, "strides") else f"{value!r:.200}"
        )
        print(f"    {name}: {text}")
    print(f"{call.positional} by position{f', {len(call.surplus)} too many' if call.surplus else ''}", flush=True)
    warnings.simplefilter("error")
    found, said = watched(seed, number, names)
    print(said, *found, sep="\n")
    return len(found)


class Report:
    """Findings, by kind, and how often each kernel computed and refused."""

    def __init__(self, seed: int, names: tuple[str, ...]) -> None:
        self.seed, self.names = seed, names
        self.kinds: Counter[tuple[str, str]] = Counter()
        self.counts: Counter[str] = Counter()

    def note(self, number: int, value: Any) -> None:
        name = self.names[number % len(self.names)]
        if isinstance(value, dict) and "died" not in value:
            self.counts.update(value)
            return
        if isinstance(value, dict):
            self.counts[f"{name} {value['died']}"] += 1
            value = f"{value['died']}\n{_report_of_a_sanitizer(value['tail'])}"
        kind = name, re.sub(r"-?\b\d[\d.e+-]*|\binf\b|\bnan\b", "#", value.partition("\n")[0])[:150]
        self.kinds[kind] += 1
        if self.kinds[kind] <= SHOWN:
            print(
                f"call {number} of seed {self.seed}: {make_call(self.seed, number, self.names)}\n    {value}",
                flush=True,
            )

    def accepted(self, name: str) -> int:
        return self.counts[f"{name} accepted"]

    def refused(self, name: str) -> int:
        return sum(count for key, count in self.counts.items() if key.startswith(f"{name} ")) - self.accepted(name)

    def summary(self) -> int:
        width = max(map(len, self.names))
        print(f"{'kernel':{width}}  computed  refused")
        for name in self.names:
            print(f"{name:{width}}  {self.accepted(name):8}  {self.refused(name):7}")
        never = [name for name in self.names if not self.accepted(name)]
        short = [name for name in never if self.refused(name) < ENOUGH]
        if short:
            print(f"{len(short)} kernels computed nothing in fewer than {ENOUGH} calls: too few to judge that")
        never = [name for name in never if name not in short]
        for name in never:
            print(f"{name} never computed: nothing is known about its results")
        for (name, kind), count in sorted(self.kinds.items()):
            print(f"{count} times: {name}: {kind}")
        return sum(self.kinds.values()) + len(never)


def supervise(options: argparse.Namespace, names: tuple[str, ...]) -> int:
    begun, report = time.monotonic(), Report(options.seed, names)
    command = workers.this_command(
        "kernels", "--seed", str(options.seed), "--only", ",".join(names), "--memory", str(options.memory)
    )
    native = kernels.native_module()
    print(f"{options.calls} calls of {len(names)} kernels, seed {options.seed}: ", end="")
    print(f"native ({native.isa()}) against numpy" if native else "numpy alone", flush=True)
    workers.run(command, range(options.calls), options.jobs, options.seconds, report.note)
    findings, seconds = report.summary(), time.monotonic() - begun
    print(f"{options.calls} calls in {seconds:.0f} s, {findings} findings")
    return findings


def _report_of_a_sanitizer(text: str) -> str:
    """From its headline on, without the shadow memory; the end of the text where there is none."""
    start = max(text.find("ERROR: "), text.find("runtime error: "), text.find("WARNING: "), 0)
    lines = text[start:].partition("Shadow bytes")[0].splitlines()
    return "\n    ".join(lines[:30] if start else lines[-15:])
