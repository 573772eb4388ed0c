"""Space: what a search chooses from, as named ranges and choices. Knows no studies."""

from __future__ import annotations

import itertools
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...checks import is_number
from ...messages.terminal import brief, printable
from ...signatures import answering
from . import reading
from .ranges import Range
from .reading import CHOICE

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

Chosen = Callable[[str, str, "Range | Choice"], Any]  # of the unique name, the plain name and the part


class Choice:
    """One of several values, each of which may bring parameters of its own; `choice` makes it.

    Parameters
    ----------
    options : list of tuple
        Each value with the space of its own parameters, or None.
    """

    def __init__(self, options: Sequence[tuple[Any, Space | None]]) -> None:
        self.options = list(options)
        self.labels = [_label(value) for value, _ in self.options]  # as a storage holds them

    @property
    def conditional(self) -> bool:
        """Whether values bring parameters of their own."""
        return any(inner is not None for _, inner in self.options)

    def __repr__(self) -> str:
        if not self.conditional:
            return f"choice({[value for value, _ in self.options]})"
        inner = ", ".join(f"{value!r}: {dict(space.parts) if space else {}}" for value, space in self.options)
        return f"choice({{{inner}}})"

    def data(self) -> dict[str, Any]:
        """The choice as a space's file has it."""
        if not self.conditional:
            return {CHOICE: [value for value, _ in self.options]}
        return {CHOICE: {str(label): space.data() if space else {} for label, (_, space) in self._labelled()}}

    def _labelled(self) -> Iterator[tuple[Any, tuple[Any, Space | None]]]:
        return zip(self.labels, self.options, strict=True)

    def suggest(self, trial: BaseTrial, name: str) -> Any:
        """The label that Optuna takes for a trial."""
        return trial.suggest_categorical(name, self.labels)


