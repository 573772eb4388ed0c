"""From coarse to fine: ranges around the best trials on their own scale, edges, and the words for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("optuna")

from pynn.search import choice, integer, log_uniform, narrowing, uniform
from pynn.search.narrowing import LEAST, best_of, changes, edge_warning, edges
from pynn.search.space import Space
from pynn.search.space.ranges import Range


def of(*values: float) -> list[dict[str, Any]]:
    return [{"a": value} for value in values]


def ranked(best: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As many finished trials as have these best ones; the others are like the last."""
    for count in range(LEAST, 1000):
        if len(best_of(list(range(count)))) == len(best):
            return best + [best[-1]] * (count - len(best))
    raise AssertionError


def narrowed(space: Space, best: list[dict[str, Any]]) -> tuple[Space, list[str]]:
    return narrowing.narrowed(space, ranked(best), ranked(best))


def ends(space: Space) -> tuple[float, float]:
    part = space.parts["a"]
    assert isinstance(part, Range)
    return part.low, part.high


def test_the_best_are_a_sixth_and_three_at_least() -> None:
    for count, most in ((1, 1), (3, 3), (15, 3), (30, 5), (60, 10)):
        assert len(best_of(of(*range(count)))) == most


def test_a_range_is_narrowed_on_its_own_scale() -> None:
    space, words = narrowed(Space({"a": log_uniform(1e-6, 1e-0)}), of(1e-3, 1e-2, 3e-3))
    low, high = ends(space)
    assert low == pytest.approx(3e-4, rel=0.1)  # half of the decade between the best is added at each end
    assert high == pytest.approx(3e-2, rel=0.1)
    assert words == [f"a: log_uniform(1e-06, 1) became {space.parts['a']!r}"]
    low, high = ends(narrowed(Space({"a": uniform(0, 10)}), of(4, 5, 6))[0])
    assert (low, high) == (3, 7)


def some_range(rng: np.random.Generator) -> Range:
    """Of any kind, place and width."""
    width, kind = 10.0 ** rng.uniform(-14, 3), int(rng.integers(4))
    if kind == 0:
        low = int(rng.integers(-20, 10**9))
        return integer(low, low + int(rng.integers(1, 3000)))
    if kind == 1:
        low = int(rng.integers(1, 10 ** int(rng.integers(1, 10))))
        return integer(low, low + int(rng.integers(1, 3000)), log=True)
    low = 10.0 ** rng.uniform(-300, 9)
    if kind == 2:
        return log_uniform(low, low * (1 + width))
    start = float(rng.choice([-low, 0, low]))
    return uniform(start, start + max(abs(start), 1e-9) * width)


def test_all_of_the_best_lie_within_the_narrowed_range(rng: np.random.Generator) -> None:
    for _ in range(400):
        space = Space({"a": some_range(rng)})
        focus, spread = rng.random(), 10.0 ** rng.uniform(-4, 0)
        positions = np.clip(focus + spread * (rng.random(int(rng.integers(LEAST, 1500))) - 0.5), 0, 1)
        part = space.parts["a"]
        assert isinstance(part, Range)
        tried = of(*(min(max(part.at(float(position)), part.low), part.high) for position in positions))
        low, high = ends(narrowing.narrowed(space, tried, tried)[0])
        values = [one["a"] for one in best_of(tried)]
        assert low <= min(values), (part, low, min(values))
        assert max(values) <= high, (part, high, max(values))


def test_no_range_becomes_narrower_than_a_tenth() -> None:
    low, high = ends(narrowed(Space({"a": uniform(0, 10)}), of(5, 5, 5))[0])
    assert (low, high) == (4.5, 5.5)


def test_a_parameter_that_does_not_matter_keeps_its_range() -> None:
    space = Space({"a": uniform(0, 10)})
    assert ends(narrowed(space, of(1, 9, 5))[0]) == (0, 10)


def test_integers_stay_integers() -> None:
    for part, values in ((integer(1, 100), (20, 24, 22)), (integer(8, 512, log=True), (64, 70, 128))):
        space, _ = narrowed(Space({"a": part}), of(*values))
        assert all(isinstance(end, int) for end in ends(space))
        assert ends(space)[0] <= min(values) < max(values) <= ends(space)[1]


@pytest.mark.parametrize("part", [uniform(-5, 5), log_uniform(1e-5, 1e-1), integer(1, 4096, log=True)])
@pytest.mark.parametrize("end", ["lower", "upper"])
def test_the_best_at_an_end_move_the_range_beyond_it(part: Range, end: str) -> None:
    places = (0.02, 0.05, 0.3) if end == "lower" else (0.98, 0.95, 0.7)
    best, space = of(*map(part.at, places)), Space({"a": part})
    if part.whole and end == "lower":  # no fewer than 1
        assert edges(space, ranked(best)) == {}
        return
    assert edges(space, ranked(best)) == {"a": end}
    moved, words = narrowed(space, best)
    low, high = ends(moved)
    beyond = part.position(low if end == "lower" else high)
    assert beyond == pytest.approx(-0.25 if end == "lower" else 1.25, abs=0.01)
    assert f"beyond the {end} end, where the best sat" in words[0]
    (sentence,) = edge_warning(space, ranked(best))
    assert sentence.startswith(f"the best 3 of 8 trials sit at the {end} end of a, {part!r}: better values may lie")


