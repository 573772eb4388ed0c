"""Model: a chain of layers with its passes, its training step, and the results of training. Knows no data sets."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np

from .. import regularizers
from ..data import arrays
from ..data.arrays import as_array
from ..layers import custom
from ..layers.base import Layer
from ..layers.chain import Chain
from ..losses import Loss
from ..optimizers import Optimizer
from ..preprocessing import Transformer
from ..regularizers import Penalty
from ..training import inputs, measures, trainable
from ..training.history import History
from ..training.inputs import Inputs
from ..training.targets import Targets
from ..typing import Array
from .parameters import BACKED, FORWARDED, GATHERED, LOST_PENALTY, FlatChain

NUMBERS = float, Real


class Model(FlatChain):
    """A chain of layers with its passes, its training step, and the results of training: loss, targets, history."""

    loss: Loss
    notes: dict[str, Any]
    outputs: Array
    # Not set in the constructor: CPython reads attributes more slowly if an object has over 30 of them.
    optimizer: Optimizer | None = None
    preprocessing: Transformer | None = None
    inputs: Inputs | None = None
    targets: Targets | None = None
    history: History | None = None
    penalty_value: float | None = None
    epoch = 0
    _overridden = False  # whether a subclass has its own forward, which a training step then calls

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._overridden = cls.forward is not Model.forward

    def unbuild(self) -> None:
        """Forget shapes, parameters and progress: the next `build` or first batch starts again.

        The loss, the preprocessing and the choice of frozen layers stay.
        """
        for layer in self.walk():
            if layer.context is self.context:  # other layers were not built yet, or belong to another model
                layer._reset()
        self.optimizer = self.targets = None
        if self.preprocessing is None:  # fitted preprocessing is kept, and with it the form of its inputs
            self.inputs = None
        self.context.built = False
        self.epoch = self.context.step = 0

    def own_loss(self) -> Loss | None:
        """The loss that the last layer defines, as `HierarchicalSoftmax` does.

        Returns
        -------
        Loss or None
            None if the layer defines none.
        """
        last: Layer | None = self
        while isinstance(last, Chain):
            last = last.layers[-1] if last.layers else None
        loss = getattr(last, "loss", None)
        return loss if isinstance(loss, Loss) else None

    def advance(self) -> None:
        """Finish an update of the parameters: apply the constraints and count the step.

        ``optimizer.step(model)`` calls it. After a custom update, ``model.parameters -= rate * model.gradients``, call
        it yourself; otherwise `context.step` stays the same, and gradients accumulate over several updates.
        """
        if self._constrained:
            self.constrain()
        context = self.context
        if context.repeating:
            context.late += 1
        else:
            context.step += 1
            context.passes = 0
        self._stage &= FORWARDED

    # Passes ---------------------------------------------------------------------------------------

    def accept(self, x: Array, name: str = "x") -> None:
        """Build the model on data like x, or check that x fits the model built before.

        Parameters
        ----------
        x : array (N, ...)
            Input of the first layer.
        name : str, default "x"
            Name of x in errors.

        Raises
        ------
        ValueError
            If the shape does not fit.
        """
        if self._parameters is None:
            self.build(x.shape[1:])
        elif x.shape[1:] != self.input_shape:
            hint = "; for one sample pass x[None]" if x.shape == self.input_shape else ""
            raise ValueError(
                f"{name} has shape {x.shape}, expected (N, {', '.join(map(str, self.input_shape))}): "
                f"the model was built for such inputs{hint}"
            )

    def forward(self, x: Array, training: bool = False) -> Array:
        """Run the layers forward on a batch.

        Parameters
        ----------
        x : array (N, ...)
            Input of the first layer; uint8 pixels are read as 0..1. `preprocessing` is applied neither here nor in
            `train_step`: use ``model.preprocessing.transform(x)``.
        training : bool, default False
            Whether to use dropout and the batch's own statistics. Each training pass draws new masks and noise, a
            function of seed, step and the pass's number within the step (`same_masks` keeps them).

        Returns
        -------
        array (N, ...)
            The outputs, a new array (a training step omits that copy).
        """
        outputs = self._forward(x, training)
        if self.context is self._own:
            self.outputs = outputs = outputs.copy()  # the next pass overwrites the last layer's buffer
        return outputs

    def _forward(self, x: Array, training: bool) -> Array:
        """Forward without the copy: a training step reads the outputs before the next pass."""
        context = self.context
        if context is self._own:
            if type(x) is not np.ndarray:
                x = inputs.of_layers(self, x)
            if self._parameters is None or x.shape[1:] != self.input_shape:
                self.accept(x)
            if x.dtype is not context.dtype or not x.flags.c_contiguous:
                x = arrays.to_model(x, self.dtype)
            if self._constrained and self._stage & BACKED and not context.repeating:
                self.constrain()  # the parameters may have been moved by hand since
        if not training:
            self.outputs = outputs = Chain.forward(self, x, False)
            self._stage &= ~FORWARDED
            return outputs
        if self._before is not None:
            np.copyto(self._before, self._statistics)  # type: ignore[arg-type]  # set together
        try:
            self.outputs = outputs = Chain.forward(self, x, True)
        except BaseException:
            self.revert_statistics()
            raise
        self._stage = self._stage & ~BACKED | FORWARDED
        if context is self._own and not context.repeating:
            context.passes += 1
        return outputs

    def backward(self, dy: Array, input_gradient: bool = False, accumulate: bool = False) -> Array | None:
        """Compute `gradients` from the gradient of the last outputs.

        Parameters
        ----------
        dy : array (N, ...)
            Gradient of the loss with respect to the outputs.
        input_gradient : bool, default False
            Whether to return the gradient with respect to the inputs.
        accumulate : bool, default False
            Add to the gradients of the backward passes since the last update instead of overwriting them, for a batch
            in several parts. The first pass after an update always starts from zero. As the gradient of the whole batch
            is the mean over its samples, scale each part by its share.

        Returns
        -------
        array or None
            The gradient with respect to the inputs, a new array, if input_gradient is True.

        Examples
        --------
        >>> for x_part, y_part in parts:
        ...     value = loss.forward(model.forward(x_part, training=True), y_part)
        ...     model.backward(loss.backward() * (len(x_part) / len(x)), accumulate=True)
        >>> optimizer.step(model)
        """
        if self.context is not self._own:
            return super().backward(dy)
        stage = self._stage
        if not stage & FORWARDED:
            raise RuntimeError("backward(dy) must follow forward(x, training=True)")
        if type(dy) is not np.ndarray or dy.dtype is not self.context.dtype or not dy.flags.c_contiguous:
            dy = np.ascontiguousarray(as_array("dy", dy), self.dtype)  # float64 targets give a float64 gradient
        if dy.shape != self.outputs.shape:
            raise ValueError(f"dy has shape {dy.shape}, expected that of the outputs, {self.outputs.shape}")
        if self._settled != self.context.changes:
            self._settle()
        if stage & LOST_PENALTY and not accumulate and not self.context.repeating:
            self._stage = stage & ~LOST_PENALTY  # raise only once: the next attempt is another step
            raise RuntimeError(
                "a penalty was added to the gradients before this backward pass, which overwrites them: "
                "call penalty.apply(model) after model.backward(...); penalty.value(model) only measures"
            )
        before = self.gradients.copy() if accumulate and stage & GATHERED else None
        gradient = self._back_through(dy, input_gradient)
        if before is not None:
            np.add(self.gradients, before, out=self.gradients)
        self._stage |= BACKED | GATHERED
        return gradient

    def _back_through(self, dy: Array, input_gradient: bool) -> Array | None:
        first = 0 if input_gradient else self._trained_from
        gradient: Array | None = dy
        skipping = self._active[self._trained_from] if self._trained_from < len(self._active) else None
        if skipping is not None:
            skipping.needs_dx = input_gradient
        for layer in reversed(self._active[first:]):
            assert gradient is not None
            gradient = custom.backward(layer, gradient) if layer.is_custom else layer.backward(gradient)
        if not input_gradient or gradient is None:
            return None
        copied: Array = gradient.copy()  # the next pass overwrites the layer's buffer
        return copied

    # One step -------------------------------------------------------------------------------------

    def train_step(
        self,
        x: Array,
        y: Array,
        loss: Loss | str,
        optimizer: Optimizer,
        penalty: Penalty | None = None,
        weights: Array | None = None,
    ) -> float:
        """Forward, backward and update on one batch.

        Parameters
        ----------
        x : array (N, ...)
            Input of the first layer.
        y : array (N, ...)
            Targets.
        loss : Loss or str
            As in `fit`.
        optimizer : Optimizer
            An object, since its state lasts from step to step.
        penalty : Penalty, optional
            For layers that have no penalty. The total is stored in `penalty_value`.
        weights : array (N,), optional
            Sample weights of at least 0, for a loss that takes them.

        Returns
        -------
        float
            The loss, including the penalty, before the update.

        Raises
        ------
        FloatingPointError
            If the loss is NaN or infinite; parameters are unchanged then.
        """
        chosen: Any = loss
        try:
            unclaimed = chosen.is_custom and not chosen.in_use(self)
        except (AttributeError, TypeError):
            chosen, unclaimed = trainable.step_loss(self, loss), False
        if unclaimed:
            with chosen.used(self):
                return self.train_step(x, y, chosen, optimizer, penalty, weights)
        group, epoch = self.context.group, getattr(optimizer, "_epoch", None)
        if epoch is not None:  # a loop of one's own has set it
            self.context.epoch = epoch
        try:
            value = group.loss_of(self, x, y, chosen, weights)
        except BaseException:
            trainable.expect_objects(loss, optimizer)
            raise
        try:
            if math.isfinite(value):
                group.backward(self, chosen)
                if self.penalty_value is not None:
                    self.penalty_value = None
                if penalty is not None or self.has_penalties:
                    self.penalty_value = regularizers.total(self, None) if penalty is None else penalty.apply(self)
                    value += self.penalty_value
            if not math.isfinite(value):
                raise measures.diverged(self, value, optimizer.learning_rate, x, y)
            optimizer.step(self)
        except BaseException:
            self.revert_statistics()
            trainable.expect_objects(loss, optimizer)
            raise
        return value

    def loss_of(self, x: Array, y: Array, loss: Loss, weights: Array | None = None) -> float:
        """The loss of a training forward pass, as in `train_step`; ``loss.backward()`` is its gradient.

        Parameters
        ----------
        x : array (N, ...)
            Input of the first layer.
        y : array (N, ...)
            Targets.
        loss : Loss
            The loss.
        weights : array (N,), optional
            Sample weights.

        Returns
        -------
        float
            The loss.
        """
        outputs = self.forward(x, training=True) if self._overridden else self._forward(x, True)
        try:
            value = loss.forward(outputs, y) if weights is None else loss.forward(outputs, y, weights=weights)
            if not isinstance(value, NUMBERS):
                raise TypeError(f"{type(loss).__name__}.forward returned {type(value).__name__}, expected a number")
        except BaseException:
            self.revert_statistics()  # a forward pass that fails does it itself
            raise
        return value
