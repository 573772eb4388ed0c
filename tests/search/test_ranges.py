"""Ranges: numbers on their own scale, what they refuse, and how far they may be moved."""

from __future__ import annotations

import math
from typing import Any

import pytest

pytest.importorskip("optuna")

from pynn.search import integer, log_uniform, uniform
from pynn.search.space.ranges import Range


@pytest.mark.parametrize("made", [uniform(-1, 3), log_uniform(1e-6, 1e-2), integer(1, 9), integer(1, 512, log=True)])
def test_positions_and_values_are_inverse(made: Range) -> None:
    assert made.position(made.low) == pytest.approx(0)
    assert made.position(made.high) == pytest.approx(1)
    for place in (-0.5, 0.1, 0.5, 0.9, 1.5):
        assert made.position(made.at_exactly(place)) == pytest.approx(place)


def test_the_middle_is_that_of_the_scale() -> None:
    assert uniform(0, 1).at(0.5) == 0.5
    assert log_uniform(1e-4, 1e-2).at(0.5) == pytest.approx(1e-3)
    assert integer(1, 4).at(0.5) == 2
    assert integer(1, 256, log=True).at(0.5) == 16


def test_points_are_equally_far_on_the_scale() -> None:
    assert uniform(0, 1).points(3) == [0, 0.5, 1]
    assert log_uniform(1e-3, 1e-1).points(3) == pytest.approx([1e-3, 1e-2, 1e-1])
    assert integer(1, 3).points(5) == [1, 2, 3]
    assert integer(1, 64, log=True).points(3) == [1, 8, 64]
    assert uniform(0, 1).points(1) == [0.5]


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (uniform(0, 0.5), "uniform(0, 0.5)"),
        (log_uniform(1e-5, 0.1, within=(1e-6, 1)), "log_uniform(1e-05, 0.1, within=(1e-06, 1))"),
        (integer(16, 512, log=True), "integer(16, 512, log=True)"),
        (integer(1_000_000, 1_000_400), "integer(1000000, 1000400)"),
        (integer(2**53, 2**53 + 20), "integer(9007199254740992, 9007199254741012)"),
        (uniform(1234567, 1234999), "uniform(1234567, 1234999)"),
        (log_uniform(0.12345678, 0.12345679), "log_uniform(0.12345678, 0.12345679)"),
    ],
)
def test_repr(made: Range, text: str) -> None:
    assert repr(made) == text
    assert made == eval(text)
    assert made != uniform(0, 0.25)


def test_whole_numbers_of_any_type_are_integers() -> None:
    made = integer(8.0, 1e2)  # type: ignore[arg-type]
    assert made == integer(8, 100)
    assert type(made.low) is type(made.high) is int


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: log_uniform(0, 1), "low is 0, expected a finite positive number: a logarithmic scale has no 0; use"),
        (lambda: log_uniform(-1, 1), "low is -1"),
        (lambda: log_uniform("1e-4", 1), "low is '1e-4', expected a finite number$"),
        (lambda: uniform(0.1, 1, log=True), "uniform has no 'log'; the range with a logarithmic scale is log_uniform$"),
        (lambda: log_uniform(0.1, 1, log=True), "its scale is logarithmic; leave it out"),
        (lambda: integer(8, 64, step=8), "a range has no steps; a choice has one of several values"),
        (lambda: integer(1, float("nan")), "high is nan, expected an integer"),
        (lambda: uniform(1, 1), "low is 1 and high is 1, expected low < high"),
        (lambda: uniform(2, 1), "low is 2 and high is 1"),
        (lambda: uniform(0, math.inf), "high is inf, expected a finite number"),
        (lambda: uniform("0", 1), "low is '0', expected a finite number"),
        (lambda: integer(1, 2.5), "high is 2.5, expected an integer; use uniform"),
        (lambda: integer(0, 8, log=True), "low is 0, expected an integer of at least 1"),
        (lambda: integer(1, 8, log=1), "log is 1, expected True or False"),
        (lambda: uniform(0, 1, within=(0.5, 1)), r"within is \(0.5, 1\), expected two numbers around 0 and 1"),
        (lambda: uniform(0, 1, within=3), "within is 3"),
        (lambda: uniform(0, 1, 3), r"has too many arguments: uniform takes low, high by position"),
    ],
)
def test_what_is_refused(make: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        make()


@pytest.mark.parametrize(
    ("made", "least", "most"),
    [
        (uniform(0, 0.5), 0, 0.75),
        (uniform(0.5, 0.99), 0.25, 0.995),
        (uniform(0.1, 1), 0.05, 1),
        (uniform(0.5, 4), 0.25, math.inf),
        (uniform(0.5, 0.99, within=(0, 1)), 0, 1),
        (uniform(0, 3), 0, math.inf),
        (uniform(-1, 1), -math.inf, math.inf),
        (log_uniform(1e-4, 1e-1), 0, math.inf),
        (integer(1, 4), 1, math.inf),
        (integer(0, 4), 0, math.inf),
        (integer(-2, 4), -math.inf, math.inf),
        (uniform(0, 3, within=(-1, 5)), -1, 5),
    ],
)
def test_limits(made: Range, least: float, most: float) -> None:
    assert made.limits == (least, most)


def test_a_range_between_other_ends_stays_within_the_limits() -> None:
    assert uniform(0, 0.5).between(-0.2, 0.612345) == uniform(0, 0.613)
    assert uniform(0.5, 0.99).between(0.8, 1.3) == uniform(0.8, 0.995)
    assert uniform(1000, 1010).between(1003.1234, 1005.4321) == uniform(1003.12, 1005.44)
    assert integer(2, 8).between(0.3, 9.1) == integer(1, 10)
    assert integer(2, 8).between(4.2, 4.6) == integer(4, 5)
    assert integer(2, 8).between(4, 4) == integer(4, 5)
    assert log_uniform(1e-3, 1).between(1e-4, 0.123456) == log_uniform(1e-4, 0.124)
    assert log_uniform(0.01, 0.0101).between(0.01001234, 0.01005678) == log_uniform(0.0100123, 0.0100568)
    assert uniform(0, 1).between(0.1 + 0.2, 0.7 + 0.1) == uniform(0.3, 0.8)  # not 0.30000000000000004


@pytest.mark.parametrize(
    "made", [integer(16, 256, log=True), log_uniform(1.2345e-5, 0.98765), uniform(0.12345, 0.54321)]
)
def test_ends_that_stay_are_not_rounded(made: Range) -> None:
    assert made.between(made.at_exactly(0.0), made.at_exactly(1.0)) == made
    narrower = made.between(made.at_exactly(0.0), made.at_exactly(0.5))
    assert narrower.low == made.low
    assert narrower.high < made.high
