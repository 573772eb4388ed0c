"""`pytest -m quick` leaves out no folder, no backend and no kernel."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from quick_choice import COLLECTED, backend_of, kernel_of

import pynn

TESTS = Path(__file__).parents[1]


@pytest.fixture
def collected(request: pytest.FixtureRequest) -> list[pytest.Item]:
    """All tests, unless only some files were asked for."""
    config = request.config
    if not any(TESTS.is_relative_to(config.invocation_params.dir / argument) for argument in config.args):
        pytest.skip("only some files were asked for")
    return [item for item in config.stash[COLLECTED] if item.path.is_relative_to(TESTS)]


def quick_of(items: list[pytest.Item]) -> list[pytest.Item]:
    return [item for item in items if item.get_closest_marker("quick")]


def test_every_folder_has_quick_tests_on_both_backends(collected: list[pytest.Item]) -> None:
    found: defaultdict[Path, set[Any]] = defaultdict(set)
    for item in quick_of(collected):
        found[item.path.parent].add(backend_of(item))
    assert found.keys() == {path.parent for path in TESTS.rglob("test_*.py")}
    for folder, backends in found.items():
        assert backends == {None} or backends >= set(pynn.kernels.BACKENDS), folder


def test_every_kernel_has_quick_tests_on_both_backends(collected: list[pytest.Item]) -> None:
    assert {kernel_of(item) for item in quick_of(collected)} == {kernel_of(item) for item in collected}


def test_no_slow_test_is_quick(collected: list[pytest.Item]) -> None:
    assert not [item for item in quick_of(collected) if item.get_closest_marker("slow")]
