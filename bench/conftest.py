"""Threads before anything is loaded, and after the tables one line a group."""

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
LIMITS = ("triad", "bare steps")  # what can be reached at best, not another library


def seconds(benchmark: Any) -> float:
    return float(benchmark.stats.median) / benchmark.extra_info.get("steps a call", 1)


def written(time: float) -> str:
    unit, factor = ("µs", 1e6) if time < 1e-3 else ("ms", 1e3)
    return f"{time * factor:.4g} {unit}"


def line(found: dict[str, Any]) -> str:
    """Native: its median and speed, its share of the limit, and how many times as long the fastest other takes."""
    ours = seconds(native := found.pop("native"))
    info = native.extra_info
    speed = next((f"{info[unit]:.4g} {unit}" for unit in ("GFLOP/s", "GB/s", "CPUs busy") if unit in info), "")
    speed += f" (dx {info['dx GFLOP/s']:.4g})" if "dx GFLOP/s" in info else ""
    share = next((f"{seconds(found.pop(name)) / ours:.0%} of {name}" for name in LIMITS if name in found), "")
    peers = {name: other for name, other in found.items() if name != "numpy"} or found
    others = sorted((seconds(other), name.removesuffix("_50_steps")) for name, other in peers.items())
    other = f"{others[0][1]} {written(others[0][0])}: {others[0][0] / ours:.2f}x" if others else ""
    return f"{written(ours):>9}  {speed:<26} {share:<18} {other}".rstrip()


@pytest.hookimpl(wrapper=True)  # after the tables, and also where --benchmark-compare-fail ends them
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
    groups = {group: found for group, found in groups.items() if "native" in found}
    if groups:
        terminalreporter.section(
            f"native, threads: {threads.THREADS}; median, speed, share of the limit, fastest other"
        )
        width = max(map(len, groups))
        terminalreporter.write_line("\n".join(f"{group:<{width}} {line(found)}" for group, found in groups.items()))
