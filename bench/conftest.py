"""Limits threads before anything is imported, and prints a line for each group after the tables."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import threads

threads.limit()
import pynn  # noqa: E402 (it loads NumPy)

pynn.set_num_threads(threads.THREADS)
LIMITS = ("triad", "bare steps")  # upper limits, not other libraries


def seconds(benchmark: Any) -> float:
    return float(benchmark.stats.median) / benchmark.extra_info.get("steps a call", 1)


def written(time: float) -> str:
    unit, factor = ("µs", 1e6) if time < 1e-3 else ("ms", 1e3)
    return f"{time * factor:.4g} {unit}"


def line(benchmarks: dict[str, Any]) -> str:
    """Native's median and speed, its share of the limit, and how much slower the fastest other library is."""
    ours = seconds(native := benchmarks.pop("native"))
    info = native.extra_info
    speed = next((f"{info[unit]:.4g} {unit}" for unit in ("GFLOP/s", "GB/s", "CPUs busy") if unit in info), "")
    speed += f" (dx {info['dx GFLOP/s']:.4g})" if "dx GFLOP/s" in info else ""
    share = next((f"{seconds(benchmarks.pop(name)) / ours:.0%} of {name}" for name in LIMITS if name in benchmarks), "")
    peers = {name: other for name, other in benchmarks.items() if name != "numpy"} or benchmarks
    others = sorted((seconds(other), name.removesuffix("_50_steps")) for name, other in peers.items())
    other = f"{others[0][1]} {written(others[0][0])}: {others[0][0] / ours:.2f}x" if others else ""
    return f"{written(ours):>9}  {speed:<26} {share:<18} {other}".rstrip()


@pytest.hookimpl(wrapper=True)  # after the tables, even if --benchmark-compare-fail ends the run
def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> Iterator[None]:
    try:
        return (yield)
    finally:
        summarize(terminalreporter, getattr(config, "_benchmarksession", None))


def summarize(terminalreporter: Any, session: Any) -> None:
    groups: dict[str, dict[str, Any]] = defaultdict(dict)
    for benchmark in session.benchmarks if session else []:
        params = benchmark.params or {}
        library = params.get("library") or params.get("backend") or params.get("peer")
        if benchmark and benchmark.group and library:
            groups[benchmark.group][library] = benchmark
    groups = {group: benchmarks for group, benchmarks in groups.items() if "native" in benchmarks}
    if groups:
        terminalreporter.section(
            f"native, threads: {threads.THREADS}; median, speed, share of the limit, fastest other"
        )
        width = max(map(len, groups))
        lines = (f"{group:<{width}} {line(benchmarks)}" for group, benchmarks in groups.items())
        terminalreporter.write_line("\n".join(lines))