def test_no_edge_without_the_best_trial_or_without_half_of_the_best_ones() -> None:
    space = Space({"a": uniform(-5, 5)})
    assert edges(space, ranked(of(0, 4.9, 4.9))) == {}
    assert edges(space, ranked(of(4.9, 0, 0))) == {}
    assert edges(space, ranked(of(4.9, 4.9, 0))) == {"a": "upper"}


@pytest.mark.parametrize(("part", "best"), [(uniform(0, 1), 0.99), (uniform(0, 0.8), 0.0), (integer(1, 4), 1)])
def test_what_cannot_lie_beyond_is_no_edge(part: Range, best: float) -> None:
    assert edges(Space({"a": part}), of(*[best] * 8)) == {}


@pytest.mark.parametrize(("part", "best"), [(uniform(0.5, 0.99), 0.985), (uniform(0.01, 0.5), 0.015)])
def test_shares_never_become_0_or_1(part: Range, best: float) -> None:
    """A momentum of 1 never ends."""
    space = Space({"a": part})
    for _ in range(9):
        space, words = narrowed(space, of(best, best, best))
        assert "beyond the" in words[0]
        low, high = ends(space)
        assert 0 < low < high < 1
        best = 0.01 * low + 0.99 * high if best > 0.5 else 0.99 * low + 0.01 * high


def test_the_limits_of_the_user_hold() -> None:
    space = Space({"a": log_uniform(1e-4, 1e-1, within=(1e-4, 0.2))})
    moved, _ = narrowed(space, of(0.09, 0.08, 0.1))
    assert ends(moved)[1] == 0.2


@pytest.mark.parametrize("count", [1, 2, 3, LEAST - 1])
def test_few_trials_say_nothing_of_the_space(count: int) -> None:
    space = Space({"a": log_uniform(1e-5, 1e-3), "b": choice(["x", "y"])})
    trials = [{"a": 9e-4, "b": "x"}] * count
    assert edges(space, trials) == {}
    assert edge_warning(space, trials) == []
    same, words = narrowing.narrowed(space, trials, [*trials, *[{"a": 1e-5, "b": "y"}] * 9])
    assert same is space
    finished = "1 trial" if count == 1 else f"{count} trials"
    assert words == [f"the ranges stay, because only {finished} finished; 8 would narrow them"]
    assert changes(space, Space.of(space.data()), trials) == words
    assert edges(space, [{"a": 9e-4, "b": "x"}] * LEAST) == {"a": "upper"}


def test_options_that_were_hardly_tried_are_kept() -> None:
    """Of trials that have ended in any way: they need not have finished."""
    space = Space({"kind": choice({"x": {}, "y": {}, "z": {"a": choice(["p", "q"])}})})
    best = [{"kind": "x"}] * 8
    for tried, kept in (
        ([], ["x", "y", "z"]),
        ([{"kind": "y"}] * 2, ["x", "y", "z"]),
        ([{"kind": "y"}] * 3, ["x", "z"]),
        ([{"kind": "y"}] * 3 + [{"kind": "z", "a": "p"}] * 2, ["x", "z"]),
    ):
        finer, words = narrowing.narrowed(space, best, best + tried)
        assert finer.data() == {"kind": {"choice": {one: space.parts["kind"].data()["choice"][one] for one in kept}}}
        assert words == (["kind: 'y' left out, not among the best"] if len(kept) == 2 else [])


def test_options_of_other_options_are_told_apart() -> None:
    """The best have an option of the same name from elsewhere."""
    space = Space({"kind": choice({"x": {"a": choice(["p", "q"])}, "y": {"a": choice(["q", "r"])}})})
    best = [{"kind": "y", "a": "r"}] * 8
    finer, _ = narrowing.narrowed(space, best, [*best, {"kind": "x", "a": "p"}, *[{"kind": "y", "a": "q"}] * 3])
    assert finer.data() == {"kind": {"choice": {"x": {"a": {"choice": ["p", "q"]}}, "y": {"a": {"choice": ["r"]}}}}}


def test_options_that_are_not_among_the_best_are_left_out() -> None:
    space = Space({
        "kind": choice({"x": {"a": uniform(0, 10)}, "y": {"a": uniform(0, 100)}, "z": {}}), "b": uniform(-1, 1),
    })  # fmt: skip
    best = [{"kind": "x", "a": 4, "b": 0.5}, {"kind": "y", "a": 50, "b": -0.5}, {"kind": "x", "a": 6, "b": 0}]
    finer, words = narrowing.narrowed(space, ranked(best), [*best, *[{"kind": "z", "b": 0}] * 3])
    assert finer.data() == {
        "kind": {"choice": {"x": {"a": {"uniform": [2, 8]}}, "y": {"a": {"uniform": [0, 100]}}}},
        "b": {"uniform": [-1, 1]},
    }
    assert "kind: 'z' left out, not among the best" in words
    assert "a: uniform(0, 10) became uniform(2, 8)" in words


def test_noise_seldom_looks_like_an_edge(rng: np.random.Generator) -> None:
    space = Space({"a": uniform(-1, 1)})
    found = sum(bool(edges(space, of(*rng.uniform(-1, 1, 30)))) for _ in range(400))
    assert found < 0.06 * 400
