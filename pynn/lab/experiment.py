"""An experiment: what is claimed, by which margin, how it is run and drawn."""

from __future__ import annotations

import hashlib
import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeAlias

import pynn

Result: TypeAlias = Mapping[str, Any]  # what a run returns: plain numbers, lists and dicts of them


@dataclass(frozen=True)
class Claim:
    """A sentence of the course and the margin by which it is judged, stated before any run.

    Parameters
    ----------
    key : str
        The name of its figure in what `run` returns.
    text : str
        The claim, with its margin, as a sentence without a full stop.
    source : str
        Who claims it.
    at_least, at_most : float, optional
        The margin. A seed supports the claim if its figure lies within.
    unit : str
        How figures are written: "" plain, "%" as a percentage, "points" as percentage points, "x" as a factor; anything
        else follows the number.
    """

    key: str
    text: str
    source: str
    at_least: float | None = None
    at_most: float | None = None
    unit: str = ""

    def __post_init__(self) -> None:
        if self.at_least is None and self.at_most is None:
            raise ValueError(f"claim {self.key!r} has no margin; set at_least, at_most or both")

    def supported_by(self, figure: float) -> bool:
        """Whether a figure lies within the margin.

        Parameters
        ----------
        figure : float
            Of a seed. NaN lies within no margin.

        Returns
        -------
        bool
            Whether it does.
        """
        low = self.at_least is None or figure >= self.at_least
        return low and (self.at_most is None or figure <= self.at_most) and figure == figure


@dataclass(frozen=True)
class Experiment:
    """An experiment of `pynn.lab`, read from its module.

    Parameters
    ----------
    name : str
        As in `pynn lab NAME`.
    title : str
        A sentence: the first line of the module's docstring.
    setting : str
        Data, network and training in words: the rest of the docstring.
    claims : tuple of Claim
        What is judged.
    run : callable
        ``run(seed, quick)``: a single repetition; returns the figures of all claims by their keys, and whatever the
        picture needs, as plain values.
    draw : callable
        ``draw(figure, results)``: the picture, from the results of all seeds, into a matplotlib figure.
    picture : str
        What the picture shows, for those who cannot see it.
    data : str or None
        The data set that has to be there: "mnist" or "cifar10".
    extra : str or None
        The extra of pynn that has to be installed: "scipy" or "search".
    seeds : int
        How many repetitions, unless the caller says otherwise.
    height : float
        Of the picture, in inches; all are `drawing.WIDTH` wide.
    module : module
        Where it stands, to be read as the example of its technique.
    """

    name: str
    title: str
    setting: str
    claims: tuple[Claim, ...]
    run: Callable[[int, bool], Result]
    draw: Callable[[Any, Sequence[Result]], None]
    picture: str
    data: str | None
    extra: str | None
    seeds: int
    height: float
    module: ModuleType

    @property
    def code(self) -> str:
        """A hash of what its figures come from: version, backend and the module's source but for texts and picture."""
        source = inspect.getsource(self.module)
        for part in (self.module.__doc__ or "", self.module.PICTURE, inspect.getsource(self.draw)):
            source = source.replace(part, "")
        return hashlib.sha256(f"{pynn.__version__} {pynn.info().backend} {source}".encode()).hexdigest()[:16]


def read(name: str) -> Experiment:
    """The experiment of this name, which has a module in `pynn.lab.experiments`."""
    module = importlib.import_module(f".experiments.{name.replace('-', '_')}", __package__)
    title, _, setting = inspect.cleandoc(module.__doc__ or "").partition("\n\n")
    return Experiment(
        name=name,
        title=" ".join(title.split()).removesuffix("."),
        setting=" ".join(setting.split()),
        claims=tuple(module.CLAIMS),
        run=module.run,
        draw=module.draw,
        picture=" ".join(module.PICTURE.split()),
        data=getattr(module, "DATA", None),
        extra=getattr(module, "EXTRA", None),
        seeds=getattr(module, "SEEDS", 5),
        height=getattr(module, "HEIGHT", 3.4),
        module=module,
    )
