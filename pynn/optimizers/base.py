"""Optimizer: what every optimizer is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias, TypedDict

import numpy as np

from ..checks import FLAG, NOT_NEGATIVE, expect_count, is_number
from ..messages.foreign import add_foreign
from ..messages.terminal import brief
from ..saving.config import constructor_text, expect_keys, plain_attributes
from ..saving.state import is_ours, taken_up
from ..schedules import Schedule
from ..signatures import Constructed, taken_by, takes
from ..typing import Array
from .clipping import LIMIT, clip
from .segments import Missed, Segment, add_missed, runs

Rate: TypeAlias = float | Schedule


class Trained(Protocol):
    """What an optimizer needs of a model; `segments` may be missing where there are no exceptions."""

    @property
    def parameters(self) -> Array:
        """All trainable numbers (P,), the same array until the model is built anew."""

    @property
    def gradients(self) -> Array:
        """The gradient of the loss with respect to each of them (P,)."""

    def segments(self) -> tuple[Segment, ...]:
        """How each block of the flat vector is trained, in order; the same tuple until that changes."""

    def advance(self) -> None:
        """Called after each step."""


class Options(TypedDict, total=False):
    """What every optimizer takes by name."""

    weight_decay: float
    decay_biases: bool
    clip_norm: float | None
    clip_value: float | None


EVERYTHING = Segment(0, 0)  # the settings where a model has no exceptions


class Optimizer(Constructed):
    """Base of all optimizers: `step(model)` moves the model's parameters against its gradients.

    A subclass names its state vectors in `slots` and overrides `update`. `learning_rate` is a number or a
    `pynn.Schedule`, and may be changed at any time; with a schedule it reads as the rate of the moment.
    One optimizer drives one model: its state belongs to that model's parameters.

    A step is one `update` of the whole vector. Where layers are frozen or have a `learning_rate_factor`, it is one for
    each stretch of equal settings; `parameters`, `gradients` and the slots are then views of that stretch. `steps`
    counts the calls of `step`; within `update`, it counts those that trained the parameters being updated: a layer that
    is unfrozen begins at 1, whatever its neighbours have behind them.

    weight_decay: λ, at least 0; the weights are pulled towards 0. Coupled (all but AdamW and Lion), λ·w is added to the
    gradient, as of a penalty ½λ‖w‖² that the loss does not show; decoupled, η·λ·w is taken off the weight itself.
    Biases, gamma and beta do not decay unless decay_biases is True (default False).

    clip_value: every gradient is clamped to -clip_value..clip_value; clip_norm: then all of them are scaled so that
    their norm, over the whole model, is at most clip_norm. Both act in place, before the step and without weight decay;
    None (default) leaves it out. With clip_norm, a norm that is NaN or infinite is a FloatingPointError, and the step
    changes nothing.
    Raises ValueError or TypeError for settings out of their range, and ValueError in a step of another model.
    """

    slots: tuple[str, ...] = ()
    steps: int = 0
    schedule: Schedule | None = None
    first_epoch: int | None = None  # the model's, when `fit` first ran this optimizer: where its schedule begins
    _rate_is_set = False  # whether somebody has told the schedule how far training is
    _parameters: Array | None = None
    _layout: object = None  # of the model whose parameters these are
    _segments: tuple[Segment, ...] = ()  # what _runs was made of
    _by_decay: bool = False
    _runs: tuple[Segment, ...] = ()
    _single = False  # whether there is one run, the whole vector, which has missed no step
    _run: Segment = EVERYTHING  # that is being updated
    _missed: tuple[Missed, ...] = ()  # what was frozen in steps up to _since
    _since: int = 0  # `steps` when _segments came into force

    weight_decay: float = 0.0
    decay_biases: bool = False
    clip_norm: float | None = None
    clip_value: float | None = None
    _takes = takes(weight_decay=NOT_NEGATIVE, decay_biases=FLAG, clip_norm=LIMIT, clip_value=LIMIT)

    def __init__(
        self,
        learning_rate: Rate,
        *,
        weight_decay: float = 0.0,
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
    def learning_rate(self) -> float:
        """Step size η, a finite number of at least 0; may be set at any time, to a number or a schedule."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Rate) -> None:
        schedule, rate = (value, value(0)) if isinstance(value, Schedule) else (None, value)
        if not (is_number(rate) and rate >= 0):
            kind = type(self).__name__
            shown = f"an array {value.shape}" if isinstance(value, np.ndarray) else brief(value)
            parameters = isinstance(value, np.ndarray) or (callable(value) and not isinstance(value, (Schedule, type)))
            hint = f"; an optimizer is made without parameters, {kind}(1e-3): its step(model) gets the model"
            raise ValueError(
                f"{kind}: learning_rate is {shown}, expected a finite number of at least 0 or a pynn.Schedule object"
                f"{hint if parameters else ''}"
            )
        if schedule is not None:
            schedule.claim(vars(self).setdefault("_key", object()))
        self.schedule, self._learning_rate, self._rate_is_set = schedule, float(rate), False
        if schedule is not None:
            self.first_epoch = None  # it begins when `fit` runs the optimizer next

    def set_epoch(self, epoch: float) -> None:
        """Set the learning rate that the schedule has at this epoch (2.5: in the middle of the third).

        `fit` does it before every step, with the epochs since it first ran this optimizer. A loop of your own does it
        as often as the rate shall follow: a schedule counts epochs, and only the loop knows them. A `step` without it
        is a RuntimeError where there is a schedule; else it changes nothing.

        >>> for i, (x_batch, y_batch) in enumerate(batches):
        ...     optimizer.set_epoch(epoch + i / len(batches))
        ...     model.train_step(x_batch, y_batch, loss, optimizer)
        """
        if self.schedule is not None:
            self._learning_rate, self._rate_is_set = self.schedule(epoch), True

    def end_schedule(self) -> None:
        """A run of `fit` is over: who goes on with steps of their own says again how far training is."""
        self._rate_is_set = False

    @property
    def _given(self) -> dict[str, Any]:
        """Constructor arguments that the attributes of their names do not tell: the schedule."""
        return {} if self.schedule is None else {"learning_rate": self.schedule}

    @property
    def effective_learning_rate(self) -> float:
        """For `update`: the learning rate of the parameters that are being updated, their factor included."""
        return self._learning_rate * self._run.factor

    @property
    def effective_weight_decay(self) -> float:
        """For `update`: the weight decay of the parameters that are being updated; 0 for biases."""
        return self.weight_decay if self._run.decays else 0.0

    def step(self, model: Trained) -> None:
        """One update, from the gradients that the last backward pass left in the model."""
        parameters, gradients = model.parameters, model.gradients
        if self._parameters is not parameters:
            self.claim(parameters, getattr(model, "layout", None))
        if self.schedule is not None and not self._rate_is_set:
            raise RuntimeError(
                f"{type(self).__name__} follows {self.schedule!r}, which counts epochs, and a loop of your own must "
                "tell them: call optimizer.set_epoch(epoch + i / batches) before the step (fit does it)"
            )
        found = self._runs_of(model)
        if self.clip_norm is not None or self.clip_value is not None:
            clip(gradients, found, self.clip_value, self.clip_norm)
        self.steps += 1
        if self._single:
            self._run = found[0]
            self.update(parameters, gradients)
            self._run = EVERYTHING
        else:
            self._update_parts(found, parameters, gradients)
        model.advance()

    def _update_parts(self, found: tuple[Segment, ...], parameters: Array, gradients: Array) -> None:
        steps = self.steps
        try:
            for self._run in found:
                self.steps = steps - self._run.missed
                self._update_part(slice(self._run.start, self._run.stop), parameters, gradients)
        finally:
            self._run, self.steps = EVERYTHING, steps

    def _runs_of(self, model: Trained) -> tuple[Segment, ...]:
        find = getattr(model, "segments", None)
        segments = find() if find is not None else self._segments or (Segment(0, model.parameters.size),)
        by_decay = self.weight_decay > 0 and not self.decay_biases
        if segments is not self._segments or by_decay is not self._by_decay:
            self._missed, self._since = self._missed_so_far(), self.steps
            self._segments, self._by_decay = segments, by_decay
            self._runs = found = runs(segments, by_decay, self._missed)
            size = model.parameters.size
            self._single = len(found) == 1 and found[0].stop - found[0].start == size and not found[0].missed
        return self._runs

    def _missed_so_far(self) -> tuple[Missed, ...]:
        """Which stretches have been frozen in how many of the steps."""
        return add_missed(self._missed, self._segments, self.steps - self._since)

    def _update_part(self, part: slice, parameters: Array, gradients: Array) -> None:
        whole = {name: getattr(self, name) for name in self.slots}
        views = {name: vector[part] for name, vector in whole.items()}
        try:
            vars(self).update(views)
            self.update(parameters[part], gradients[part])
            for name, view in views.items():
                if (found := getattr(self, name)) is not view:  # an own update that says self.NAME = ...
                    view[...] = found
        finally:
            vars(self).update(whole)

    def update(self, parameters: Array, gradients: Array) -> None:
        """Change the parameters (P,) in place, by `effective_learning_rate` and `effective_weight_decay`."""
        raise NotImplementedError(f"{type(self).__name__} has no update(parameters, gradients)")

    def claim(self, parameters: Array, layout: object = None) -> None:
        """Make the state for these parameters; ValueError if it belongs to others already.

        layout: what stands for them in copies, so that the copies of a model and its optimizer find together.
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
        """ValueError if its state belongs to a model already, or to one from before it was built anew."""
        if self._parameters is not None:
            kind = type(self).__name__
            raise ValueError(
                f"this {kind} already drives another model, or this one before it was built anew; "
                f"make one {kind} for each (they keep state)"
            )

    def state(self) -> dict[str, Any]:
        """What it remembers and how it is set, for a checkpoint: numbers, and its vectors (P,), not copied."""
        vectors = {} if self._parameters is None else {slot: getattr(self, slot) for slot in self.slots}
        return {
            **self._numbers(),
            "missed": [list(one) for one in self._missed_so_far()],
            "schedule": None if self.schedule is None else self.schedule.state(),
            "slots": vectors,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up the `state` of such an optimizer of a like model; `claim` comes before.

        ValueError, with nothing changed, for anything else: other vectors than its own, a schedule that it lacks.
        """
        numbers = self.expect_state(state, self._parameters)
        if state["schedule"] is None:
            self.schedule = None
        elif self.schedule is not None:
            self.schedule.restore(state["schedule"])
        for slot, vector in state["slots"].items():
            getattr(self, slot)[...] = vector
        vars(self).update(numbers)
        self._missed = tuple(Missed(*one) for one in state.get("missed", ()))  # older checkpoints have none
        self._segments, self._since = (), self.steps

    def expect_state(self, state: Mapping[str, Any], parameters: Array | None) -> dict[str, Any]:
        """The settings and counts in the `state` of such an optimizer of these parameters; else ValueError."""
        kind = type(self).__name__
        expect_keys(kind, state, ("slots", "schedule", "steps"), state)
        shapes = {} if parameters is None else dict.fromkeys(self.slots, parameters.shape)
        expect_keys(f"{kind}: slots", state["slots"], (), state["slots"])
        found = {slot: np.shape(vector) for slot, vector in state["slots"].items()}
        if found != shapes or (state["schedule"] is not None and self.schedule is None):
            raise ValueError(f"the state is of another optimizer: it has {found!s:.200}, this {kind} has {shapes}")
        for slot, vector in state["slots"].items():
            if not isinstance(vector, np.ndarray) or vector.dtype.kind != "f":
                raise ValueError(f"{kind}: {slot} is {getattr(vector, 'dtype', vector)!s:.80}, expected floats")
        own = {**self._numbers(), **dict.fromkeys(("clip_norm", "clip_value", "first_epoch"))}  # a number, or None
        numbers = taken_up(self, own, state, ("slots", "schedule", "missed"))
        begun = {} if state.get("first_epoch") is None else {"first_epoch": state["first_epoch"]}
        expect_count(kind, 0, steps=state["steps"], **begun)
        if is_ours(self):  # its constructor knows the ranges
            given = {name: state[name] for name in taken_by(type(self)).names if name in state}
            type(self)(**{**given, "learning_rate": state.get("_learning_rate", self._learning_rate)})
        for start, stop, steps in state.get("missed", ()):
            expect_count(kind, 0, start=start, stop=stop, steps=steps)
            if not start <= stop <= (0 if parameters is None else parameters.size) or steps > state["steps"]:
                raise ValueError(
                    f"{kind}: {steps} of {state['steps']} steps missed {start}..{stop}, which is not there"
                )
        return numbers

    def _numbers(self) -> dict[str, Any]:
        """Its settings and counts; what it only keeps at hand for the next step is left out."""
        found = {name: one for name, one in plain_attributes(self).items() if not hasattr(Optimizer, name)}
        given = {name: getattr(self, name) for name in ("weight_decay", "decay_biases", "clip_norm", "clip_value")}
        return {**found, **given, "steps": self.steps, "first_epoch": self.first_epoch}

    def __getstate__(self) -> dict[str, Any]:
        """Of copies and pickles: the settings and the state, without the parameters that it belongs to.

        With a copy of their model that is made together with it, a copy goes on.
        """
        elsewhere = None if self._parameters is None else np.empty(0)
        counts = {"_missed": self._missed_so_far(), "_since": self.steps}
        return {**vars(self), **counts, "_parameters": elsewhere, "_segments": (), "_runs": ()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(
            {name: np.array(one) if isinstance(one, np.ndarray) else one for name, one in state.items()}
        )  # arrays of its own: joblib maps large ones from a file, read only

    def __repr__(self) -> str:
        return constructor_text(self)


add_foreign(Optimizer, "lr", "param_groups zero_grad apply_gradients minimize state_dict load_state_dict iterations")
