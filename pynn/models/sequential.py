"""Sequential: a chain of layers with its flat vector of parameters; the model that users build, train and save."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from numpy.typing import ArrayLike, DTypeLike

from .. import checks, losses
from ..layers.base import Layer
from ..layers.context import Context
from ..locks import Claim
from ..losses import Loss
from ..training import evaluate as evaluate_module
from ..training import fit as training
from ..training import targets
from ..typing import Array, Shape
from . import input_gradients
from .model import Model

TRAINED = "this model is being trained by another thread; wait until it is done, or train a copy: copy.deepcopy(model)"


class Sequential(Model):
    """A network of layers one after the other.

    layers: `pynn.Layer` objects. seed: 0..2^64-1, of the first weights and of every mask (default 0); None draws one at
    random, which `model.seed` tells.
    dtype: "float32" (default) or "float64", of all parameters and activations.

    Input sizes are inferred: `build(shape)` or the first batch sets them. All trainable numbers then stand in one
    vector, `model.parameters`, their gradients in `model.gradients`; each layer's weight and bias are views of it.

    Attributes: layers (a tuple); input_shape, output_shape, without the batch axis, once built; loss and optimizer of
    the last `fit`; epoch, the number of epochs trained; history, what the last `fit` measured, also where Ctrl-C or an
    error ended it (None before it); outputs, those of the last forward pass; penalty_value, the
    penalty of the last `train_step`, None without one; notes, a dict of plain values that is saved with the model;
    preprocessing, a fitted transformer or None: fit, evaluate, predict and predict_proba apply it to raw samples, it is
    saved with the model, and input_shape is the shape after it.
    """

    def __init__(self, *layers: Layer, seed: int | None = 0, dtype: DTypeLike = "float32") -> None:
        super().__init__(*layers)
        self.context = self._own = Context(
            seed=checks.chosen_seed(seed), dtype=checks.float_dtype(dtype), owned=True, training=Claim(TRAINED)
        )
        self.loss: Loss = self.own_loss() or losses.SoftmaxCrossEntropy()
        self.notes: dict[str, Any] = {}
        self._make_lock()

    # Building -------------------------------------------------------------------------------------

    def build(self, input_shape: Shape) -> Shape:
        """Infer all shapes for inputs of this shape (without the batch axis), fuse, and draw the first weights.

        Returns the output's shape. A model that is built is built anew, with new weights.
        """
        if self.context is not self._own:
            return super().build(input_shape)
        shape = input_shape
        if min(shape, default=1) < 1:
            raise ValueError(f"input_shape is {shape}, expected sizes of at least 1")
        self._expect_own_layers()
        if self.built:
            self.unbuild()
        try:
            self.input_shape = shape
            self.output_shape = super().build(shape)
            self._name_layers()
            self._lay_out()
        except BaseException:
            self.unbuild()
            raise
        self.context.built = True
        self._settle()
        if self.layers and self.layers[0].kind == "Conv2d" and shape[0] in (1, 3) and shape[1] == shape[2] > 4:
            checks.warn(
                f"inputs of shape {shape} are images of {shape[0]} rows, {shape[1]} columns and {shape[2]} channels; "
                "with channels first they become (H, W, C) by x.transpose(0, 2, 3, 1)"
            )
        return self.output_shape

    def replace_head(self, *layers: Layer, after: str | int | None = None) -> Sequential:
        """Put new layers, with fresh weights, in the place of the last one that has parameters and all after it.

        >>> model = pynn.load("digits.safetensors").replace_head(pynn.Affine(5)).freeze(up_to=-2)

        after: the layer that stays as the last one, by its name or place in `model.layers` (-1: nothing is taken away);
        by default the one before the last that has parameters. A chain inside the model counts as one layer.

        What stays keeps its weights and statistics bit for bit, what is frozen, factors, penalties and preprocessing.
        Layers that go can be used elsewhere. The loss is that of a new model (a layer's own or softmax_cross_entropy),
        the optimizer, `epoch` and the notes of the old outputs (bins, classes, dataset, test_accuracy) are gone; an
        optimizer that was used cannot go on. Returns the model.
        Raises RuntimeError for a model that is not built, ValueError or TypeError, with nothing changed, where there is
        nothing to replace and for layers that do not fit. Source: CS231n, "Transfer learning".
        """
        from . import head

        head.replace(self, layers, after)
        return self

    # Training and use -----------------------------------------------------------------------------

    fit = training.fit
    partial_fit = training.partial_fit
    evaluate = evaluate_module.evaluate
    input_gradient = input_gradients.input_gradient

    @checks.answering
    def predict(self, x: ArrayLike | Iterable[Any], batch_size: int | None = None) -> Array:
        """Predictions for raw x (N, ...), in the shape and kind of the targets that `fit` was given.

        Class labels by their names, numbers in their units; (N,) where y was (N,). x may be an iterable of batches x or
        (x, y), such as a data loader.
        batch_size: samples worked on at once, as for `evaluate`; it changes nothing but memory and rounding.
        """
        return evaluate_module.predictions(self, x, batch_size)

    @checks.answering
    def predict_proba(self, x: ArrayLike | Iterable[Any], batch_size: int | None = None) -> Array:
        """Class probabilities (N, C) for raw x (N, ...), in the order of `classes`; batch_size: as for `predict`.

        One output that answers yes or no gives two columns, no and yes; several answers one column each.
        """
        return targets.probabilities(self.loss, evaluate_module.outputs(self, x, batch_size))

    @property
    def classes(self) -> Array | None:
        """The labels that `fit` was given, in the order of the outputs; None where they are 0..C-1, or no labels."""
        return None if self.targets is None or self.targets.classes is None else self.targets.classes.copy()

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The names of the columns that `fit` was given in a table; None where it was given an array."""
        return None if self.inputs is None else self.inputs.columns

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a safetensors file: its tensors, and its description as JSON in the metadata.

        The file appears whole or not at all. `pynn.load(path)` reads it again. The optimizer is not saved: to train a
        loaded model further, pass one to `fit`.
        """
        from . import file

        file.save(self, path)

    def summary(self) -> str:
        """A table of layers: name, kind, output shape, number of parameters, what was fused."""
        from .summary import table

        return table(self)

    def __repr__(self) -> str:
        from .summary import table

        return table(self) if self.built else super().__repr__()


checks.add_foreign(
    Sequential,
    "training lr stop_training",
    "compile train eval zero_grad state_dict variables trainable_variables coefs_ load_state_dict load_weights score "
    "add append pop to cuda cpu half double float predict_classes predict_log_proba predict_on_batch train_on_batch "
    "count_params num_params get_layer classes_ feature_names_in_ loss_curve_ history_ n_iter_ fit_generator "
    "save_weights named_parameters",
)
