"""How to use a trained model on other data: the four cases of CS231n, "Transfer learning"."""

from __future__ import annotations

from dataclasses import dataclass

from ..checks import expect_count
from ..layers import Flatten, GlobalAvgPool2d, Layer
from ..messages.terminal import brief
from ..models.file import BASES, KINDS
from ..models.head import start
from ..models.sequential import Sequential
from ..saving import config

SLOWLY = 0.1  # learning-rate factor of fine-tuned layers before the head

# (much, similar): what to do, why, and which learning rate to use
CASES = {
    (False, True): (
        "Train a linear classifier on the top features: a new head, with all layers before it frozen.",
        "A network trained on so few samples would overfit; and in similar data, the features of the last layers are "
        "useful too.",
        "The head's weights are new: use the usual rate, Adam's 0.001, or a higher rate, which a linear classifier "
        "tolerates. "
        "pynn.transfer.features computes its inputs once.",
    ),
    (True, True): (
        "Fine-tune all layers, with a low rate before the head.",
        "With so many samples there is little risk of overfitting, and the weights start close to a good solution.",
        "First train only the new head for a few epochs, with all other layers frozen: its random weights would cause "
        "large gradients in them. Then train all layers at a tenth of the first training's rate, the layers before the "
        f"head at {SLOWLY:g} of that.",
    ),
    (False, False): (
        "Train a linear classifier on features from earlier in the network, with all layers before it frozen.",
        "A network trained on so few samples would overfit; but the features of the last layers are specific to the "
        "first data, those of earlier layers more general. This is the hardest case: more samples help most.",
        "The classifier's weights are new: use the usual rate, Adam's 0.001, or a higher rate. Try several layers: "
        "apply(model, after=...).",
    ),
    (True, False): (
        "Fine-tune all layers at the same rate; compare with training from scratch.",
        "So many samples would suffice without the first training, but trained weights are usually a better start than "
        "random weights.",
        "The same rate for all layers; begin with a tenth of the first training's.",
    ),
}


@dataclass(frozen=True, repr=False)
class Advice:
    """The result of `advise`: print it to read what to do and why; `apply` prepares a model accordingly.

    Parameters
    ----------
    n_samples : int
        Training samples of the new task.
    similar : bool
        Whether the new data are similar to the first.
    classes : int
        Classes of the new task.
    enough : int
        Number of samples per class from which on the data count as much.
    """

    n_samples: int
    similar: bool
    classes: int
    enough: int

    @property
    def much(self) -> bool:
        """Whether there are at least `enough` samples per class."""
        return self.n_samples >= self.enough * self.classes

    @property
    def what(self) -> str:
        """What to do."""
        return CASES[self.much, self.similar][0]

    @property
    def why(self) -> str:
        """The reason."""
        return CASES[self.much, self.similar][1]

    @property
    def learning_rate(self) -> str:
        """Which learning rates to use."""
        return CASES[self.much, self.similar][2]

    def __repr__(self) -> str:
        amount = f"{'much' if self.much else 'little'} data ({self.n_samples / self.classes:.4g} samples a class, "
        kind = "similar to" if self.similar else "different from"
        return "\n".join(
            [
                f"{amount}much means at least {self.enough}), {kind} the first",
                f"  do             {self.what}",
                f"  because        {self.why}",
                f"  learning rate  {self.learning_rate}",
            ]
        )

    def apply(self, model: Sequential, after: str | int | None = None) -> Sequential:
        """Prepare the model for `fit`: freeze layers and set the learning-rate factors of all layers.

        Replace the head first: ``advice.apply(model.replace_head(pynn.Affine(5)))``.

        Parameters
        ----------
        model : Sequential
            A built model with its new head.
        after : str or int, optional
            Name or index in `model.layers` of the layer after which the head begins. By default before the last layer
            with parameters; with little and different data, after the layer in the middle.

        Returns
        -------
        Sequential
            The model.

        Raises
        ------
        RuntimeError
            If the model is not built.
        ValueError
            For an unknown layer, or if there is no layer before the head.

        Notes
        -----
        Little data: all layers before the head are frozen. Much, similar data: no layer is frozen, and the
        learning-rate factor of the layers before the head is 0.1. Much, different data: no layer is frozen, all factors
        are 1. Little, different data: a new head replaces the layers after the layer `after`; images are flattened
        before it, or averaged if the model does so.
        """
        old = start(model)
        place = old if after is None else start(model, after)
        if not place:
            raise ValueError("there are no layers before the head: there is nothing to transfer")
        if place > old:
            raise ValueError(f"after names a layer of the head, expected one before {model.layers[old].name}")
        if not self.much and not self.similar:
            place = _move_down(model, old, _middle(model, old) if after is None else place)
        model.unfreeze().learning_rate_factor = SLOWLY if self.much and self.similar else 1.0
        for layer in model.layers[place:]:
            layer.learning_rate_factor = 1.0
        if not self.much:
            model.freeze(up_to=place - 1)
        return model


def advise(n_samples: int, similar: bool, *, classes: int = 10, enough: int = 500) -> Advice:
    """Advise how to use a trained model for a new task, by the amount of data and its similarity to the first.

    Parameters
    ----------
    n_samples : int
        Training samples of the new task, at least 1.
    similar : bool
        Whether the features that distinguish the first classes also distinguish the new classes, as for breeds of dogs
        after animals. Digits 5-9 after 0-4 are different: the features of LeNet-5's last hidden layer help little,
        those of its convolutions help.
    classes : int, default 10
        Classes of the new task.
    enough : int, default 500
        Number of samples per class from which on the data count as much. CIFAR-100, which is commonly used to train
        networks from scratch, has 500. The course gives no number, and larger networks need more.

    Returns
    -------
    Advice
        Print it, or apply it to a model.

    Raises
    ------
    ValueError
        For settings out of range.

    References
    ----------
    .. [1] CS231n, "Transfer learning".

    Examples
    --------
    >>> advice = pynn.transfer.advise(100, similar=True, classes=5)
    >>> print(advice)
    >>> advice.apply(model.replace_head(pynn.Affine(5))).fit(x, y)
    """
    for name, value in (("n_samples", n_samples), ("classes", classes), ("enough", enough)):
        expect_count("", 1, **{name: value})
    if not isinstance(similar, bool):
        raise TypeError(f"similar is {brief(similar)}, expected True or False")
    return Advice(int(n_samples), similar, int(classes), int(enough))


def _move_down(model: Sequential, old: int, place: int) -> int:
    """Replace all layers from `place` on by new copies of those from `old` on; return where these begin."""
    between: list[Layer] = []
    if len(model.layers[place - 1].output_shape) > 1 and place < old:
        averages = any(isinstance(layer, GlobalAvgPool2d) for layer in model.layers[place:old])
        between = [GlobalAvgPool2d() if averages else Flatten()]
    model.replace_head(*between, *(_unbuilt_copy(layer) for layer in model.layers[old:]), after=place - 1)
    return place + len(between)


def _middle(model: Sequential, old: int) -> int:
    """The index after the first half of the layers with weights, and after the layers that belong to them."""
    weights = [
        place
        for place, layer in enumerate(model.layers[:old])
        if any(parameter.penalized for inner in layer.walk() for parameter in inner.declared)
    ]
    return weights[(len(weights) + 1) // 2] if len(weights) > 1 else old


def _unbuilt_copy(layer: Layer) -> Layer:
    """A layer with the same settings, without weights."""
    kinds = {**KINDS, **{type(inner).__name__: type(inner) for inner in layer.walk()}}
    result: Layer = config.from_data(config.to_data(layer, BASES), kinds)
    return result
