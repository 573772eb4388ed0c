"""Spaces: flat parameters, conditional parts, files of TOML, grids, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

pytest.importorskip("optuna")

import optuna

import pynn
from pynn.search import choice, integer, log_uniform, uniform
from pynn.search.space import Space

PARTS = {
    "learning_rate": log_uniform(1e-5, 1e-1),
    "units": choice([(64,), (64, 32)]),
    "optimizer": choice({"sgd": {"momentum": uniform(0.5, 0.99)}, "adam": {}}),
    "layers": integer(1, 3),
}


@pytest.fixture
def study() -> Any:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))


def test_parameters_are_flat_and_exist_where_their_option_is_chosen(study: Any) -> None:
    space, seen = Space(PARTS), set()
    for _ in range(30):
        trial = study.ask()
        params = space.suggest(trial)
        seen.add(params["optimizer"])
        assert params["units"] in ((64,), (64, 32))
        assert set(params) == {"learning_rate", "units", "optimizer", "layers"} | (
            {"momentum"} if params["optimizer"] == "sgd" else set()
        )
        assert ("optimizer=sgd/momentum" in trial.params) == (params["optimizer"] == "sgd")
        assert space.stored(trial.params) == params
        assert set(space.active(params)) == set(params) - {"units", "optimizer"}
    assert seen == {"sgd", "adam"}


def test_options_may_use_the_same_names() -> None:
    inner = {"rate": uniform(0, 1)}
    space = Space({"a": choice({"x": inner, "y": {"rate": log_uniform(1e-3, 1)}})})
    assert space.names == ["a", "rate"]
    assert space.middle() == {"a": "x", "rate": 0.5}


@pytest.mark.parametrize(
    "parts",
    [
        {"a": uniform(0, 1), "b": choice({"x": {"a": uniform(0, 1)}})},
        {"b": choice({"x": {"a": uniform(0, 1)}}), "a": uniform(0, 1)},
        {"b": choice({"x": {"a": uniform(0, 1)}}), "c": choice({"y": {"a": uniform(0, 1)}})},
        {"b": choice({"x": {"b": uniform(0, 1)}})},
    ],
)
def test_names_that_clash_are_refused(parts: Any) -> None:
    with pytest.raises(
        ValueError, match=r"space: '[ab]' occurs twice among parameters that exist together; rename one"
    ):
        Space(parts)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({}, "space is empty, expected ranges and choices"),
        ([1], r"space is \[1\], expected a dict of ranges by name, or a file of TOML"),
        (
            {"a": 0.1},
            r"space: a is 0.1, expected log_uniform\(low, high\).*; leave out what is fixed .* choice\(\[0.1\]\)",
        ),
        ({"a": [1, 2]}, r"space: a is \[1, 2\].*; write choice\(\[1, 2\]\)"),
        (
            {"a": {"b": uniform(0, 1)}},
            r"; a space has no spaces in it: write their parameters beside the others, or ch",
        ),
        ({"a": range(8, 16)}, r"space: a is range\(8, 16\).*; write integer\(8, 15\) or choice\(range\(8, 16\)\)$"),
        ({"a": range(8, 16, 2)}, r"; write choice\(range\(8, 16, 2\)\)$"),
        ({"a": np.arange(2)}, r"; write choice\(\[0, 1\]\)$"),
        ({"a": FloatDistribution(1e-4, 1, log=True)}, r"; write log_uniform\(0.0001, 1\)$"),
        ({"a": FloatDistribution(0, 1)}, r"; write uniform\(0, 1\)$"),
        ({"a": FloatDistribution(0, 1, step=0.1)}, r"; write choice\(\[...\]\) with the values"),
        ({"a": IntDistribution(8, 16, log=True)}, r"; write integer\(8, 16, log=True\)$"),
        ({"a": IntDistribution(8, 16, step=4)}, r"; write choice\(range\(8, 17, 4\)\)$"),
        ({"a": CategoricalDistribution(["b", "c"])}, r"; write choice\(\['b', 'c'\]\)$"),
        ({"a": object()}, r"or choice\(\[...\]\)$"),
        ({1: uniform(0, 1)}, "space: 1 is no name of a parameter, expected text"),
        ({"a/b": uniform(0, 1)}, "'a/b' is no name of a parameter, expected text without / and ="),
        ({"a": {"uniform": [0]}}, r"space: a: uniform is \[0\], expected \[low, high\]"),
        ({"a": {"uniform": [1, 0]}}, "space: a: uniform: low is 1 and high is 0"),
        ({"a": {"normal": [1, 0]}}, "space: a is {'normal'"),
        ({"a": {"choice": [1], "log": True}}, "space: a: 'log' is unknown beside choice"),
        ({"a": {"uniform": [0, 1], "log": True}}, "space: a: uniform has no 'log'"),
        ({"a": {"uniform": [0, 1], "choice": [1]}}, "space: a is"),
    ],
)
def test_what_is_refused(parts: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        Space.of(parts)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "options is empty, expected at least one value"),
        ("relu", "options is 'relu', expected a list of values"),
        ([pynn.Adam], "cannot be kept in a storage.*choose by a name, and let build make the object"),
        ([float("nan")], "cannot be kept in a storage"),
        ([1, 1], "1 occurs twice"),
        ([1, True], "True occurs twice, expected different values"),
        ([(1, [2]), (1, [2])], "occurs twice"),
        ([np.int64(1), 1.0], "1.0 occurs twice"),
        ([np.float32("nan")], "nan cannot be kept in a storage"),
        ([(1, 2), "[1, 2]"], r"\(1, 2\) and '\[1, 2\]' are both kept as '\[1, 2\]'; leave one of them out"),
        ([(1, 2), [1, 2]], r"\(1, 2\) occurs twice"),
        ({1: {}, "1": {"a": uniform(0, 1)}}, "1 and '1' are both kept as '1'"),
    ],
)
def test_choices_that_are_refused(options: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        choice(options)


def test_values_that_are_no_list_are_refused() -> None:
    with pytest.raises(TypeError, match=r"too many arguments: its values are a list: choice\(\[16, 32\]\)$"):
        choice(16, 32)  # type: ignore[call-arg]


def test_numbers_of_numpy_become_those_of_python(study: Any) -> None:
    options = [np.int64(3), np.float32(0.5), (np.int32(1), [np.bool_(True)]), np.str_("relu")]
    space = Space({"a": choice(options), "b": integer(np.int64(1), np.int64(5), within=(np.int64(0), np.uint8(9)))})
    assert json.dumps(space.data()) == (
        '{"a": {"choice": [3, 0.5, [1, [true]], "relu"]}, "b": {"integer": [1, 5], "within": [0, 9]}}'
    )
    kinds = {type(space.suggest(study.ask())["a"]) for _ in range(30)}
    assert kinds == {int, float, tuple, str}
    keyed = choice({np.int64(8): {"c": uniform(0, 1)}, np.int64(16): {}})
    assert keyed.data() == {"choice": {"8": {"c": {"uniform": [0.0, 1.0]}}, "16": {}}}


def test_lists_become_tuples(study: Any) -> None:
    space = Space(
        {"a": choice([[64], [64, [32, 16]]]), "b": choice({"[8, 8]": {"c": uniform(0, 1)}, (4,): {}, "[": {}})}
    )
    assert repr(space.parts["a"]) == "choice([(64,), (64, (32, 16))])"
    seen = [space.suggest(study.ask()) for _ in range(30)]
    assert {one["a"] for one in seen} == {(64,), (64, (32, 16))}
    assert {one["b"] for one in seen} == {(8, 8), (4,), "["}
    assert repr(Space(json.loads(json.dumps(space.data())))) == repr(space)


def test_a_space_is_read_from_its_own_data_and_from_toml(tmp_path: Path) -> None:
    space = Space(PARTS)
    assert repr(Space.of(space.data())) == repr(space)
    assert Space.of(space) is space
    path = tmp_path / "space.toml"
    path.write_text(
        """
