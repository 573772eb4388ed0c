"""Transformer: the protocol of all preprocessing, and its checks. Must not know models or training."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from ..data import arrays
from ..signatures import Constructed
from ..typing import Array, Shape
from .rows import Rows, as_numbers, pieces

T = TypeVar("T", bound="Transformer")


class NotFittedError(ValueError, AttributeError):
    """A transformer was used before `fit`. A ValueError and an AttributeError, like that of scikit-learn."""


class Transformer(Constructed):
    """Base of all preprocessing: `fit` learns from the training data, `transform` applies it to samples.

    Attributes
    ----------
    n_features_in_ : int
        Numbers in a sample.
    input_shape_, output_shape_ : tuple of int
        Shape of a sample before and after.

    Raises
    ------
    TypeError
        For anything but arrays of numbers.
    ValueError
        For no samples (for `fit`, fewer than 2), NaN and infinity, samples of another shape than in `fit`, and results
        too large for their dtype. A failed `fit` changes nothing.
    NotFittedError
        For a transformer that is not fitted.

    Notes
    -----
    Samples are (N, D) or images (N, H, W, C). uint8 is read as pixels 0..1. Everything is computed in float64, a few
    rows at a time. Results are float32 for float32, float16 and uint8 input, otherwise float64.
    """

    state: tuple[str, ...] = ()  # the fitted arrays, saved in model files
    reads_tables: bool = False  # whether it takes data frames as they are
    bounded: bool = False  # whether `inverse_transform` refuses numbers beyond a limit, which predictions may pass
    n_features_in_: int
    input_shape_: Shape
    output_shape_: Shape

    # Methods that a transformer overrides; they get checked samples in float64 ---------------------------

    def _learn(self, rows: Rows) -> None:
        """Set the arrays of `state`."""
        raise NotImplementedError

    def _apply(self, x: Array) -> Array:
        """`transform` of x (n, *input_shape_), in a new array."""
        raise NotImplementedError

    def _undo(self, y: Array) -> Array:
        """`inverse_transform` of y (n, *output_shape_), in a new array."""
        raise NotImplementedError

    def _undo_unlimited(self, y: Array) -> Array:
        """`_undo` without limits that results are clipped to."""
        return self._undo(y)

    def _back(self, dy: Array) -> Array:
        """The gradient with respect to the input of `_apply`, from dy, that of its output."""
        raise TypeError(
            f"{type(self).__name__} does not define how a gradient passes through it: add a method _back(dy), "
            "or use a model without preprocessing"
        )

    def _back_at(self, dy: Array, x: Array) -> Array:
        """The same for a transformer whose slope depends on its input x."""
        return self._back(dy)

    def _finish(self) -> Shape:
        """Compute what follows from the arrays of `state`; return the output shape of a sample."""
        return self.input_shape_

    def _state_shapes(self, stored: Mapping[str, Shape]) -> Mapping[str, Shape]:
        """The shapes that the arrays of `state` must have; stored: their shapes in a file."""
        raise NotImplementedError

    # scikit-learn's protocol ------------------------------------------------------------------------------

    def fit(self: T, x: ArrayLike, y: object = None) -> T:
        """Learn from the training samples.

        Parameters
        ----------
        x : array (N, ...)
            At least 2 samples.
        y : ignored
            For scikit-learn.

        Returns
        -------
        Transformer
            Itself.
        """
        array = self.samples(x, "x")
        if len(array) < 2:
            raise ValueError(f"{type(self).__name__}: x has 1 sample, expected at least 2 to fit")
        if not self.reads_tables:
            arrays.check_finite("x", array)
        fitted = self.unfitted()
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):  # overflow is detected below
            fitted._learn_from(Rows(array))
        self._take(fitted)
        return self

    def transform(self, x: ArrayLike) -> Array:
        """Transform samples.

        Parameters
        ----------
        x : array (N, ...)
            Samples of the shape in `fit`.

        Returns
        -------
        array (N, ...)
            A new array.
        """
        array = self.accepted(x, "x")
        return self.apply(array, np.float32 if self.reads_tables else _result_dtype(array))

    def fit_transform(self, x: ArrayLike, y: object = None) -> Array:
        """Call `fit(x)`, then `transform(x)`.

        Parameters
        ----------
        x : array (N, ...)
            At least 2 samples.
        y : ignored
            For scikit-learn.

        Returns
        -------
        array (N, ...)
            A new array.
        """
        return self.fit(x).transform(x)

    def inverse_transform(self, x: ArrayLike) -> Array:
        """Undo `transform`, as far as the transformed samples contain the information.

        Parameters
        ----------
        x : array (N, ...)
            What `transform` returned.

        Returns
        -------
        array (N, ...)
            Samples; uint8 pixels are returned as 0..1.
        """
        self.expect_fitted("inverse_transform")
        array = _samples(x, "x")
        self._expect_shape(array, "x", self.output_shape_, "transforms into")
        arrays.check_finite("x", array)
        return self._through(self._undo, array, self.input_shape_, _result_dtype(array))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's arguments.

        Parameters
        ----------
        deep : bool, default True
            For pipelines.

        Returns
        -------
        dict
            Arguments by name.
        """
        import inspect  # here: importing pynn must stay light

        names = list(inspect.signature(type(self).__init__).parameters)[1:]
        return {name: getattr(self, name) for name in names}

    def set_params(self: T, **params: Any) -> T:
        """Change constructor arguments; the transformer must be fitted again.

        Parameters
        ----------
        **params
            Arguments by name.

        Returns
        -------
        Transformer
            Itself.

        Raises
        ------
        ValueError
            For an unknown name or a value that the constructor rejects.
        """
        if not params:
            return self
        settings = self.get_params(deep=False)
        if unknown := [name for name in params if name not in settings]:
            raise ValueError(f"{type(self).__name__} has no parameter {unknown[0]!r}, only {', '.join(settings)}")
        fresh = type(self)(**{**settings, **params})
        self._take(fresh)  # nothing that was fitted; what `set_output` chose stays
        vars(self).update(vars(fresh))
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return self.fitted

    def __sklearn_tags__(self) -> Any:  # only scikit-learn calls this
        import importlib

        utils: Any = importlib.import_module("sklearn.utils")
        tags = utils.Tags(
            estimator_type="transformer",
            target_tags=utils.TargetTags(required=False),
            transformer_tags=utils.TransformerTags(preserves_dtype=["float64", "float32"]),
        )
        tags.input_tags.three_d_array = True
        return tags

    def __repr__(self) -> str:
        from ..saving.config import constructor_text

        return constructor_text(self)

    # Methods for models and pipelines --------------------------------------------------------------------

    @property
    def fitted(self) -> bool:
        """Whether `fit` has run."""
        return "n_features_in_" in vars(self)

    def expect_fitted(self, method: str) -> None:
        """Raise NotFittedError unless it is fitted.

        Parameters
        ----------
        method : str
            Name of the calling method, for the error.
        """
        if not self.fitted:
            raise NotFittedError(f"{type(self).__name__}: {method} needs it to be fitted; call fit(x) first")

    def accepted(self, x: ArrayLike, name: str, method: str = "transform") -> Array:
        """Check samples as `transform` does.

        Parameters
        ----------
        x : array (N, ...)
            Samples.
        name, method : str
            Names of x and of the calling method, for errors; the method is "transform" by default.

        Returns
        -------
        array (N, ...)
            The samples.
        """
        self.expect_fitted(method)
        array: Array = self.samples(x, name)
        self._expect_input(array, name)
        return array

    def samples(self, x: ArrayLike, name: str) -> Any:
        """Read samples as `fit` takes them, without the checks that need a fitted transformer.

        Parameters
        ----------
        x : array (N, ...)
            Samples.
        name : str
            Name of x, for errors.

        Returns
        -------
        array (N, ...) or Table
            The samples; a table if the transformer `reads_tables`.
        """
        return _samples(x, name)

    def apply(self, x: Array, dtype: DTypeLike) -> Array:
        """Transform checked samples.

        Parameters
        ----------
        x : array (N, ...)
            Samples from `accepted`.
        dtype : dtype
            Dtype of the result.

        Returns
        -------
        array (N, ...)
            A new array.
        """
        return self._through(self._apply, x, self.output_shape_, dtype)

    def back(self, dy: Array, x: Array | None = None) -> Array:
        """Compute the gradient with respect to the samples.

        Parameters
        ----------
        dy : array (N, ...)
            Gradient with respect to `transform(x)`.
        x : array (N, ...), optional
            The samples; needed where the slope depends on them, as that of `SmoothClip` does.

        Returns
        -------
        array (N, ...)
            A new array of dy's dtype; for uint8 pixels, with respect to their values scaled to 0..1.
        """
        wide = np.asarray(dy, np.float64)
        if x is None:
            return self._back(wide).astype(dy.dtype)
        dx: Array = self._back_at(wide, as_numbers(x)).astype(dy.dtype)
        return dx

    def unfitted(self: T) -> T:
        """Return a new transformer with the same arguments.

        Returns
        -------
        Transformer
            Not fitted.
        """
        fresh = copy.copy(self)
        fresh._take(type(self).__new__(type(self)))
        return fresh

    def tensors(self, prefix: str = "") -> dict[str, Array]:
        """Return the fitted arrays by their names in a model file: "mean", "0.mean".

        Parameters
        ----------
        prefix : str, default ""
            Start of each name.

        Returns
        -------
        dict
            Arrays by name.
        """
        self.expect_fitted("saving")
        return {f"{prefix}{name.rstrip('_')}": getattr(self, name) for name in self.state}

    def tensor_names(self, prefix: str = "") -> list[str]:
        """Return the names in `tensors`, fitted or not.

        Parameters
        ----------
        prefix : str, default ""
            Start of each name.

        Returns
        -------
        list of str
            The names.
        """
        return [f"{prefix}{name.rstrip('_')}" for name in self.state]

    def restore(self, input_shape: Shape, tensors: Mapping[str, Array], prefix: str = "") -> None:
        """Take over the fitted arrays of a model file.

        Parameters
        ----------
        input_shape : tuple of int
            Shape of a sample.
        tensors : dict
            What `tensors` returned.
        prefix : str, default ""
            Start of each name.

        Raises
        ------
        ValueError
            If they do not fit.
        """
        stored = {name: tensors[full] for name, full in zip(self.state, self.tensor_names(prefix), strict=True)}
        self._set_shape(input_shape)
        expected = self._state_shapes({name: array.shape for name, array in stored.items()})
        for name, array in stored.items():
            if array.dtype != np.float64 or array.shape != expected[name]:
                full = f"{prefix}{name.rstrip('_')}"
                raise ValueError(f"{full} is {array.dtype} {array.shape}, expected float64 {expected[name]}")
            if not np.isfinite(array).all():
                raise ValueError(f"{prefix}{name.rstrip('_')} holds NaN or infinity")
            setattr(self, name, np.array(array))
        self.output_shape_ = self._finish()

    # Inside -----------------------------------------------------------------------------------------------

    def _learn_from(self, rows: Rows) -> None:
        self._set_shape(rows.shape)
        self._learn(rows)
        for name in self.state:
            setattr(self, name, np.asarray(getattr(self, name), np.float64))
            if not np.isfinite(getattr(self, name)).all():
                raise ValueError(f"{type(self).__name__}: the range of x is too large for float64; scale it down first")
        self.output_shape_ = self._finish()

    def _set_shape(self, shape: Shape) -> None:
        self.input_shape_, self.n_features_in_ = shape, math.prod(shape)

    def _take(self: T, fitted: T) -> None:
        """Copy the fitted attributes of another transformer with the same arguments."""
        for name in [name for name in vars(self) if name.endswith("_")]:
            delattr(self, name)
        vars(self).update({name: value for name, value in vars(fitted).items() if name.endswith("_")})

    def _expect_input(self, x: Any, name: str) -> None:
        """ValueError or TypeError for samples that it was not fitted to."""
        self._expect_shape(x, name, self.input_shape_, "was fitted on")
        arrays.check_finite(name, x)

    def _expect_shape(self, x: Array, name: str, shape: Shape, verb: str) -> None:
        if x.shape[1:] != shape:
            expected = ", ".join(["N", *map(str, shape)])
            raise ValueError(
                f"{name} has shape {x.shape}, expected ({expected}): {type(self).__name__} {verb} such samples"
            )

    def _through(self, function: Callable[[Array], Array], x: Array, shape: Shape, dtype: DTypeLike) -> Array:
        out: Array = np.empty((len(x), *shape), dtype)
        with np.errstate(all="ignore"):  # detected below
            for part, piece in pieces(x):
                out[part] = function(piece)
                if not np.isfinite(out[part]).all():
                    raise ValueError(
                        f"{type(self).__name__}: a result is too large for {out.dtype}; "
                        "x is far from the samples in fit, or must be scaled down first"
                    )
        return out


def _samples(x: ArrayLike, name: str) -> Array:
    array = arrays.samples(name, x)
    if array.ndim < 2 or array.size == 0:
        raise ValueError(
            f"{name} has shape {array.shape}, expected (N, D) or (N, H, W, C) with at least one feature; "
            f"a single feature is {name}[:, None], a single sample {name}[None]"
        )
    return array


def _result_dtype(x: Array) -> DTypeLike:
    small = x.dtype == np.uint8 or (x.dtype.kind == "f" and x.dtype.itemsize <= 4)
    return np.float32 if small else np.float64
