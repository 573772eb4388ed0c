"""Objects as plain data and back."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pynn.saving import config


class Thing:
    def __init__(self, size: int, rate: float = 0.5, inner: Any = None) -> None:
        self.size, self.rate, self.inner = size, rate, inner


class Row:
    def __init__(self, *things: Any, title: str = "") -> None:
        self.things, self.title = list(things), title


class Named:
    """Bears the words that descriptions use themselves."""

    def __init__(self, name: str, items: Any = (), arguments: Any = None) -> None:
        self.name, self.items, self.arguments = name, items, arguments


class Careless:
    def __init__(self, size: int) -> None:
        self.length = size


class Bare:
    pass


BASES = (Thing, Row, Named, Careless, Bare)
KINDS = {kind.__name__: kind for kind in BASES}


def there_and_back(value: Any) -> Any:
    text = json.dumps(config.to_data(value, BASES))
    return config.from_data(json.loads(text), KINDS)


@pytest.mark.parametrize(
    ("thing", "text"),
    [
        (Thing(3), "Thing(size=3)"),
        (Thing(3, 0.25), "Thing(size=3, rate=0.25)"),
        (Thing(3, inner=[1, "a"]), "Thing(size=3, inner=[1, 'a'])"),
        (Row(1, "b", title="c"), "Row(1, 'b', title='c')"),
        (Bare(), "Bare()"),
    ],
)
def test_text_is_the_source_of_the_object(thing: object, text: str) -> None:
    assert config.constructor_text(thing) == text


def test_equal_values_are_left_out_however_they_were_made() -> None:
    """The text and the file of an object do not depend on whether Python shares its constants."""
    assert config.constructor_text(Thing(3, float("0.5"))) == "Thing(size=3)"
    assert config.constructor_text(Thing(3, True)) == "Thing(size=3, rate=True)"
    assert config.constructor_text(Row(title="".join([]))) == "Row()"


@pytest.mark.parametrize("value", [np.array([1.0, 2.0]), np.zeros(0)])
def test_arrays_as_arguments_are_compared_without_an_error(value: np.ndarray) -> None:
    assert config.constructor_text(Thing(3, inner=value)).startswith("Thing(size=3, inner=array(")


def test_an_argument_that_is_not_kept_is_named_with_what_to_do() -> None:
    for call in (config.constructor_text, lambda thing: config.to_data(thing, BASES)):
        with pytest.raises(TypeError, match=r"Careless takes the argument 'size'.*self\.size = size"):
            call(Careless(3))


def test_objects_inside_objects_come_back() -> None:
    back = there_and_back([Row(Thing(1), Row(Bare(), Thing(2, 0.125)), title="x"), {"a": Thing(3, inner=Thing(4))}])
    assert config.constructor_text(back[0].things[0]) == "Thing(size=1)"
    assert config.constructor_text(back[0].things[1].things[1]) == "Thing(size=2, rate=0.125)"
    assert back[0].title == "x"
    assert back[1]["a"].inner.size == 4


@pytest.mark.parametrize("items", [[], [1, 2], [[1], [2]]])
def test_arguments_may_bear_the_words_of_descriptions(items: list[Any]) -> None:
    back = there_and_back(Named("n", items=items, arguments={"a": 1}))
    assert (back.name, back.items, back.arguments) == ("n", items, {"a": 1})


@pytest.mark.parametrize(
    ("value", "expected"),
    [(np.int64(3), 3), (np.float32(0.5), 0.5), (np.bool_(True), True), ((1, 2), [1, 2]), ({1: 2}, {"1": 2})],
)
def test_numbers_of_numpy_and_tuples_become_plain(value: Any, expected: Any) -> None:
    data = config.to_data(value, ())
    assert data == expected
    assert type(data) is type(expected)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text().filter(lambda key: key != "kind"), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(plain)
def test_plain_data_come_back_as_they_were(value: Any) -> None:
    assert there_and_back(value) == value


@pytest.mark.parametrize(
    "value", [np.zeros(3), {1, 2}, object(), b"bytes", 1j, Thing, lambda: 0], ids=lambda value: type(value).__name__
)
def test_values_that_cannot_be_saved_are_refused(value: Any) -> None:
    with pytest.raises(
        TypeError, match=r"cannot be saved in a model file, expected numbers, text, lists or pynn objects"
    ):
        config.to_data([value], BASES)


def test_a_dictionary_that_looks_like_an_object_is_refused_when_written() -> None:
    with pytest.raises(TypeError, match="'kind'"):
        config.to_data({"kind": "Thing", "size": 3}, BASES)


@pytest.mark.parametrize("kind", ["os.system", "eval", "Elsewhere", "", "__class__", None, 3, [], {}])
def test_only_listed_classes_are_made(kind: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        config.from_data({"kind": kind, "arguments": {"command": "exit 1"}}, KINDS)


def test_an_unknown_class_says_how_to_pass_it() -> None:
    with pytest.raises(
        ValueError, match=r"'Mine' is not a pynn class; pass your own as pynn\.load\(path, own=\[Mine\]"
    ):
        config.from_data({"kind": "Mine"}, KINDS)


REGISTRY = {"thing": lambda: Thing(1), "bare": Bare}


def test_resolve_takes_a_name_or_the_object_itself() -> None:
    thing = Thing(3)
    assert config.resolve(thing, REGISTRY, Thing, "thing") is thing
    assert isinstance(config.resolve("bare", REGISTRY, Bare, "thing"), Bare)


@pytest.mark.parametrize(
    ("choice", "error", "message"),
    [
        ("rubbish", ValueError, r"^what is 'rubbish', expected one of thing, bare$"),
        ("", ValueError, r"^what is '', expected one of thing, bare$"),
        (Bare, TypeError, r"^what is <class .*Bare'>, expected .*Bare; write Bare\(\)$"),
        (Thing(1), TypeError, r"^what is <.*Thing object.*>, expected .*Bare$"),
        (None, TypeError, r"^what is None, expected .*Bare$"),
        (3, TypeError, r"^what is 3, expected .*Bare$"),
    ],
)
def test_resolve_says_what_came_and_what_was_expected(choice: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        config.resolve(choice, REGISTRY, Bare, "what")