learning_rate = {log_uniform = [1e-5, 1e-1], within = [1e-7, 1]}
layers = {integer = [1, 64], log = true}
activation = {choice = ["relu", "tanh"]}
[optimizer.choice.sgd]
momentum = {uniform = [0.5, 0.99]}
[optimizer.choice.adam]
""",
        encoding="utf-8",
    )
    expected = {
        "learning_rate": log_uniform(1e-5, 1e-1, within=(1e-7, 1)), "layers": integer(1, 64, log=True),
        "activation": choice(["relu", "tanh"]), "optimizer": PARTS["optimizer"],
    }  # fmt: skip
    for source in (path, str(path)):
        assert Space.of(source).data() == Space(expected).data()
    path.write_text("learning_rate = ", encoding="utf-8")
    with pytest.raises(ValueError, match=r"space.toml is no file of TOML"):
        Space.of(path)
    with pytest.raises(
        FileNotFoundError, match=r"space is .*absent.toml, a file that does not exist, expected a file of"
    ):
        Space.of(tmp_path / "absent.toml")
    with pytest.raises(IsADirectoryError, match="is a folder, expected a space as a file of TOML"):
        Space.of(tmp_path)


def test_a_grid_has_every_combination_once(study: Any) -> None:
    space = Space(PARTS)
    for count in (2, 3):
        points = space.grid(count)
        assert len(points) == space.grid_size(count) == count * 2 * (count + 1) * count
        assert len({tuple(sorted(point.items())) for point in points}) == len(points)
    for point in points:
        study.enqueue_trial(point)
        trial = study.ask()
        space.suggest(trial)
        assert trial.params == point


def test_all_parts_by_plain_name() -> None:
    first, second, rate = uniform(0.5, 0.9), uniform(0.1, 0.2), log_uniform(1e-3, 1)
    space = Space({"kind": choice({"a": {"momentum": first}, "b": {"momentum": second}, "c": {}}), "rate": rate})
    assert space.flat() == {
        "kind": [space.parts["kind"]], "momentum": [first, second], "rate": [rate],
    }  # fmt: skip


def test_files_say_what_is_expected_in_them(tmp_path: Path) -> None:
    path = tmp_path / "space.toml"
    for text, message in (
        ("rate = 3", r"rate is 3, expected \{log_uniform = .*; a fixed value is \{choice = \[3\]\}$"),
        ("rate = true", r"; a fixed value is \{choice = \[true\]\}$"),
        (
            "rate = [0.1, 0.2]",
            r"; one of these values is \{choice = \[0.1, 0.2\]\}; all numbers .* \{uniform = \[0.1, 0.2\]\}$",
        ),
        ("rate = ['a', 'b', 'c']", r"; one of these values is \{choice = \[\"a\", \"b\", \"c\"\]\}$"),
        ("rate = {log = [1, 2]}", r"rate is \{'log': \[1, 2\]\}, expected \{log_uniform = \[low, high\]\}, .*\]\}$"),
        ("kind.choice.a = {rate = 3}", r"rate is 3, expected \{log_uniform = .*; a fixed value is"),
        (
            "rate = {uniform = [1, 0]}",
            "rate: uniform: low is 1 and high is 0, expected low < high; a choice of one value fix",
        ),
        (
            "rate = {uniform = [1, 1], log = true}",
            "rate: uniform has no 'log'; the range with a logarithmic scale is log_u",
        ),
        ("rate = {integer = [1, 2.5]}", "rate: integer: high is 2.5, expected an integer"),
        ("", r"is empty, expected .* learning_rate = \{log_uniform = \[1e-5, 1e-1\]\}$"),
    ):
        path.write_text(text)
        with pytest.raises((TypeError, ValueError), match=rf"^.*space\.toml:? .*{message}") as raised:
            Space.of(path)
        assert "([" not in str(raised.value)  # the syntax of Python


@pytest.mark.parametrize("text", ["{choice = [0.1, 0.2]}", "{uniform = [0.1, 0.2]}", "{integer = [1, 1e2]}"])
def test_files_may_say_what_their_errors_advise(tmp_path: Path, text: str) -> None:
    path = tmp_path / "space.toml"
    path.write_text(f"rate = {text}")
    assert Space.of(path).names == ["rate"]
