"""What `pynn train` takes where the user says nothing, for each data set; and the names that its options know."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pynn.layers import ELU, Activation, LeakyReLU, ReLU, Sigmoid, Tanh

ACTIVATIONS: dict[str, type[Activation]] = {kind.function: kind for kind in (ReLU, LeakyReLU, ELU, Tanh, Sigmoid)}

# Where learning starts; higher than the optimizers' own defaults, since the rate falls to 0 from there.
LEARNING_RATES = {
    "sgd": 0.1, "momentum": 0.05, "nesterov": 0.05, "adagrad": 0.02, "rmsprop": 0.001,
    "adam": 0.004, "adamw": 0.004, "nadam": 0.004, "lion": 0.002,
}  # fmt: skip


@dataclass(frozen=True)
class Preset:
    """Defaults of a data set; the names are those of the options."""

    layers: tuple[int, ...] = (512, 512)
    activation: str = "relu"
    dropout: float = 0.5
    batchnorm: bool = True
    optimizer: str = "adam"
    epochs: int = 10
    batch_size: int = 128
    l2: float = 0.0
    validation: float = 0.1


PRESETS: dict[str, Preset] = {
    "digits": Preset(epochs=20, batch_size=64),
    "mnist": Preset(),
    "fashion_mnist": Preset(),
    "cifar10": Preset(),
    "cifar100": Preset(),
}


def text(value: Any) -> str:
    """A value as the user writes it: 512,512 or none for layers, yes or no, a number."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def default(option: str) -> str:
    """The default of an option, for its help: "10; digits: 30"."""
    values = {name: text(getattr(preset, option)) for name, preset in PRESETS.items()}
    usual = text(getattr(Preset(), option))
    others = [f"{name}: {value}" for name, value in values.items() if value != usual]
    return "; ".join([usual, *others])


def fill(options: Any) -> None:
    """Give the options that were left out the values of their data set."""
    for name, value in asdict(PRESETS[options.dataset]).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    if options.learning_rate is None:
        options.learning_rate = LEARNING_RATES[options.optimizer]
