"""The tests of `pytest -m quick`: a few cases of every test that is not marked slow, on each backend."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

import pytest

from pynn.kernels import reference

CASES = 2  # of a test on a backend
COLLECTED = pytest.StashKey[list[pytest.Item]]()  # all tests, before -m and -k choose from them


def parameters(item: pytest.Item) -> dict[str, Any]:
    return item.callspec.params if hasattr(item, "callspec") else {}


def backend_of(item: pytest.Item) -> str | None:
    """The backend that the test is parametrized with; None where it runs on the default one."""
    found = parameters(item)
    if "table" in found:  # a module of kernels
        return "numpy" if found["table"] is reference else "native"
    return found.get("backend")


def kernel_of(item: pytest.Item) -> tuple[str | None, str] | None:
    """The backend and the kernel that a test over the table of operations calls."""
    op = parameters(item).get("op")
    return None if op is None else (backend_of(item), op.kernel)


def choose(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """Up to CASES cases of each test and backend, and a case of each kernel.

    Cases whose parameters have been chosen least often come first: tests with the same parameters share them out.
    """
    tests: defaultdict[Any, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if item.get_closest_marker("slow") is None:
            tests[item.path, item.cls, item.originalname, backend_of(item)].append(item)
    times: Counter[Any] = Counter()
    chosen = []
    for cases in tests.values():
        for _ in range(min(CASES, len(cases))):
            case = min(cases, key=lambda case: sum(times[value] for value in _values(case)))
            cases.remove(case)
            times.update(_values(case))
            chosen.append(case)
    rest = {kernel_of(case): case for cases in tests.values() for case in cases}
    for kernel in rest.keys() - {None} - {kernel_of(case) for case in chosen}:
        chosen.append(rest[kernel])
    return chosen


def _values(item: pytest.Item) -> list[tuple[str, int]]:
    """What tells the parameters of different tests apart or alike: their names, and which objects they are."""
    return [(name, id(value)) for name, value in parameters(item).items()]
