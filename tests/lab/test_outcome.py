"""Verdicts follow from the margin and the seeds, and are told in words."""

from __future__ import annotations

import math

import pytest

from pynn.lab import Claim, Verdict
from pynn.lab.wording import duration, margin, measured, number, seeds, verdict

SMALLER = Claim("gap", "it is at least 3 points smaller", "the course", at_least=0.03, unit="points")
NEAR = Claim("loss", "it is near ln 10", "the course", at_least=2.25, at_most=2.35)


@pytest.mark.parametrize(
    ("figures", "holds"),
    [
        ((0.04, 0.05, 0.03), True),
        ((0.04, 0.05, 0.029), False),  # two of three are less than four of five
        ((0.04, 0.05, 0.06, 0.03, -0.5), True),
        ((0.04, 0.05, 0.02, 0.02, 0.03), False),
        ((0.04, 0.05), False),  # too few seeds
        ((0.04, 0.05, math.nan), False),
        ((0.04, 0.05, 0.05, 0.05, math.nan), False),  # the median is not known
        ((math.inf, 0.04, 0.05), True),
    ],
)
def test_four_of_five_seeds_and_the_median_decide(figures: tuple[float, ...], holds: bool) -> None:
    assert Verdict(SMALLER, figures).holds is holds


def test_both_ends_of_a_range_count() -> None:
    assert Verdict(NEAR, (2.3, 2.25, 2.35)).holds
    assert not Verdict(NEAR, (2.3, 2.2499, 2.3)).holds
    assert not Verdict(NEAR, (2.3, 2.3501, 2.3)).holds


def test_a_claim_needs_a_margin() -> None:
    with pytest.raises(ValueError, match="claim 'gap' has no margin; set at_least, at_most or both"):
        Claim("gap", "it is smaller", "the course")


@pytest.mark.parametrize(
    ("value", "unit", "english", "korean"),
    [
        (0.0312, "points", "3.12 points", "3.12%p"),
        (-0.0312, "points", "−3.12 points", "−3.12%p"),
        (0.975, "%", "97.5 %", "97.5%"),
        (6.04, "x", "6.04 ×", "6.04배"),
        (2000, "steps", "2,000 steps", "2,000번"),
        (2.5, "seconds", "2.5 seconds", "2.5 seconds"),
        (123456, "", "123,456", "123,456"),
        (1.5e-9, "", "1.5e−09", "1.5e−09"),
        (0.00012, "", "0.00012", "0.00012"),
        (math.nan, "x", "not finite", "유한하지 않음"),
    ],
)
def test_figures_are_written_with_their_unit(value: float, unit: str, english: str, korean: str) -> None:
    assert number(value, unit) == english
    assert number(value, unit, "ko") == korean


def test_margins_and_measurements_are_told() -> None:
    found = Verdict(SMALLER, (0.05, 0.04, 0.02))
    assert (margin(SMALLER), margin(NEAR, "ko")) == ("at least 3 points", "2.25 ~ 2.35")
    assert margin(Claim("share", "", "", at_most=0.01, unit="%")) == "at most 1 %"
    assert measured(found) == "4 points (2 points to 5 points)"
    assert measured(Verdict(SMALLER, (0.05, 0.05, 0.05))) == "5 points"
    assert (verdict(found), verdict(found, "ko"), seeds(found)) == ("does not hold", "불성립", "2 of 3 seeds")
    assert verdict(Verdict(SMALLER, (0.05,))) == "open: fewer than 3 seeds"


def test_durations() -> None:
    assert (duration(3.14), duration(122.4), duration(59.97, "ko")) == ("3.1 s", "2 min 2 s", "1분 0초")
