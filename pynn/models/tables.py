"""The networks for tables, functions of `pynn.models`: RealMLP in its full and its simplified form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..checks import expect_count
from ..initializers import Normal, Zeros
from ..layers import (
    PSELU,
    SELU,
    Affine,
    Dropout,
    Embedding,
    Layer,
    Mish,
    Parallel,
    PeriodicEmbedding,
    PMish,
    Scale,
)
from ..schedules import Schedule
from .sequential import Sequential

ACTIVATIONS: dict[tuple[str, bool], type[Layer]] = {
    ("selu", True): PSELU,
    ("selu", False): SELU,
    ("mish", True): PMish,
    ("mish", False): Mish,
}
SLOW = 0.1  # factor of the learning rate of biases, activations and periodic embeddings
DROPOUT = 0.15
FRONT = 6.0  # factor of the learning rate of the scale in front


def realmlp(
    outputs: int,
    *,
    numbers: int | None = None,
    one_hot: int = 0,
    sizes: Sequence[int] = (),
    form: str = "full",
    activation: str = "selu",
    hidden: Sequence[int] = (256, 256, 256),
    dropout: float | Schedule = DROPOUT,
    units: int = 8,
    **settings: Any,
) -> Sequential:
    """RealMLP, a network for tables that is good with its defaults.

    A learned scale in front of affine layers in NTK parametrization. The full form also embeds numbers periodically and
    categories by vectors, has parametric activations and dropout; the last layer of the simplified form starts at 0.

    Parameters
    ----------
    outputs : int
        Number of outputs: of the classes, or of the numbers to predict.
    numbers, one_hot : int, optional
        How many columns are numbers, which come first, and how many after them are one-hot; by default all are numbers.
    sizes : list of int, default ()
        Numbers of values of the columns of codes, which come last; see `Embedding`.
    form : {"full", "simplified"}, default "full"
        RealMLP-TD or RealMLP-TD-S. The simplified form takes no codes: make them one-hot.
    activation : {"selu", "mish"}, default "selu"
        "selu" for classes, "mish" for numbers.
    hidden : list of int, default (256, 256, 256)
        Units of the hidden layers.
    dropout : float or Schedule, default 0.15
        Of the full form; the simplified form has none. The recipe has ``FlatCosine(0.15, epochs)``.
    units : int, default 8
        Length of the vectors of categories.
    **settings
        As for `Sequential`.

    Returns
    -------
    Sequential
        The network, not built.

    Raises
    ------
    ValueError
        For settings out of range.

    Notes
    -----
    `pynn.sklearn.TabularClassifier` and `TabularRegressor` train it by its recipe: Adam with β2 = 0.95 and `CosLog`,
    inputs by `TableEncoder`, first weights of the full form by `data_dependent` with ``bias="simplex"``.

    References
    ----------
    .. [1] Holzmüller, Grinsztajn & Steinwart, "Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on Tabular
       Data", 2024.
    """
    widths = list(hidden)
    expect_count("realmlp", 1, outputs=outputs, units=units)
    expect_count("realmlp", 1, **{f"hidden[{place}]": width for place, width in enumerate(widths)})
    full = _is_full(form, sizes, dropout)
    _expect_columns(numbers, one_hot, sizes)
    if (activation, full) not in ACTIVATIONS:
        raise ValueError(f"realmlp: activation is {activation!r}, expected 'selu' or 'mish'")
    layers: list[Layer] = [*(_front(numbers, one_hot, list(sizes), units) if full else ()), _slowed(Scale(), FRONT)]
    for width in widths:
        layers += [_affine(width, full), _activation(activation, full)]
        if full and dropout:
            layers.append(Dropout(dropout))
    return Sequential(*layers, _affine(outputs, full, last=True), **settings)


def _is_full(form: str, sizes: Sequence[int], dropout: float | Schedule) -> bool:
    if form not in ("full", "simplified"):
        raise ValueError(f"realmlp: form is {form!r}, expected 'full' or 'simplified'")
    if len(sizes) and form == "simplified":
        raise ValueError("realmlp: the simplified form takes no codes; make the categories one-hot, or use form='full'")
    if form == "simplified" and dropout not in (0, DROPOUT):
        raise ValueError(f"realmlp: dropout is {dropout!r}, but the simplified form has none; use form='full'")
    return form == "full"


def _expect_columns(numbers: int | None, one_hot: int, sizes: Sequence[int]) -> None:
    """ValueError unless these can be numbers of columns."""
    expect_count("realmlp", 0, one_hot=one_hot, **({} if numbers is None else {"numbers": numbers}))
    given = "sizes" if len(sizes) else "one_hot" if one_hot else ""
    if numbers is None and given:
        raise ValueError(f"realmlp: {given} needs numbers, the count of the columns of numbers, which come first")
    if numbers == 0 and not given:
        raise ValueError("realmlp: numbers is 0, and there are no other columns; pass one_hot or sizes too")


def _front(numbers: int | None, one_hot: int, sizes: list[int], units: int) -> list[Layer]:
    """Embeddings of numbers and of categories, beside the one-hot columns."""
    periodic = _slowed(PeriodicEmbedding(), SLOW)
    if numbers is None or (numbers and not one_hot and not sizes):
        return [periodic]
    parts: list[Layer | None] = []
    columns: list[slice] = []
    end = numbers + one_hot
    if numbers:
        parts, columns = [periodic], [slice(0, numbers)]
    if one_hot:
        parts, columns = [*parts, None], [*columns, slice(numbers, end)]
    if sizes:
        parts, columns = [*parts, Embedding(sizes, units)], [*columns, slice(end, end + len(sizes))]
    return [] if parts == [None] else [Parallel(*parts, columns=columns)]


def _affine(units: int, full: bool, last: bool = False) -> Affine:
    zeros = last and not full
    layer = Affine(
        units, parametrization="ntk", initializer=Zeros() if zeros else Normal(1),
        bias_initializer=Zeros() if full or zeros else Normal(1),
    )  # fmt: skip
    layer.learning_rate_factor = {"bias": SLOW}
    return layer


def _activation(name: str, full: bool) -> Layer:
    layer = ACTIVATIONS[name, full]()
    return _slowed(layer, SLOW) if full else layer


def _slowed(layer: Layer, factor: float) -> Layer:
    layer.learning_rate_factor = factor
    return layer
