"""Pipeline: transformers in sequence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, overload

from numpy.typing import ArrayLike

from ..checks import expect_instance
from ..typing import Array, Shape
from .base import NotFittedError, Transformer
from .rows import Rows


def in_sequence(preprocessing: Transformer | None) -> list[Transformer]:
    """The transformers one after the other, those of pipelines within pipelines too."""
    if isinstance(preprocessing, Pipeline):
        return [inner for step in preprocessing.steps for inner in in_sequence(step)]
    return [] if preprocessing is None else [preprocessing]


class Pipeline(Transformer):
    """Transformers in sequence: each is fitted on the output of those before it.

    Parameters
    ----------
    *steps : Transformer
        At least one transformer; steps may be pipelines.

    Notes
    -----
    ``pipeline[0]`` is the first step, ``pipeline[:2]`` a pipeline of the first two, ``len(pipeline)`` their number. No
    intermediate result is stored, and numbers stay float64 to the end. In `get_params` and `set_params` the steps are
    named "0", "1", ..., their arguments "1__components". A pipeline is fitted when all its steps are. It raises the
    errors of its steps.

    Examples
    --------
    >>> pynn.Pipeline(pynn.MeanSubtraction(per="all"), pynn.PCA(144))
    """

    def __init__(self, *steps: Transformer) -> None:
        if not steps:
            raise ValueError("Pipeline: expected at least one transformer")
        if len(steps) == 1 and isinstance(steps[0], (list, tuple)):
            raise TypeError("Pipeline takes the transformers one by one; write Pipeline(*steps)")
        for position, step in enumerate(steps):
            expect_instance(step, Transformer, f"step {position}")
        if len({id(step) for step in steps}) < len(steps):
            raise ValueError("Pipeline: the same transformer occurs twice; make a second transformer")
        self.steps = steps

    @property
    def n_features_in_(self) -> int:  # type: ignore[override]
        """How many numbers a sample has before the first step."""
        return self._fitted_step(0).n_features_in_

    @property
    def input_shape_(self) -> Shape:  # type: ignore[override]
        """The shape of a sample before the first step."""
        return self._fitted_step(0).input_shape_

    @property
    def output_shape_(self) -> Shape:  # type: ignore[override]
        """The shape of a sample after the last step."""
        return self._fitted_step(-1).output_shape_

    def _fitted_step(self, place: int) -> Transformer:
        if not self.fitted:
            raise NotFittedError("Pipeline: it is not fitted; call fit(x) first")
        return self.steps[place]

    @property
    def fitted(self) -> bool:
        """Whether all steps are fitted."""
        return all(step.fitted for step in self.steps)

    def expect_fitted(self, method: str) -> None:
        """Raise NotFittedError unless all steps are fitted, ValueError if they were fitted on different data.

        Parameters
        ----------
        method : str
            Name of the calling method, for the error.
        """
        super().expect_fitted(method)
        for place, (step, after) in enumerate(zip(self.steps, self.steps[1:], strict=False)):
            if step.output_shape_ != after.input_shape_:
                raise ValueError(
                    f"Pipeline: step {place} makes samples of shape {step.output_shape_}, "
                    f"but step {place + 1} was fitted on {after.input_shape_}; call fit(x) on the pipeline"
                )

    @property
    def bounded(self) -> bool:  # type: ignore[override]
        """Whether a step is."""
        return any(step.bounded for step in self.steps)

    @property
    def reads_tables(self) -> bool:  # type: ignore[override]
        """Whether its first step takes data frames as they are."""
        return self.steps[0].reads_tables

    def samples(self, x: ArrayLike, name: str) -> Any:
        return self.steps[0].samples(x, name)

    def _expect_input(self, x: Any, name: str) -> None:
        if self.reads_tables:
            self.steps[0]._expect_input(x, name)
        else:
            super()._expect_input(x, name)

    def _learn_from(self, rows: Rows) -> None:
        for place, step in enumerate(self.steps):
            step._learn_from(rows.then(*self.steps[:place]))

    def _apply(self, x: Array) -> Array:
        for step in self.steps:
            x = step._apply(x)
        return x

    def _undo(self, y: Array) -> Array:
        for step in reversed(self.steps):
            y = step._undo(y)
        return y

    def _undo_unlimited(self, y: Array) -> Array:
        for step in reversed(self.steps):
            y = step._undo_unlimited(y)
        return y

    def _back(self, dy: Array) -> Array:
        for step in reversed(self.steps):
            dy = step._back(dy)
        return dy

    def _back_at(self, dy: Array, x: Array) -> Array:
        inputs = [x]
        for step in self.steps[:-1]:
            inputs.append(step._apply(inputs[-1]))
        for step, given in zip(reversed(self.steps), reversed(inputs), strict=True):
            dy = step._back_at(dy, given)
        return dy

    def unfitted(self) -> Pipeline:
        """Return a new pipeline with new steps of the same arguments.

        Returns
        -------
        Pipeline
            Not fitted.
        """
        return type(self)(*(step.unfitted() for step in self.steps))

    __sklearn_clone__ = unfitted  # scikit-learn's default does not support *steps

    def _take(self, fitted: Pipeline) -> None:
        for step, other in zip(self.steps, fitted.steps, strict=True):
            step._take(other)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the steps by number.

        Parameters
        ----------
        deep : bool, default True
            Return their arguments too, "0__per".

        Returns
        -------
        dict
            Steps "0", "1", ... and arguments.
        """
        params: dict[str, Any] = {}
        for place, step in enumerate(self.steps):
            params[str(place)] = step
            if deep:
                params.update({f"{place}__{name}": value for name, value in step.get_params().items()})
        return params

    def set_params(self, **params: Any) -> Pipeline:
        """Replace steps, or set their arguments.

        Parameters
        ----------
        **params
            As in `get_params`: {"0": step, "0__per": value}.

        Returns
        -------
        Pipeline
            Itself.
        """
        steps = list(self.steps)
        inner: dict[int, dict[str, Any]] = {}
        for name, value in params.items():
            place, _, argument = name.partition("__")
            if place not in map(str, range(len(steps))):
                raise ValueError(f"Pipeline has no parameter {name!r}, only {', '.join(self.get_params())}")
            if argument:
                inner.setdefault(int(place), {})[argument] = value
            else:
                steps[int(place)] = value
        type(self)(*steps)  # checks
        for number, arguments in inner.items():
            steps[number].unfitted().set_params(**arguments)  # checked before anything is changed
        for number, arguments in inner.items():
            steps[number].set_params(**arguments)
        self.steps = tuple(steps)
        return self

    def tensors(self, prefix: str = "") -> dict[str, Array]:
        self.expect_fitted("saving")
        return {
            name: array
            for place, step in enumerate(self.steps)
            for name, array in step.tensors(f"{prefix}{place}.").items()
        }

    def tensor_names(self, prefix: str = "") -> list[str]:
        return [name for place, step in enumerate(self.steps) for name in step.tensor_names(f"{prefix}{place}.")]

    def restore(self, input_shape: Shape, tensors: Mapping[str, Array], prefix: str = "") -> None:
        for place, step in enumerate(self.steps):
            step.restore(input_shape, tensors, f"{prefix}{place}.")
            input_shape = step.output_shape_

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[Transformer]:
        return iter(self.steps)

    @overload
    def __getitem__(self, place: int) -> Transformer: ...

    @overload
    def __getitem__(self, place: slice) -> Pipeline: ...

    def __getitem__(self, place: int | slice) -> Transformer:
        return type(self)(*self.steps[place]) if isinstance(place, slice) else self.steps[place]