class Space:
    """Named ranges and choices, from which a search takes the parameters of a trial.

    Parameters
    ----------
    parts : dict
        A range or a choice for each name: ``{"learning_rate": log_uniform(1e-5, 1e-1)}``. Or what a file of TOML holds
        in its place: ``{"learning_rate": {"log_uniform": [1e-5, 1e-1]}}``.

    Raises
    ------
    ValueError or TypeError
        For anything else, for an empty space, and if a name occurs twice among parameters that exist together.

    Notes
    -----
    Parameters come as a flat dict: of ``{"optimizer": choice({"sgd": {"momentum": uniform(0.5, 0.99)}, "adam": {}})}``
    either {"optimizer": "sgd", "momentum": 0.7} or {"optimizer": "adam"}.
    """

    def __init__(self, parts: Mapping[str, Any]) -> None:
        reading.expect_mapping(parts)
        self.parts: dict[str, Range | Choice] = {}
        for name, part in parts.items():
            reading.expect_parameter(name)
            self.parts[name] = part if isinstance(part, (Range, Choice)) else reading.part(name, part, choice)
        self.names: list[str] = []  # of all parameters, those of options included
        for name, part in self.parts.items():
            found = [name, *(dict.fromkeys(one for _, inner in part.options if inner for one in inner.names)
                             if isinstance(part, Choice) else ())]  # fmt: skip
            twice = [one for one in found if one in self.names] + ([name] if name in found[1:] else [])
            if twice:
                raise ValueError(f"space: {twice[0]!r} occurs twice among parameters that exist together; rename one")
            self.names += found

    @classmethod
    def of(cls, space: Space | Mapping[str, Any] | str | os.PathLike[str]) -> Space:
        """Return the space, made of a dict or of a file of TOML.

        Parameters
        ----------
        space : Space, dict or path
            The space, its parts, or a file.

        Returns
        -------
        Space
            The space, which is not empty.
        """
        if isinstance(space, (str, os.PathLike)):
            content = reading.file(space)
            try:
                return cls(content)
            except (TypeError, ValueError) as cause:
                raise type(cause)(f"{printable(space)}: {str(cause).removeprefix('space: ')}") from cause
        made = space if isinstance(space, Space) else cls(space)
        if not made.parts:
            raise ValueError("space is empty, expected ranges and choices: {'learning_rate': log_uniform(1e-5, 1e-1)}")
        return made

    def __repr__(self) -> str:
        return f"Space({self.parts})"

    def data(self) -> dict[str, Any]:
        """Return the space as a file of TOML has it.

        Returns
        -------
        dict
            Numbers, text, lists and dicts.
        """
        return {name: part.data() for name, part in self.parts.items()}

    def walk(self, choose: Chosen, path: str = "") -> dict[str, Any]:
        """The parameters by plain name, of which `choose` gives each as a storage holds it.

        Unique names tell the parameters of options apart: "optimizer=sgd/momentum".
        """
        params: dict[str, Any] = {}
        for name, part in self.parts.items():
            value = choose(f"{path}{name}", name, part)
            if isinstance(part, Range):
                params[name] = value
                continue
            label = part.labels.index(value)
            params[name], inner = part.options[label]
            if inner is not None:
                params |= inner.walk(choose, f"{path}{name}={part.labels[label]}/")
        return params

    def suggest(self, trial: BaseTrial) -> dict[str, Any]:
        """The parameters of a trial of Optuna, which it chooses."""
        return self.walk(lambda unique, _, part: part.suggest(trial, unique))

    def stored(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters of a trial by plain name, from those that a storage holds; KeyError if some are missing."""
        return self.walk(lambda unique, _, __: params[unique])

    def middle(self) -> dict[str, Any]:
        """The middle of every range, and the first of every choice."""
        return self.walk(lambda _, __, part: part.at(0.5) if isinstance(part, Range) else part.labels[0])

    def random(self, rng: np.random.Generator) -> dict[str, Any]:
        """Some parameters, without Optuna."""
        return self.walk(
            lambda _, __, part: (
                part.at(rng.random()) if isinstance(part, Range) else part.labels[rng.integers(len(part.labels))]
            )
        )

    def present(self, params: Mapping[str, Any]) -> dict[str, Range | Choice]:
        """The ranges and choices that exist for these parameters, by plain name."""
        found: dict[str, Range | Choice] = {}
        for name, part in self.parts.items():
            found[name] = part
            if isinstance(part, Choice) and part.conditional:
                inner = part.options[part.labels.index(_label(params[name]))][1]
                found |= {} if inner is None else inner.present(params)
        return found

    def active(self, params: Mapping[str, Any]) -> dict[str, Range]:
        """The ranges that exist for these parameters, by plain name."""
        return {name: part for name, part in self.present(params).items() if isinstance(part, Range)}

    def flat(self) -> dict[str, list[Range | Choice]]:
        """All ranges and choices by plain name, of which a name has several if several options bring it.

        Returns
        -------
        dict of str to list
            In the order of the space.
        """
        found: dict[str, list[Range | Choice]] = {}
        for name, part in self.parts.items():
            found.setdefault(name, []).append(part)
            for _, inner in part.options if isinstance(part, Choice) else ():
                for one, several in inner.flat().items() if inner else ():
                    found.setdefault(one, []).extend(several)
        return found

    def grid_size(self, count: int) -> int:
        """How many combinations there are with so many points of each range."""
        return math.prod(
            len(part.points(count)) if isinstance(part, Range)
            else sum(inner.grid_size(count) if inner else 1 for _, inner in part.options)
            for part in self.parts.values()
        )  # fmt: skip

    def grid(self, count: int) -> list[dict[str, Any]]:
        """All combinations by unique name, with so many points of each range."""
        return list(self._combinations(count, ""))

    def _combinations(self, count: int, path: str) -> Iterator[dict[str, Any]]:
        axes = []
        for name, part in self.parts.items():
            unique = f"{path}{name}"
            if isinstance(part, Range):
                axes.append([{unique: point} for point in part.points(count)])
                continue
            axes.append([
                {unique: label, **inside}
                for label, (_, inner) in part._labelled()
                for inside in (inner._combinations(count, f"{unique}={label}/") if inner else [{}])
            ])  # fmt: skip
        for combination in itertools.product(*axes):
            yield {name: value for one in combination for name, value in one.items()}


@answering
def choice(options: Sequence[Any] | Mapping[Any, Mapping[str, Any] | None]) -> Choice:
    """One of several values, each as likely as the others.

    Parameters
    ----------
    options : list or dict
        The values: numbers, text, True, False, None, and tuples of these. Lists become tuples, within others too, and
        numbers of NumPy become Python's: so `build` and results have the same values as a storage. The keys of a dict
        are the values, and what each key holds are the parameters that exist only where it is chosen. In a file such a
        key of several values is text, "[100, 100]".

    Returns
    -------
    Choice
        For a space.

    Raises
    ------
    ValueError or TypeError
        If there are no values, some are equal, or a storage cannot hold them.

    Examples
    --------
    >>> space = {
    ...     "units": choice([(100,), (100, 100)]),
    ...     "optimizer": choice({"sgd": {"momentum": uniform(0.5, 0.99)}, "adam": {}}),
    ... }
    """
    if isinstance(options, (str, bytes)) or not isinstance(options, (Sequence, Mapping)):
        raise TypeError(f"choice: options is {brief(options)}, expected a list of values, or a dict")
    if not options:
        raise ValueError("choice: options is empty, expected at least one value")
    values = [_python(_of_key(value) if isinstance(options, Mapping) else value) for value in options]
    for place, value in enumerate(values):
        if not _is_plain(value):
            raise TypeError(
                f"choice: {brief(value)} cannot be kept in a storage, expected numbers, text, True, False, None or "
                "tuples of these; choose by a name, and let build make the object"
            )
        if value in values[:place]:
            raise ValueError(f"choice: {brief(value)} occurs twice, expected different values (True is 1 here)")
    inner = options.values() if isinstance(options, Mapping) else [None] * len(values)
    made = Choice([(value, Space(one) if one else None) for value, one in zip(values, inner, strict=True)])
    _expect_labels(made)
    return made


def _expect_labels(made: Choice) -> None:
    """ValueError for values that a storage cannot tell apart."""
    labels = [str(label) if made.conditional else label for label in made.labels]  # those of a dict are its keys
    for place, label in enumerate(labels):
        if label in labels[:place]:
            one, other = (brief(made.options[where][0]) for where in (labels.index(label), place))
            raise ValueError(f"choice: {one} and {other} are both kept as {brief(label)}; leave one of them out")


def _python(value: Any) -> Any:
    """The value with Python's numbers in place of NumPy's, and tuples in place of lists."""
    if isinstance(value, (tuple, list)):
        return tuple(map(_python, value))
    return value.item() if isinstance(value, np.generic) else value


def _is_plain(value: object) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, str)) or is_number(value)


def _label(value: Any) -> Any:
    """A value as Optuna's storages hold it: tuples as text."""
    return json.dumps(value) if isinstance(value, tuple) else value


def _of_key(key: Any) -> Any:
    """The value of a key of a dict: the text of a tuple, as a file of TOML has it, becomes the tuple."""
    if not isinstance(key, str) or not key.startswith("["):
        return key
    try:
        return json.loads(key)
    except ValueError:
        return key
