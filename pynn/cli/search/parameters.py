"""What the space of ``pynn search`` may hold, its values as options, and the spaces for those who name none."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ...messages.terminal import brief, printable
from ...optimizers import OPTIMIZERS, optimizer
from .. import arguments, augment, networks, presets, words

if TYPE_CHECKING:
    from ...search.space import Space

Read = Callable[[Any], Any]


def _of_text(read: Callable[[str], Any]) -> Read:
    """A reader of values by the reader of an option's text."""
    return lambda value: read(value if isinstance(value, str) else repr(value))


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise argparse.ArgumentTypeError(f"expected true or false; got {brief(value)}")
    return value


def _widths(value: Any) -> tuple[int, ...]:
    if isinstance(value, (tuple, list)):
        return tuple(arguments.count(repr(one)) for one in value)
    return arguments.widths(value if isinstance(value, str) else repr(value))


def _momentum(value: Any) -> float:
    return arguments.share(repr(value))


# How the value of each parameter becomes that of an option; argparse.ArgumentTypeError for one that is none.
COMMON: dict[str, Read] = {
    "learning_rate": _of_text(arguments.positive),
    "weight_decay": _of_text(arguments.not_negative),
    "width": _of_text(arguments.count),
    "depth": _of_text(arguments.count),
    "layers": _widths,
    "dropout": _of_text(arguments.share),
    "batch_size": _of_text(arguments.count),
}
IMAGES: dict[str, Read] = {
    **COMMON,
    "activation": _of_text(arguments.choice(presets.ACTIVATIONS)),
    "batchnorm": _truth,
    "model": _of_text(arguments.choice(presets.NETWORKS)),
    "optimizer": _of_text(arguments.choice(OPTIMIZERS)),
    "momentum": _momentum,
    "schedule": _of_text(arguments.choice(presets.SCHEDULES)),
    "augment": _of_text(augment.read),
    "l2": _of_text(arguments.not_negative),
}
TABLES: dict[str, Read] = {**COMMON, "label_smoothing": _of_text(arguments.share)}
EXPLAINED = {"width": "units of a hidden layer", "depth": "hidden layers", "layers": "their widths"}
FOREIGN: dict[str, tuple[str, ...]] = {
    "width": ("units", "hidden", "hidden_size", "hidden_units", "neurons", "n_units", "num_units"),
    "depth": ("n_layers", "num_layers", "hidden_layers", "n_hidden", "blocks"),
    "layers": ("hidden_layer_sizes", "widths", "sizes"),
    **{name[2:].replace("-", "_"): several for name, several in words.OPTIONS.items() if name != "--layers"},
}
EXCLUSIVE = ("width", "depth")  # each says a part of what "layers" says
WIDTH = 76  # of the help


def listed(kind: str, known: Iterable[str]) -> str:
    """The names, for the help."""
    import textwrap

    names = ", ".join(f"{name} ({EXPLAINED[name]})" if name in EXPLAINED else name for name in known)
    return textwrap.fill(f"{kind}: {names}", WIDTH, initial_indent="  ", subsequent_indent="    ")


# A space of the user's own -------------------------------------------------------------------------


def check(space: Space, known: Mapping[str, Read], where: str) -> None:
    """ValueError for a parameter that the command does not know, and for values that it cannot have."""
    parts = space.flat()
    for name, several in parts.items():
        if name not in known:
            match = words.like(name, known, FOREIGN)
            hint = f"; did you mean {match}?" if match else ""
            raise ValueError(f"{where}: {brief(name)} is no parameter{hint} (there are {', '.join(known)})")
        for part in several:
            ends = [value for value, _ in part.options] if hasattr(part, "options") else [part.low, part.high]
            for value in ends:
                try:
                    known[name](value)
                except argparse.ArgumentTypeError as cause:
                    whole = " (use integer)" if getattr(part, "whole", True) is False and "whole" in str(cause) else ""
                    raise ValueError(f"{where}: {name}: {cause}{whole}") from None
    if "layers" in parts and (twice := [name for name in EXCLUSIVE if name in parts]):
        raise ValueError(f"{where}: layers says what {twice[0]} says, too; leave one of them out")


