"""Defaults of ``pynn train`` for each network and data set; names that its options accept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from pynn import layers, optimizers

from ..schedules import CosineDecay, LinearDecay, Schedule, StepDecay
from . import augment

ACTIVATIONS: dict[str, type[layers.Activation]] = {
    "relu": layers.ReLU, "leaky_relu": layers.LeakyReLU, "prelu": layers.PReLU, "elu": layers.ELU, "selu": layers.SELU,
    "pselu": layers.PSELU, "pmish": layers.PMish,
    "softplus": layers.Softplus, "gelu": layers.GELU, "silu": layers.SiLU, "mish": layers.Mish, "tanh": layers.Tanh,
    "sigmoid": layers.Sigmoid,
}  # fmt: skip

# Initial learning rates; higher than the optimizers' defaults, since the rate falls to 0 from there.
LEARNING_RATES = {
    "sgd": 0.1, "momentum": 0.05, "nesterov": 0.05, "adagrad": 0.02, "rmsprop": 0.001,
    "adam": 0.004, "adamw": 0.004, "nadam": 0.004, "lion": 0.002,
}  # fmt: skip

SCHEDULES: dict[str, Callable[[float, int], float | Schedule]] = {
    "linear": LinearDecay,
    "cosine": CosineDecay,
    "step": lambda rate, epochs: StepDecay(rate, epochs / 3),
    "constant": lambda rate, epochs: rate,
}


@dataclass(frozen=True)
class Preset:
    """How a network learns a data set; the names are those of the options.

    pace: multiplies LEARNING_RATES. weight_decay: for this optimizer; if None, or with another optimizer, its default.
    """

    optimizer: str = "adam"
    pace: float = 1.0
    schedule: str = "linear"
    weight_decay: float | None = None
    augment: str = "none"
    epochs: int = 10
    batch_size: int = 128
    l2: float = 0.0
    validation: float = 0.1


# Defaults of the options of the MLP.
MLP: dict[str, Any] = {"layers": (512, 512), "activation": "relu", "dropout": 0.5, "batchnorm": True}

NETWORKS = {
    "mlp": Preset(),
    "lenet5": Preset(pace=0.5, schedule="cosine", batch_size=32),
    "deep_convnet": Preset(pace=0.25, schedule="cosine", batch_size=64),
    "vgg_small": Preset("adamw", pace=0.25, schedule="cosine", weight_decay=0.05, batch_size=64),
    "resnet20": Preset("nesterov", schedule="cosine", weight_decay=5e-4, batch_size=64),
}
READY = tuple(name for name in NETWORKS if name != "mlp")
KINDS = {"digits": "digits", "mnist": "MNIST", "fashion_mnist": "MNIST", "cifar10": "CIFAR", "cifar100": "CIFAR"}
EPOCHS = {  # by kind of data set, if they differ from the preset's
    "mlp": {"digits": 20},
    "lenet5": {"MNIST": 5, "CIFAR": 30},
    "deep_convnet": {"digits": 20, "MNIST": 10, "CIFAR": 30},
    "vgg_small": {"digits": 20, "MNIST": 5, "CIFAR": 30},
    "resnet20": {"digits": 20, "MNIST": 5, "CIFAR": 40},
}
CIFAR_AUGMENT = "flip,crop"  # for convolutional networks


def preset(network: str, dataset: str) -> Preset:
    """How this network learns this data set."""
    usual, kind = NETWORKS[network], KINDS[dataset]
    changes: dict[str, Any] = {"epochs": EPOCHS[network].get(kind, usual.epochs)}
    if network == "mlp" and kind == "digits":
        changes["batch_size"] = 64
    if network != "mlp" and kind == "CIFAR":
        changes["augment"] = CIFAR_AUGMENT
    return replace(usual, **changes)


def fill(options: Any) -> None:
    """Set missing options to the defaults of their network and data set."""
    chosen = preset(options.model, options.dataset)
    values = asdict(chosen) | (MLP if options.model == "mlp" else {})
    values["augment"] = augment.read(chosen.augment)
    named = options.optimizer or chosen.optimizer
    values["learning_rate"] = LEARNING_RATES[named] * values.pop("pace")
    if chosen.weight_decay is None or named != chosen.optimizer:
        values["weight_decay"] = optimizers.optimizer(named).weight_decay
    for name, value in values.items():
        if getattr(options, name) is None:
            setattr(options, name, value)


def optimizer(options: Any) -> optimizers.Optimizer:
    """The optimizer that filled options describe."""
    result = optimizers.optimizer(options.optimizer)
    result.learning_rate = SCHEDULES[options.schedule](options.learning_rate, options.epochs)
    result.weight_decay = options.weight_decay
    return result


def text(value: Any) -> str:
    """A value as the user would write it: 512,512 or none for layers, yes or no, a number."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def default(option: str) -> str:
    """The default of an option, for its help: "10; digits: 20; ready networks: below"."""
    if option in MLP:
        return text(MLP[option])
    usual = text(getattr(NETWORKS["mlp"], option))
    values = {name: text(getattr(preset("mlp", name), option)) for name in KINDS}
    others = [f"{name}: {value}" for name, value in values.items() if value != usual]
    ready = {text(getattr(preset(network, name), option)) for network in NETWORKS for name in KINDS} - {
        *values.values()
    }
    return "; ".join([usual, *others, *(["ready networks: below"] if ready else [])])


def table() -> str:
    """The defaults of the ready-made networks, for the help."""
    lines = [f"  {'model':<14}{'optimizer':<15}{'schedule':<10}{'weight decay':<14}batch  epochs"]
    for name in READY:
        settings = NETWORKS[name]
        rate = f"{settings.optimizer} {LEARNING_RATES[settings.optimizer] * settings.pace:g}"
        epochs = ", ".join(str(EPOCHS[name].get(kind, "-")) for kind in dict.fromkeys(KINDS.values()))
        decay = text(settings.weight_decay or 0)
        lines.append(f"  {name:<14}{rate:<15}{settings.schedule:<10}{decay:<14}{settings.batch_size:<5}  {epochs}")
    return "\n".join(lines)
