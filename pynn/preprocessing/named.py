"""Transformers whose results have named columns: they may return data frames, as scikit-learn's do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..typing import Array
from .base import Transformer

N = TypeVar("N", bound="Named")


def different(names: Iterable[str]) -> list[str]:
    """The names, of equal ones the later ones with a number: "a", "a_2"."""
    found: list[str] = list(names)
    taken, seen = set(found), set[str]()
    for place, name in enumerate(found):
        if name in seen:
            found[place] = next(new for number in count(2) if (new := f"{name}_{number}") not in taken)
            taken.add(found[place])
        seen.add(name)
    return found


class Named(Transformer):
    """Base: `transform` returns what `set_output` chose."""

    def get_feature_names_out(self, input_features: Sequence[str] | None = None) -> Array:
        """Return the names of the resulting columns.

        Parameters
        ----------
        input_features : list of str, optional
            Names of the columns before.

        Returns
        -------
        array of str
            One name for each column of the result.
        """
        raise NotImplementedError

    def transform(self, x: ArrayLike) -> Any:
        """Transform a table.

        Parameters
        ----------
        x : data frame, array (N, D), record array, list or dict
            Rows with the columns of `fit`.

        Returns
        -------
        array (N, C)
            float32, or a data frame, see `set_output`.
        """
        result = self.apply(self.accepted(x, "x"), np.float32)
        config = vars(self).get("_sklearn_output_config")
        if config is None or config["transform"] == "default":
            return result
        kind = config["transform"]
        import importlib  # pandas and polars are imported for nobody else

        index = {"index": x.index} if hasattr(x, "iloc") else {}  # type: ignore[union-attr]
        names = self.get_feature_names_out().tolist()
        named = {"columns": names, **index} if kind == "pandas" else {"schema": names, "orient": "row"}
        return importlib.import_module(kind).DataFrame(result, **named)

    def set_output(self: N, *, transform: str | None = None) -> N:
        """Choose what `transform` returns; models do not care.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, optional
            An array, or a data frame with the names of `get_feature_names_out`; None changes nothing.

        Returns
        -------
        Transformer
            Itself.
        """
        if transform is not None:
            checks.expect_choice(type(self).__name__, ("default", "pandas", "polars"), transform=transform)
            self._sklearn_output_config = {"transform": transform}
        return self