def expect_searched_once(space: Space, options: argparse.Namespace, where: str) -> None:
    """ValueError for what the space holds though an option fixes it."""
    for name in space.flat():
        option = "layers" if name in EXCLUSIVE else name
        if getattr(options, option, None) is not None:
            text = f"--{option.replace('_', '-')}"
            raise ValueError(f"{where} has {name}, and {text} is given, too; leave one of them out")


def expect_useful(space: Space, options: argparse.Namespace, where: str) -> None:
    """ValueError for parameters without effect on a network or an optimizer that they come together with."""
    for model, names in _together(space, "model", options.model or "mlp", IMAGES["model"]):
        for name in names:
            option = "layers" if name in EXCLUSIVE else name
            if option in presets.MLP and not networks.takes(model, option):
                raise ValueError(_useless(where, name, "model", model, "mlp"))
    usual = options.optimizer or presets.NETWORKS[options.model or "mlp"].optimizer
    for name, names in _together(space, "optimizer", usual, IMAGES["optimizer"]):
        if "momentum" in names and not hasattr(optimizer(name), "momentum"):
            raise ValueError(_useless(where, "momentum", "optimizer", name, "nesterov"))


def _together(space: Space, name: str, usual: str, read: Read) -> list[tuple[str, list[str]]]:
    """Each value that a choice at the top has, or the usual one, with the parameters that exist with it."""
    part: Any = space.parts.get(name)
    if part is None:
        return [] if name in space.flat() else [(usual, space.names)]
    others = [one for each, inner in space.parts.items() if each != name for one in [each, *_inside(inner)]]
    return [(read(value), others + (list(inner.names) if inner else [])) for value, inner in part.options]


def _inside(part: Any) -> list[str]:
    return [name for _, inner in getattr(part, "options", ()) if inner for name in inner.names]


def _useless(where: str, name: str, kind: str, value: str, other: str) -> str:
    return (
        f"{where}: {name} has no effect on the {kind} {value}; leave it out, or let it exist for others only: "
        f"{kind}.choice.{other} = {{{name} = ...}}"
    )


# Spaces for those who name none --------------------------------------------------------------------


def for_images(options: argparse.Namespace, samples: int) -> dict[str, Any]:
    """Learning rate, weight decay, width, dropout and batch size, as far as no option fixes them."""
    from ...search import choice, integer, log_uniform, uniform

    model = options.model or "mlp"
    preset = presets.NETWORKS[model]
    name = options.optimizer or preset.optimizer
    rate = presets.LEARNING_RATES[name] * preset.pace
    strong = optimizer(name).weight_decay > 0  # decoupled from the gradient, with weaker effect
    space: dict[str, Any] = {
        "learning_rate": log_uniform(_rounded(rate / 100), _rounded(rate * 10)),
        "weight_decay": log_uniform(1e-4, 0.3) if strong else log_uniform(1e-6, 1e-2),
    }
    if networks.takes(model, "layers"):
        space["width"] = integer(32, 512, log=True)
    if networks.takes(model, "dropout"):
        space["dropout"] = uniform(0.0, 0.6)
    space["batch_size"] = choice(batches((32, 64, 128, 256), samples))
    fixed = [each for each in space if getattr(options, "layers" if each == "width" else each) is not None]
    for each in fixed:
        del space[each]
    return space


def for_tables(samples: int) -> dict[str, Any]:
    """The same for tables."""
    from ...search import choice, integer, log_uniform, uniform

    return {
        "learning_rate": log_uniform(5e-3, 0.5),  # the recipe's are 0.04 and 0.2
        "weight_decay": log_uniform(1e-3, 0.3),
        "width": integer(32, 512, log=True),
        "dropout": uniform(0.0, 0.5),
        "batch_size": choice(batches((32, 64, 128, 256, 512), samples)),
    }


def batches(sizes: Iterable[int], samples: int) -> list[int]:
    """Those of the sizes that make at least four steps of the samples, the first in any case."""
    first, *others = sizes
    return [first, *(size for size in others if 4 * size <= samples)]


def _rounded(number: float) -> float:
    """A number with one digit: 4e-05."""
    return float(f"{number:.0e}")


def written(path: str) -> str:
    """The name of a space's file in messages."""
    return printable(path, 100)
