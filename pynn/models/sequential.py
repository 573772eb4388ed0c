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
from ..messages.foreign import add_foreign
from ..signatures import answering
from ..training import evaluate as evaluate_module
from ..training import fit as training
from ..training import targets
from ..typing import Array, Shape
from . import input_gradients
from .model import Model

TRAINED = "this model is being trained by another thread; wait until it is done, or train a copy: copy.deepcopy(model)"


class Sequential(Model):
    """A network of layers in sequence.

    Parameters
    ----------
    *layers : Layer
        The layers in order.
    seed : int or None, default 0
        0..2^64-1, determines the first weights and every mask. None draws one at random; `model.seed` tells which.
    dtype : {"float32", "float64"}, default "float32"
        Of all parameters and activations.

    Attributes
    ----------
    layers : tuple of Layer
        The layers.
    input_shape, output_shape : tuple
        Without the batch axis, once built; input_shape is the shape after preprocessing.
    loss, optimizer : Loss, Optimizer
        Of the last `fit`.
    epoch : int
        Number of epochs trained.
    history : History or None
        What the last `fit` measured, also if Ctrl-C or an error ended it.
    outputs : array
        Of the last forward pass.
    penalty_value : float or None
        Penalty of the last `train_step`.
    notes : dict
        Plain values that are saved with the model.
    preprocessing : Transformer or None
        Fitted; fit, evaluate, predict and predict_proba apply it to raw samples. Saved with the model.

    Notes
    -----
    Input sizes are inferred: ``build(shape)`` or the first batch sets them. All trainable parameters are then one
    vector, `model.parameters`, with their gradients in `model.gradients`; each layer's weight and bias are views of it.
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
        """Infer all shapes, fuse activations, and draw the first weights. A built model is built anew.

        Parameters
        ----------
        input_shape : tuple of int
            Without the batch axis.

        Returns
        -------
        tuple of int
            The shape of the outputs.
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
        """Replace the last layer that has parameters, and all layers after it, by new layers with fresh weights.

        Parameters
        ----------
        *layers : Layer
            The new head.
        after : str or int, optional
            Name or index in `model.layers` of the last layer to keep (-1: nothing is removed). By default the layer
            before the last one that has parameters. A chain inside the model counts as one layer.

        Returns
        -------
        Sequential
            The model.

        Raises
        ------
        RuntimeError
            If the model is not built.
        ValueError
            If there is nothing to replace, or the layers do not fit. Nothing has changed then.

        Notes
        -----
        The other layers keep their weights, statistics and training settings, and the model its preprocessing. Removed
        layers can be used elsewhere. The loss is reset to that of a new model (the last layer's, or
        softmax_cross_entropy); the optimizer, `epoch` and the notes on the old outputs (bins, classes, dataset,
        test_accuracy) are removed. The old optimizer cannot continue.

        References
        ----------
        .. [1] CS231n, "Transfer learning".

        Examples
        --------
        >>> model = pynn.load("digits.safetensors").replace_head(pynn.Affine(5)).freeze(up_to=-2)
        """
        from . import head

        head.replace(self, layers, after)
        return self

    # Training and use -----------------------------------------------------------------------------

    fit = training.fit
    partial_fit = training.partial_fit
    evaluate = evaluate_module.evaluate
    input_gradient = input_gradients.input_gradient

    @answering
    def predict(self, x: ArrayLike | Iterable[Any], batch_size: int | None = None) -> Array:
        """Predict targets, in the shape and kind of those that `fit` received: class labels, or numbers in their units.

        Parameters
        ----------
        x : array (N, ...) or iterable
            Raw samples, or batches x or (x, y), such as a data loader.
        batch_size : int, optional
            Samples processed at once, as for `evaluate`; it affects memory and rounding only.

        Returns
        -------
        array (N, ...)
            Predictions, (N,) if y was (N,).
        """
        return evaluate_module.predictions(self, x, batch_size)

    @answering
    def predict_std(self, x: ArrayLike | Iterable[Any], batch_size: int | None = None) -> Array:
        """Predict how far targets may be off: their standard deviations, for a model with the loss `GaussianNLL`.

        Parameters
        ----------
        x : array (N, ...) or iterable
            As for `predict`.
        batch_size : int, optional
            As for `predict`.

        Returns
        -------
        array (N, ...)
            In the units and the shape of `predict`.

        Raises
        ------
        TypeError
            For another loss.
        """
        return evaluate_module.deviations(self, x, batch_size)

    @answering
    def predict_proba(self, x: ArrayLike | Iterable[Any], batch_size: int | None = None) -> Array:
        """Predict class probabilities.

        Parameters
        ----------
        x : array (N, ...) or iterable
            As for `predict`.
        batch_size : int, optional
            As for `predict`.

        Returns
        -------
        array (N, C)
            In the order of `classes`. A single output for yes or no gives two columns, no and yes; several answers give
            one column each.
        """
        return targets.probabilities(self.loss, evaluate_module.predict_outputs(self, x, batch_size))

    @property
    def classes(self) -> Array | None:
        """The labels that `fit` received, in the order of the outputs; None if they are 0..C-1, or not labels."""
        return None if self.targets is None or self.targets.classes is None else self.targets.classes.copy()

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The names of the table columns that `fit` received; None for an array."""
        return None if self.inputs is None else self.inputs.columns

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a safetensors file, with its description as JSON in the metadata.

        The file appears complete or not at all. ``pynn.load(path)`` reads it. The optimizer is not saved: to continue
        training a loaded model, pass one to `fit`.

        Parameters
        ----------
        path : path
            The file.
        """
        from . import file

        file.save(self, path)

    def to_bytes(self) -> bytes:
        """Return the bytes of the file that `save` would write: safetensors, which cannot run code.

        They hold the parameters and the model's description, no batch of data and no optimizer. Another thread may
        train the model: the bytes are those between two of its steps.

        Returns
        -------
        bytes
            For ``pynn.from_bytes``. The same model gives the same bytes.
        """
        from . import file

        return file.to_bytes(self)

    def summary(self) -> str:
        """Describe the layers in a table: name, kind, output shape, number of parameters, what was fused.

        Returns
        -------
        str
            The table.
        """
        from .summary import table

        return table(self)

    def __repr__(self) -> str:
        from .summary import table

        return table(self) if self.built else super().__repr__()


add_foreign(
    Sequential,
    "training lr stop_training",
    "compile train eval zero_grad state_dict variables trainable_variables coefs_ load_state_dict load_weights score "
    "add append pop to cuda cpu half double float predict_classes predict_log_proba predict_on_batch train_on_batch "
    "count_params num_params get_layer classes_ feature_names_in_ loss_curve_ history_ n_iter_ fit_generator "
    "save_weights named_parameters",
)
