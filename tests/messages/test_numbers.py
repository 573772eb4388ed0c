"""Numbers as text that tells them apart."""

from __future__ import annotations

import pytest

from pynn.messages.numbers import told_apart


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ((1_000_000, 1_000_400), ["1000000", "1000400"]),
        ((2**53, 2**53 + 20), ["9007199254740992", "9007199254741012"]),
        ((1e-5, 0.1), ["1e-05", "0.1"]),
        ((1234567.0, 1234999.0), ["1234567", "1234999"]),
        ((-1e308, 1e308), ["-1e+308", "1e+308"]),
        ((5.0,), ["5"]),
        ((), []),
    ],
)
def test_ends_are_told_apart(values: tuple[float, ...], texts: list[str]) -> None:
    assert told_apart(values) == texts


def test_numbers_far_from_each_other_have_few_digits() -> None:
    assert told_apart((1e-4, 3.16228e-3, 0.1), 2) == ["0.0001", "0.0032", "0.1"]
    assert told_apart((0.5, 0.50001, 0.50002), 2) == ["0.5", "0.50001", "0.50002"]
