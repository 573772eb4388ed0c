"""TableEncoder: a data frame, as it is, becomes an array of numbers and category codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from ..checks import FLAG, Count, Instance, OrNone
from ..data import columns as kinds
from ..data import matching, tables
from ..data.columns import Column
from ..data.frames import Table, table
from ..signatures import takes
from ..typing import Array, Shape
from . import table_file, table_warnings
from .base import Transformer
from .named import Named, different
from .rows import Rows
from .table_layout import Encoded, Layout, dense, size

AT_ONCE = 1 << 17  # numbers of a block, which a processor's cache holds
DESCRIPTION, SCALING = "columns", "numbers."  # names of its tensors


class TableEncoder(Named):
    """Data frames as they are: numbers, booleans, categories, text, dates and gaps become columns of numbers.

    Parameters
    ----------
    one_hot : int, default 9
        Categories of up to so many values become one-hot columns.
    embedding : bool, default True
        Whether categories of more values become codes for `pynn.Embedding`, which takes `sizes_`. Otherwise they become
        one-hot columns, too.
    numbers : Transformer, optional
        Applied to all columns but the codes, such as ``pynn.Pipeline(pynn.RobustScaling(), pynn.SmoothClip())``. A copy
        is fitted.
    indicator : bool, default True
        Whether each column of numbers or dates with missing values in `fit` adds a column that is 1 where they are.
    max_categories : int, default 256
        At least 2; where one-hot columns are made of more values than one_hot, of the most frequent values only: the
        rest share the last of so many columns, with values that `fit` did not see. More columns would cost memory and
        learn little from few rows.
    categorical : list of str, int or bool, default ()
        Columns whose numbers are categories, by name or by place, or a mask of all.

    Attributes
    ----------
    columns_ : list of Column
        What each column of the table is (`pynn.data.columns.Column`), with a word of warning in `note`.
    numbers_, one_hot_, codes_ : slice
        The parts of the result: numbers, dates and indicators; one-hot columns; codes.
    sizes_ : list of int
        How many categories each column of codes has.
    feature_names_in_ : array of str
        The names of the table's columns, if it has names.
    n_features_in_ : int
        Columns of the table.
    scaling_ : Transformer or None
        The fitted copy of numbers.
    medians_ : array
        The median of each number, which missing ones become.

    Raises
    ------
    TypeError or ValueError
        For columns that cannot be used, infinite numbers, missing columns, and columns that hold something else than in
        `fit`: the message names the column and says what to do.
    NotFittedError
        If it is not fitted.

    Notes
    -----
    Takes frames of pandas and polars, record arrays, arrays (N, D), rows as lists or dicts, and dicts of columns; gives
    float32 (N, numbers + indicators | one-hot columns | codes). Columns are found by their names, in any order (in a
    frame they may be whole numbers); others are ignored. Constant and empty columns are left out, and so is, with a
    warning, text of which at least 95 % of 50 or more values differ, as names and ids do.

    A category of two values is one column of -1 and 1, as booleans are. Missing and unknown categories are 0 in all
    their columns; their code is -1. "1" and 1 are different values. Text that consists of ten or more different
    numbers (1,234.5, 1.234,5, $12, 7 %) or dates (2020-01-31, 31.1.2020, 1/31/2020 and others) is read as such, with a
    warning, unless it has leading zeros, as zip codes do; words such as "?" and "NA" among them are missing values, and
    so are a few others, at most 1 % of the rows, or 10 % among numbers of Python. Dates that could be month/day/year
    or day/month/year are taken for the former, and 1,234 for a whole number. To keep it text, give the column the dtype
    "category", or name it in `categorical`. Another table is read alike, and model files keep how. Other text that
    `fit` did not see becomes missing there, with a warning, up to that share and what chance adds to it in a few rows;
    more is refused.

    Dates become days since the earliest one and, where they vary enough, month, weekday and hour, in UTC
    if they have a time zone; times that passed become days; times of day become hours. The rules follow RealMLP [1]_.

    References
    ----------
    .. [1] D. Holzmüller, L. Grinsztajn, I. Steinwart, "Better by default: Strong pre-tuned MLPs and boosted trees on
       tabular data", NeurIPS 2024.

    Examples
    --------
    >>> scaling = pynn.Pipeline(pynn.RobustScaling(), pynn.SmoothClip())
    >>> encoder = pynn.TableEncoder(embedding=False, numbers=scaling)
    >>> model.fit(frame, y, preprocessing=encoder, validation=0.2)
    """

    reads_tables = True
    columns_: list[Column]
    scaling_: Transformer | None
    medians_: Array
    layout_: Layout
    _takes = takes(
        one_hot=Count(0), embedding=FLAG, numbers=OrNone(Instance(Transformer)), indicator=FLAG,
        max_categories=Count(2),
    )  # fmt: skip

    def __init__(
        self,
        one_hot: int = 9,
        embedding: bool = True,
        numbers: Transformer | None = None,
        indicator: bool = True,
        max_categories: int = 256,
        categorical: ArrayLike | None = (),
    ) -> None:
        self.one_hot, self.embedding, self.numbers, self.indicator = one_hot, embedding, numbers, indicator
        self.max_categories, self.categorical = max_categories, categorical
        tables.names_or_places(categorical, "TableEncoder: categorical")

    # Learning -----------------------------------------------------------------------------------------

    def _learn_from(self, rows: Rows) -> None:
        if rows.before:
            raise TypeError("TableEncoder reads tables, so it must be the first step of a pipeline")
        x = table(rows.x)
        learned = kinds.learn_all(x, tables.chosen(self.categorical, x.labels, "TableEncoder: categorical", x.name))
        if not self.embedding:
            most = max(self.one_hot, self.max_categories)
            learned = [kinds.limited(column, most) if column.categories else column for column in learned]
        self._settle(learned, x.names is not None)
        if not self.layout_.width:
            raise ValueError(
                f"x has no column that tells anything: {self.columns_[0].name!r} {self.columns_[0].note}"
                + (" and so on" if len(learned) > 1 else "")
            )
        if self.scaling_ is not None:
            self.scaling_._learn_from(Encoded(self, x))
            self._expect_same_width()
        table_warnings.warn(x, learned)

    def _settle(self, columns: list[Column], named: bool) -> None:
        """Set all that follows from the columns."""
        self.columns_ = columns
        self.layout_ = layout = Layout.of(columns, self.one_hot if self.embedding else np.inf, self.indicator)
        self.medians_ = np.array([median for column in columns for median in column.medians])
        self._set_shape((len(columns),))
        self.output_shape_ = (layout.width,)
        self.numbers_, self.one_hot_ = slice(0, layout.plain), slice(layout.plain, layout.dense)
        self.codes_ = slice(layout.dense, layout.width)
        self.sizes_ = [size(columns[place]) for place in layout.codes]
        self.scaling_ = None if self.numbers is None or not layout.dense else self.numbers.unfitted()
        used = [place for place, column in enumerate(columns) if column.used]
        plain = all(columns[place].kind == "number" and not columns[place].text for place in used)
        self.places_ = used if plain else None  # of the columns that an array of numbers has
        if named:
            self.feature_names_in_ = np.array([column.name for column in columns], object)

    def _read_text(self, forms: Mapping[Any, tuple[str, tuple[str, ...]]]) -> None:
        """Have these columns, learned from numbers or dates, read from text too: the form of each, and its words."""
        self.columns_ = [
            replace(column, text=True, form=forms[column.name][0], words=forms[column.name][1])
            if column.kind in ("number", "date") and column.name in forms
            else column
            for column in self.columns_
        ]
        self.places_ = None

    def _expect_same_width(self) -> None:
        assert self.scaling_ is not None
        if self.scaling_.output_shape_ != (self.layout_.dense,):
            raise ValueError(
                f"TableEncoder: numbers is {self.scaling_!r}, which makes {self.scaling_.output_shape_} of "
                f"{self.layout_.dense} columns, expected one of each; put it after the encoder in a pynn.Pipeline"
            )

    # Reading ------------------------------------------------------------------------------------------

    def samples(self, x: ArrayLike, name: str) -> Any:
        if type(x) is np.ndarray and x.ndim == 2 and x.dtype.kind in "fiu" and vars(self).get("places_") is not None:
            return x
        return table(x, name)

    def _expect_input(self, x: Any, name: str) -> None:
        if isinstance(x, Table):
            self._read(x)
            return
        if x.shape[1] != self.n_features_in_ or not len(x) or (x.dtype.kind == "f" and not np.isfinite(x).all()):
            self._read(table(x, name))  # which finds what is wrong, if it is not only missing numbers

    def _read(self, x: Table) -> list[Array | None]:
        """All rows of the columns that are used, read once for each table."""
        for columns, read in x.shared:
            if columns is self.columns_:
                return read  # type: ignore[no-any-return]
        labels = matching.labels(self.columns_, x)
        read = [
            kinds.read(column, x, label) if column.used else None
            for column, label in zip(self.columns_, labels, strict=True)
        ]
        x.shared.append((self.columns_, read))
        return read

    def apply(self, x: Any, dtype: DTypeLike) -> Array:
        width = self.layout_.width
        rows = max(1, AT_ONCE // width)
        with np.errstate(all="ignore"):  # detected below
            if self._is_plain(x) and len(x) <= rows:
                return self._of_plain(x, dtype)
            out: Array = np.empty((len(x), width), dtype)
            for start in range(0, len(x), rows):
                self._fill(x[start : start + rows], out[start : start + rows])
        return out

    def _is_plain(self, x: Any) -> bool:
        """Whether it is an array whose columns are the numbers."""
        return type(x) is np.ndarray and x.shape[1] == self.layout_.width and not self.layout_.indicators

    def _of_plain(self, x: Array, dtype: DTypeLike) -> Array:
        """The quick way for a few rows."""
        scaled = x if self.scaling_ is None else self.scaling_._apply(x.astype(np.float64, copy=False))
        out: Array = scaled.astype(dtype)
        if not np.isfinite(out).all():
            self._fill(x, out)
        return out

    def _fill(self, x: Any, out: Array) -> None:
        count = self.layout_.dense
        if count:
            out[:, :count] = self._dense(x)
            finite = np.isfinite(out[:, :count])
            if not finite.all():
                place = int(np.argmin(finite.all(axis=0)))
                raise ValueError(
                    f"TableEncoder: {self.get_feature_names_out()[place]!r} becomes too large for {out.dtype}; give "
                    "numbers=pynn.RobustScaling(), or scale it down first"
                )
        if self.layout_.codes:
            read = self._read(x)
            for target, place in enumerate(self.layout_.codes, count):
                out[:, target] = x.chosen(read[place])

    def _dense(self, x: Any) -> Array:
        """The columns of all but the codes."""
        if isinstance(x, Table):
            block = dense(self.layout_, self.columns_, self.medians_, x, self._read(x))
        else:
            block = dense(self.layout_, self.columns_, self.medians_, x[:, self.places_], ())
        return block if self.scaling_ is None else self.scaling_._apply(block)

    def _apply(self, x: Any) -> Array:
        return self.apply(x, np.float64)

    def _undo(self, y: Array) -> Array:
        raise TypeError("TableEncoder has no inverse: the table cannot be made from its numbers")

    def _back(self, dy: Array) -> Array:
        raise TypeError(
            "a gradient cannot pass through TableEncoder to the table; for that of the encoded columns, use a model "
            "without preprocessing on encoder.transform(x)"
        )

    def inverse_transform(self, x: ArrayLike) -> Array:
        return self._undo(np.asarray(x))

    # scikit-learn -------------------------------------------------------------------------------------

    def get_feature_names_out(self, input_features: Sequence[str] | None = None) -> Array:
        """Return the names of the resulting columns: "age", "age_missing", "city_Bern".

        Parameters
        ----------
        input_features : list of str, optional
            Names of the columns of an array, by default x0, x1 and so on; a table's names must be those of `fit`.

        Returns
        -------
        array of str
            One name for each column of the result. A boolean or a category of two values has the name of the second
            value; codes have that of their column. Of equal names the later ones get a number: "age_missing_2".
        """
        self.expect_fitted("get_feature_names_out")
        named = [name if isinstance(name, str) else f"x{name}" for name in (column.name for column in self.columns_)]
        if input_features is not None:
            given = [str(one) for one in input_features]
            if len(given) != len(named) or (hasattr(self, "feature_names_in_") and given != named):
                raise ValueError(f"input_features is {tables.listed(given)}, expected {tables.listed(named)}")
            named = given
        return np.array(different(self.layout_.names(self.columns_, named)), object)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's arguments.

        Parameters
        ----------
        deep : bool, default True
            Return those of `numbers` too, as "numbers__limit".

        Returns
        -------
        dict
            Arguments by name.
        """
        params = super().get_params(deep=False)
        if deep and self.numbers is not None:
            params |= {f"numbers__{name}": value for name, value in self.numbers.get_params().items()}
        return params

    def set_params(self, **params: Any) -> TableEncoder:
        """Change constructor arguments; the encoder must be fitted again.

        Parameters
        ----------
        **params
            Arguments by name, as in `get_params`.

        Returns
        -------
        TableEncoder
            Itself.

        Raises
        ------
        ValueError
            For an unknown name or a value that the constructor rejects.
        """
        inner = {name[9:]: params.pop(name) for name in list(params) if name.startswith("numbers__")}
        chosen: Any = params.get("numbers", self.numbers)
        if inner and not isinstance(chosen, Transformer):
            raise ValueError(f"TableEncoder: numbers is None, so it has no parameter {next(iter(inner))!r}")
        if inner:
            chosen.unfitted().set_params(**inner)  # checked before anything is changed
        super().set_params(**params)
        if inner:
            chosen.set_params(**inner)
            super().set_params(numbers=chosen)
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.string = tags.input_tags.categorical = True
        tags.input_tags.three_d_array = False
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    # Model files --------------------------------------------------------------------------------------

    @property
    def _given(self) -> dict[str, Any]:
        """What a file has in place of constructor arguments: no numbers, where all columns are codes; a plain list."""
        plain = isinstance(self.categorical, tuple)
        listed = {} if plain else {"categorical": tables.names_or_places(self.categorical, "categorical")}
        return {**listed, "numbers": None} if self.fitted and not self.layout_.dense else listed

    def tensors(self, prefix: str = "") -> dict[str, Array]:
        self.expect_fitted("saving")
        own = {f"{prefix}{DESCRIPTION}": table_file.written(self.columns_)}
        return own if self.scaling_ is None else {**own, **self.scaling_.tensors(f"{prefix}{SCALING}")}

    def tensor_names(self, prefix: str = "") -> list[str]:
        scaling = self.numbers
        own = [f"{prefix}{DESCRIPTION}"]
        return own if scaling is None else [*own, *scaling.tensor_names(f"{prefix}{SCALING}")]

    def restore(self, input_shape: Shape, tensors: Mapping[str, Array], prefix: str = "") -> None:
        columns = table_file.read(tensors[f"{prefix}{DESCRIPTION}"], f"{prefix}{DESCRIPTION}")
        if (len(columns),) != input_shape:
            raise ValueError(f"{prefix}{DESCRIPTION} describes {len(columns)} columns, expected {input_shape}")
        self._settle(columns, isinstance(columns[0].name, str))
        if self.scaling_ is not None:
            self.scaling_.restore((self.layout_.dense,), tensors, f"{prefix}{SCALING}")
            self._expect_same_width()
