"""What to do with a trained model for other data: the four cases of CS231n, "Transfer learning"."""

from __future__ import annotations

from dataclasses import dataclass

from ..checks import check_count
from ..layers import Flatten, GlobalAvgPool2d, Layer
from ..messages.terminal import brief
from ..models.file import BASES, KINDS
from ..models.head import start
from ..models.sequential import Sequential
from ..saving import config

SLOWLY = 0.1  # of the head's learning rate, for what is fine-tuned before it

# (much, similar): what to do, why, and at which learning rate
CASES = {
    (False, True): (
        "Train a linear classifier on the top features: a new head, all before it frozen.",
        "So few samples would be learned by heart if they moved all weights; and what the last layers see in the first "
        "data is what there is to see in similar data.",
        "The head's weights are new: the usual rate, Adam's 0.001, or more, since a linear classifier bears it. "
        "pynn.transfer.features computes what it sees once.",
    ),
    (True, True): (
        "Fine-tune all layers, those before the head slowly.",
        "So many samples will hardly be learned by heart, and the weights begin near where they should end.",
        "First the new head alone for a few epochs, over a frozen trunk: its random weights would send large gradients "
        f"down. Then all at a tenth of the first training's rate, the layers before the head at {SLOWLY:g} of that.",
    ),
    (False, False): (
        "Train a linear classifier on features from earlier in the network, all before it frozen.",
        "So few samples would be learned by heart if they moved all weights; but the last layers see what mattered in "
        "the first data, and earlier ones what occurs in most. It is the hardest case: more samples help most.",
        "The classifier's weights are new: the usual rate, Adam's 0.001, or more. Try several layers: "
        "apply(model, after=...).",
    ),
    (True, False): (
        "Fine-tune all layers alike; compare with training from scratch.",
        "So many samples would do without the first training, yet weights from elsewhere are in most cases a better "
        "start than random ones.",
        "All layers at one rate; begin with a tenth of the first training's.",
    ),
}


@dataclass(frozen=True, repr=False)
class Advice:
    """What `advise` found: print it to read what to do and why; `apply` does it to a model.

    n_samples, similar, classes, enough: what was asked. much: whether there are `enough` samples a class.
    what, why, learning_rate: the advice, in words.
    """

    n_samples: int
    similar: bool
    classes: int
    enough: int

    @property
    def much(self) -> bool:
        """Whether there are at least `enough` samples a class."""
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
        """How fast to train what."""
        return CASES[self.much, self.similar][2]

    def __repr__(self) -> str:
        amount = f"{'much' if self.much else 'little'} data ({self.n_samples / self.classes:.4g} samples a class, "
        kind = "similar to" if self.similar else "different from"
        return "\n".join(
            [
                f"{amount}much is from {self.enough} on), {kind} the first",
                f"  do             {self.what}",
                f"  because        {self.why}",
                f"  learning rate  {self.learning_rate}",
            ]
        )

    def apply(self, model: Sequential, after: str | int | None = None) -> Sequential:
        """Make the model ready for `fit`: set what is frozen and the learning-rate factors of all layers.

        Give it its new head first: `advice.apply(model.replace_head(pynn.Affine(5)))`. Little data: all before the head
        is frozen. Much and similar: nothing is, the factor before the head is 0.1. Much and different: nothing, all 1.
        Little and different: the head is made anew, and moves down, behind the layer `after` (its name or place in
        `model.layers`; by default the one in the middle): images are flattened before it, or averaged where the model
        does so. In the other cases the head stays where it is, and `after` says where it begins (default: the last
        layer with parameters). Returns the model.
        Raises RuntimeError for a model that is not built; ValueError for a layer that is not there, and where there is
        no layer before the head.
        """
        old = start(model)
        place = old if after is None else start(model, after)
        if not place:
            raise ValueError("nothing stands before the head: there is nothing to transfer")
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
    """What to do with a trained model for a new task, by how much data there is and how like the first it is.

    >>> advice = pynn.transfer.advise(100, similar=True, classes=5)
    >>> print(advice)
    >>> advice.apply(model.replace_head(pynn.Affine(5))).fit(x, y)

    n_samples: training samples of the new task, at least 1. similar: whether what tells the first classes apart tells
    the new ones apart too, as with breeds of dogs after animals. (Digits 5-9 after 0-4 are different: what the last
    hidden layer of LeNet-5 sees helps little, what its convolutions see does.)
    classes: of the new task (default 10). enough: samples a class from which on it is much (default 500, what CIFAR-100
    has: a usual set to train networks on from scratch); the course names no number, and larger networks need more.
    Raises ValueError or TypeError for other settings. Source: CS231n, "Transfer learning".
    """
    for name, value in (("n_samples", n_samples), ("classes", classes), ("enough", enough)):
        check_count(name, value, 1)
    if not isinstance(similar, bool):
        raise TypeError(f"similar is {brief(similar)}, expected True or False")
    return Advice(int(n_samples), similar, int(classes), int(enough))


def _move_down(model: Sequential, old: int, place: int) -> int:
    """The layers from `old` on, made anew, take the place of all from `place` on; returns where they then begin."""
    between: list[Layer] = []
    if len(model.layers[place - 1].output_shape) > 1 and place < old:
        averages = any(isinstance(layer, GlobalAvgPool2d) for layer in model.layers[place:old])
        between = [GlobalAvgPool2d() if averages else Flatten()]
    model.replace_head(*between, *(_anew(layer) for layer in model.layers[old:]), after=place - 1)
    return place + len(between)


def _middle(model: Sequential, old: int) -> int:
    """The place behind the first half of the layers with weights, and behind what belongs to them."""
    weights = [
        place
        for place, layer in enumerate(model.layers[:old])
        if any(one.penalized for inner in layer.walk() for one in inner.declared)
    ]
    return weights[(len(weights) + 1) // 2] if len(weights) > 1 else old


def _anew(layer: Layer) -> Layer:
    """A layer with the same settings and no weights yet."""
    kinds = {**KINDS, **{type(inner).__name__: type(inner) for inner in layer.walk()}}
    made: Layer = config.from_data(config.to_data(layer, BASES), kinds)
    return made
