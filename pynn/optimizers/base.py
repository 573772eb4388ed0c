"""Optimizer: the base class of all optimizers."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypedDict

import numpy as np

from ..checks import FLAG, expect_count
from ..messages.foreign import add_foreign
from ..saving.config import constructor_text, expect_keys, plain_attributes
from ..saving.state import checked_attributes, is_ours
from ..signatures import taken_by, takes
from ..typing import Array
from .clipping import LIMIT, clip
from .rates import DECAY, SCHEDULES, Rate, Rates
from .segments import Missed, Segment, add_missed, runs


class Trained(Protocol):
    """What an optimizer needs of a model; `segments` may be missing if all parameters are trained alike."""

    @property
    def parameters(self) -> Array:
        """All trainable numbers (P,): the same array until the model is rebuilt."""

    @property
    def gradients(self) -> Array:
        """The gradients of the loss with respect to the parameters (P,)."""

    def segments(self) -> tuple[Segment, ...]:
        """Return how each block of the flat vector is trained, in order.

        Returns
        -------
        tuple of Segment
            The same tuple until something changes.
        """

    def advance(self) -> None:
        """Called after each step."""


class Options(TypedDict, total=False):
    """The keyword arguments of every optimizer."""

    weight_decay: Rate
    decay_biases: bool
    clip_norm: float | None
    clip_value: float | None


CACHED = ("_segments", "_runs", "_whole", "_parts")  # attributes that a copy makes anew
EVERYTHING = Segment(0, 0)  # for a model whose parameters are all trained alike
Part = tuple[Segment, Array, Array, list[tuple[str, Array]]]  # a run with its views of parameters, gradients and slots


class Optimizer(Rates):
    """Base of all optimizers: `step(model)` moves a model's parameters against its gradients.

    Parameters
    ----------
    learning_rate : float or Schedule
        Step size η, at least 0. As an attribute it may be changed at any time; with a schedule it reads as the current
        rate.
    weight_decay : float or Schedule, default 0
        λ, at least 0: pulls weights towards 0. Coupled (all but `AdamW` and `Lion`), λ·w is added to the gradient, like
        a penalty ½λ‖w‖² that the loss does not show; decoupled, η·λ·w is subtracted from the weight itself. Like
        learning_rate it may be changed, and with a schedule it reads as the current number; both schedules count the
        same epochs, anew when one of them is assigned.
    decay_biases : bool, default False
        Whether biases, gamma and beta decay too.
    clip_norm : float, optional
        Largest norm of all gradients together; a larger norm is scaled down to it. By default it is not limited.
    clip_value : float, optional
        Each gradient is clamped to -clip_value..clip_value, before clip_norm. By default it is not limited.

    Raises
    ------
    ValueError or TypeError
        For settings out of range; ValueError in a step with another model.
    FloatingPointError
        In a step with clip_norm, if the norm is NaN or infinite; the step then has no effect.

    Notes
    -----
    Clipping works in place, before the step, and ignores weight decay. One optimizer trains one model: its state
    belongs to that model's parameters.

    A custom optimizer names its state vectors in `slots` and overrides `update`, which gets the whole vector at once.
    If layers are frozen or have a ``learning_rate_factor``, it is called for each block of equal settings instead, with
    parameters, gradients and slots as views of the block. `steps` counts calls of `step`; within `update` it counts
    those that trained the block, so a layer that is unfrozen starts at 1.
    """

    slots: tuple[str, ...] = ()
    steps: int = 0
    _parameters: Array | None = None
    _layout: object = None  # of the model whose parameters these are
    _segments: tuple[Segment, ...] = ()  # the segments from which _runs was made
    _by_decay: bool = False
    _runs: tuple[Segment, ...] = ()
    _single = False  # whether one run covers the whole vector and has missed no step
    _run: Segment = EVERYTHING  # the run being updated
    _missed: tuple[Missed, ...] = ()  # what was frozen in the steps before _since
    _since: int = 0  # value of `steps` when _segments was set
    _whole: tuple[Any, ...] = ()  # what _parts are blocks of
    _parts: Sequence[Part] = ()

    decay_biases: bool = False
    clip_norm: float | None = None
    clip_value: float | None = None
    _takes = takes(weight_decay=DECAY, decay_biases=FLAG, clip_norm=LIMIT, clip_value=LIMIT)

    def __init__(
        self,
        learning_rate: Rate,
        *,
        weight_decay: Rate = 0.0,
        decay_biases: bool = False,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.decay_biases = decay_biases
        self.clip_norm = clip_norm
        self.clip_value = clip_value

    @property
    def effective_learning_rate(self) -> float:
        """For `update`: the learning rate of the block being updated, its factor included."""
        return self._learning_rate * self._run.factor

    @property
    def effective_weight_decay(self) -> float:
        """For `update`: the weight decay of the block being updated; 0 for biases."""
        return self.weight_decay if self._run.decays else 0.0

    def step(self, model: Trained) -> None:
        """Update the parameters once, from the gradients of the last backward pass.

        Parameters
        ----------
        model : Trained
            A model, or anything with ``parameters``, ``gradients`` and ``advance()``.
        """
        parameters, gradients = model.parameters, model.gradients
        if self._parameters is not parameters:
            self.claim(parameters, getattr(model, "layout", None))
        if not self._rate_is_set and self.scheduled:
            schedule = self.schedule or self.weight_decay_schedule
            raise RuntimeError(
                f"{type(self).__name__} follows {schedule!r}, which counts epochs: in "
                "a custom training loop, call optimizer.set_epoch(epoch + i / batches) before each step (fit does it)"
            )
        segments = self._runs_of(model)
        if self.clip_norm is not None or self.clip_value is not None:
            clip(gradients, segments, self.clip_value, self.clip_norm)
        self.steps += 1
        if self._single:
            self._run = segments[0]
            self.update(parameters, gradients)
            self._run = EVERYTHING
        else:
            self._update_parts(segments, parameters, gradients)
        model.advance()

    def _update_parts(self, segments: tuple[Segment, ...], parameters: Array, gradients: Array) -> None:
        steps, update = self.steps, self.update
        vectors = [getattr(self, name) for name in self.slots]
        try:
            for run, weights, slopes, views in self._parts_of((segments, parameters, gradients, *vectors)):
                self._run, self.steps = run, steps - run.missed
                for name, view in views:  # not by vars(self): CPython reads attributes more slowly after it
                    setattr(self, name, view)
                update(weights, slopes)
                for name, view in views:
                    if (value := getattr(self, name)) is not view:  # a custom update assigned self.NAME = ...
                        view[...] = value
        finally:
            for name, vector in zip(self.slots, vectors, strict=True):
                setattr(self, name, vector)
            self._run, self.steps = EVERYTHING, steps

    def _parts_of(self, whole: tuple[Any, ...]) -> Sequence[Part]:
        """The blocks of (runs, parameters, gradients, *slots); made anew only where one of these is another object."""
        if len(self._whole) != len(whole) or any(map(operator.is_not, self._whole, whole)):
            segments, parameters, gradients, *vectors = whole
            parts: list[Part] = []
            for run in segments:
                part = slice(run.start, run.stop)
                views = [(name, vector[part]) for name, vector in zip(self.slots, vectors, strict=True)]
                parts.append((run, parameters[part], gradients[part], views))
            self._whole, self._parts = whole, parts
        return self._parts

    def _runs_of(self, model: Trained) -> tuple[Segment, ...]:
        find = getattr(model, "segments", None)
        segments = find() if find is not None else self._segments or (Segment(0, model.parameters.size),)
        by_decay = (self.weight_decay > 0 or self.weight_decay_schedule is not None) and not self.decay_biases
        if segments is not self._segments or by_decay is not self._by_decay:
            self._missed, self._since = self._missed_so_far(), self.steps
            self._segments, self._by_decay = segments, by_decay
            self._runs = merged = runs(segments, by_decay, self._missed)
            size = model.parameters.size
            self._single = len(merged) == 1 and merged[0].stop - merged[0].start == size and not merged[0].missed
        return self._runs

    def _missed_so_far(self) -> tuple[Missed, ...]:
        """How many steps each block has been frozen in."""
        return add_missed(self._missed, self._segments, self.steps - self._since)

    def update(self, parameters: Array, gradients: Array) -> None:
        """Change parameters in place, by `effective_learning_rate` and `effective_weight_decay`.

        Parameters
        ----------
        parameters, gradients : array (P,)
            The whole vector, or a block of it.
        """
        raise NotImplementedError(f"{type(self).__name__} has no update(parameters, gradients)")

    def claim(self, parameters: Array, layout: object = None) -> None:
        """Create the state for these parameters.

        Parameters
        ----------
        parameters : array (P,)
            A model's flat vector.
        layout : object, optional
            Identifies the model in copies, so that copies of a model and its optimizer stay together.

        Raises
        ------
        ValueError
            If the state belongs to other parameters.
        """
        if self._parameters is parameters:
            return
        copied = self._parameters is not None and not self._parameters.size and layout is not None
        if not (copied and layout is self._layout):
            self.expect_free()
            for slot in self.slots:
                setattr(self, slot, np.zeros_like(parameters))
        self._parameters, self._layout = parameters, layout

    def expect_free(self) -> None:
        """Check that the state belongs to no model yet.

        Raises
        ------
        ValueError
            If it belongs to another model, or to this model before it was rebuilt.
        """
        if self._parameters is not None:
            kind = type(self).__name__
            raise ValueError(
                f"this {kind} already trains another model, or this model before it was rebuilt; "
                f"give each model its own {kind} (optimizers keep state)"
            )

    def state(self) -> dict[str, Any]:
        """Return the settings and the state, for a checkpoint.

        Returns
        -------
        dict
            Numbers, and the slots (P,), which are not copied.
        """
        vectors = {} if self._parameters is None else {slot: getattr(self, slot) for slot in self.slots}
        return {
            **self._numbers(),
            "missed": [list(block) for block in self._missed_so_far()],
            "schedule": None if self.schedule is None else self.schedule.state(),
            "weight_decay_schedule": None if (one := self.weight_decay_schedule) is None else one.state(),
            "slots": vectors,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over the state of an optimizer of the same kind; `claim` must come first.

        Parameters
        ----------
        state : dict
            What `state` returned.

        Raises
        ------
        ValueError
            If it does not fit: other vectors, or a schedule that this optimizer does not have. Nothing is changed then.
        """
        numbers = self.expect_state(state, self._parameters)
        for name in SCHEDULES:  # older checkpoints have one
            schedule, saved = getattr(self, name), state.get(name)
            if saved is None and (name in state or name == "schedule"):  # older checkpoints say nothing of the decay
                setattr(self, name, None)
            elif saved is None:
                continue
            elif schedule is not None:
                schedule.restore(saved)
        for slot, vector in state["slots"].items():
            getattr(self, slot)[...] = vector
        self._weight_decay = numbers.pop("weight_decay", self._weight_decay)
        vars(self).update(numbers)
        self._missed = tuple(Missed(*block) for block in state.get("missed", ()))  # missing in older checkpoints
        self._segments, self._since = (), self.steps

    def expect_state(self, state: Mapping[str, Any], parameters: Array | None) -> dict[str, Any]:
        """Check a state and return the settings and counts in it.

        Parameters
        ----------
        state : dict
            What `state` returned.
        parameters : array (P,) or None
            The parameters that it should belong to.

        Returns
        -------
        dict
            Settings and counts by name.

        Raises
        ------
        ValueError
            If it is not the state of such an optimizer.
        """
        kind = type(self).__name__
        expect_keys(kind, state, ("slots", "schedule", "steps"), state)
        shapes = {} if parameters is None else dict.fromkeys(self.slots, parameters.shape)
        expect_keys(f"{kind}: slots", state["slots"], (), state["slots"])
        state_shapes = {slot: np.shape(vector) for slot, vector in state["slots"].items()}
        unknown = any(state.get(name) is not None and getattr(self, name) is None for name in SCHEDULES)
        if state_shapes != shapes or unknown:
            raise ValueError(
                f"this is the state of another optimizer: it has {state_shapes!s:.200}, this {kind} has {shapes}"
            )
        for slot, vector in state["slots"].items():
            if not isinstance(vector, np.ndarray) or vector.dtype.kind != "f":
                raise ValueError(f"{kind}: {slot} is {getattr(vector, 'dtype', vector)!s:.80}, expected floats")
        numbers_or_none = {**self._numbers(), **dict.fromkeys(("clip_norm", "clip_value", "first_epoch"))}
        numbers = checked_attributes(self, numbers_or_none, state, ("slots", *SCHEDULES, "missed"))
        begun = {} if state.get("first_epoch") is None else {"first_epoch": state["first_epoch"]}
        expect_count(kind, 0, steps=state["steps"], **begun)
        if is_ours(self):  # its constructor checks the ranges
            arguments = {name: state[name] for name in taken_by(type(self)).names if name in state}
            type(self)(**{**arguments, "learning_rate": state.get("_learning_rate", self._learning_rate)})
        for start, stop, steps in state.get("missed", ()):
            expect_count(kind, 0, start=start, stop=stop, steps=steps)
            if not start <= stop <= (0 if parameters is None else parameters.size) or steps > state["steps"]:
                raise ValueError(
                    f"{kind}: {steps} of {state['steps']} steps missed {start}..{stop}, which is out of range"
                )
        return numbers

    def _numbers(self) -> dict[str, Any]:
        """Settings and counts, without values that are only cached for the next step."""
        attributes = {name: value for name, value in plain_attributes(self).items() if not hasattr(Optimizer, name)}
        settings = {name: getattr(self, name) for name in ("weight_decay", "decay_biases", "clip_norm", "clip_value")}
        return {**attributes, **settings, "steps": self.steps, "first_epoch": self.first_epoch}

    def __getstate__(self) -> dict[str, Any]:
        """Settings and state for copies and pickles, without parameters: a copy made with its model stays with it.

        The epoch that a loop has set is left out: the loop that goes on sets its own.
        """
        elsewhere = None if self._parameters is None else np.empty(0)
        counts = {"_missed": self._missed_so_far(), "_since": self.steps, "_epoch": None, "_rate_is_set": False}
        return {**vars(self), **counts, "_parameters": elsewhere, **dict.fromkeys(CACHED, ())}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(
            {name: np.array(value) if isinstance(value, np.ndarray) else value for name, value in state.items()}
        )  # copied: joblib maps large arrays read-only from a file
        if "weight_decay" in state:  # of older pickles, where it was a plain attribute
            self._weight_decay = vars(self).pop("weight_decay")

    def __repr__(self) -> str:
        return constructor_text(self)


add_foreign(Optimizer, "lr", "param_groups zero_grad apply_gradients minimize state_dict load_state_dict iterations")
