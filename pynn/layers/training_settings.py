"""Settings of a layer's training: what is frozen, the factor of the learning rate, the penalty."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from ..checks import NOT_NEGATIVE, expect_instance
from ..messages.terminal import brief, called
from ..regularizers import Penalty
from ..saving.config import expect_keys
from ..typing import Array
from .held import Holder

T = TypeVar("T", bound="TrainingSettings")
FACTOR = NOT_NEGATIVE.with_hint(', or factors by name of parameter, {"bias": 0.1}')


class TrainingSettings(Holder):
    """How a layer is trained. What is set holds for the layers inside as well, and is saved with the model."""

    _penalty: Penalty | None = None
    _frozen: bool = False
    _frozen_names: tuple[str, ...] = ()  # of single parameters
    _factor: float | Mapping[str, float] = 1.0  # of all parameters, or by name
    _factor_names: tuple[str, ...] = ()  # of parameters that it must have once it is built

    @property
    def penalty(self) -> Penalty | None:
        """The penalty of this layer's weights instead of the model's; None, the default, for the model's.

        Setting it also sets that of the layers inside. It is saved with the model.
        """
        return self._penalty

    @penalty.setter
    def penalty(self, value: Penalty | None) -> None:
        self._checked_penalty(value)
        for inner in self.walk():
            inner._penalty = value
        self.context.changes += 1

    def _checked_penalty(self, value: Any) -> Penalty | None:
        if value is not None:
            expect_instance(value, Penalty, f"{called(self)}: penalty")
        return value  # type: ignore[no-any-return]

    def freeze(self: T, *names: str) -> T:
        """Stop training these parameters; by default all, also of the layers inside.

        Parameters
        ----------
        *names : str
            Names of parameters.

        Returns
        -------
        Layer
            Itself.

        Raises
        ------
        ValueError
            For a name that the layer does not have.

        Notes
        -----
        Nothing changes a frozen parameter: no learning rate, momentum or weight decay; penalties exclude it. There is
        no backward pass below the first trained layer. A fully frozen `BatchNorm` uses its running statistics in
        training too, and they do not change. What is frozen is saved with the model.
        """
        if names:
            self._expect_parameters(*names)
            self._frozen_names += names
        else:
            for inner in self.walk():
                inner._frozen = True
        self.context.changes += 1
        return self

    def unfreeze(self: T) -> T:
        """Train all parameters of this layer and of those inside it again.

        Returns
        -------
        Layer
            Itself.
        """
        for inner in self.walk():
            inner._frozen, inner._frozen_names = False, ()
        self.context.changes += 1
        return self

    def freezes(self, name: str) -> bool:
        """Whether the parameter of this name is frozen.

        Parameters
        ----------
        name : str
            Name of the parameter.

        Returns
        -------
        bool
            True if it is frozen.
        """
        return self._frozen or name in self._frozen_names

    def gradient_of(self, name: str) -> Array | None:
        """Return the gradient of the parameter of this name for a kernel to fill.

        Parameters
        ----------
        name : str
            Name of the parameter.

        Returns
        -------
        array or None
            None if the parameter is frozen.
        """
        if self._frozen or name in self._frozen_names or self.context.inputs_only:
            return None
        gradient: Array | None = self._held.get(f"d{name}")
        if gradient is None:  # no such parameter in this layer
            gradient = getattr(self, f"d{name}")
        return gradient

    @property
    def frozen(self) -> bool:
        """Whether nothing in it is trained."""
        trained = [(inner, parameter.name) for inner in self.walk() for parameter in inner.declared]
        return all(inner.freezes(name) for inner, name in trained) and (self._frozen or bool(trained))

    def _expect_parameters(self, *names: str) -> None:
        """ValueError for a name that none of its parameters has, once it is built."""
        known = [parameter.name for parameter in self.declared]
        if known and (unknown := [repr(name) for name in names if name not in known]):
            raise ValueError(f"{called(self)}: {unknown[0]} cannot be frozen, expected {', '.join(known)}")

    @property
    def learning_rate_factor(self) -> float | Mapping[str, float]:
        """Factor of the learning rate for this layer: a finite number, at least 0, by default 1.

        A dict gives factors by name of parameter: with ``{"bias": 0.1}`` biases learn at a tenth of the rate, and
        whatever is not named at the whole rate. Setting it also sets that of the layers inside, and a name has to occur
        in one of them. It is saved with the model.
        """
        return self._factor if isinstance(self._factor, float) else MappingProxyType(dict(self._factor))

    @learning_rate_factor.setter
    def learning_rate_factor(self, value: float | Mapping[str, float]) -> None:
        factor = self._checked_factor(value)
        names, built = () if isinstance(factor, float) else tuple(factor), hasattr(self, "output_shape")
        if built:
            self._expect_factors(names)
        for inner in self.walk():
            inner._factor, inner._factor_names = factor, ()
        self._factor_names = names
        if built:
            self._settle_factors()
        self.context.changes += 1

    def _checked_factor(self, value: Any) -> float | Mapping[str, float]:
        if not isinstance(value, Mapping):
            FACTOR(called(self), "learning_rate_factor", value)
            return float(value)
        for name, factor in value.items():
            if not isinstance(name, str):
                raise ValueError(
                    f"{called(self)}: learning_rate_factor has the key {brief(name)}, expected names of parameters, "
                    'such as "bias"'
                )
            NOT_NEGATIVE(called(self), f"learning_rate_factor of {brief(name)}", factor)
        return {name: float(factor) for name, factor in value.items()} or 1.0

    def factor_of(self, name: str) -> float:
        """Return the factor of the learning rate for the parameter of this name.

        Parameters
        ----------
        name : str
            Name of the parameter.

        Returns
        -------
        float
            1 if nothing else is set.
        """
        return self._factor if isinstance(self._factor, float) else self._factor.get(name, 1.0)

    def _names_inside(self) -> dict[str, None]:
        """The names of its parameters and of those inside it, each once."""
        return {parameter.name: None for inner in self.walk() for parameter in inner.declared}

    def _expect_factors(self, names: tuple[str, ...]) -> None:
        """ValueError for a name that no parameter of it, or of the layers inside, has; it is built."""
        known = self._names_inside()
        if unknown := [name for name in names if name not in known]:
            has = f"expected {', '.join(known)}" if known else "but it has no parameters"
            raise ValueError(f"{called(self)}: learning_rate_factor has the name {brief(unknown[0])}, {has}")

    def _settle_factors(self) -> None:
        """Once it is built: refuse unknown names, and forget those that occur only in layers around it."""
        self._expect_factors(self._factor_names)
        for inner in self.walk():
            if not isinstance(inner._factor, float):
                known = inner._names_inside()
                inner._factor = {name: value for name, value in inner._factor.items() if name in known} or 1.0

    def _training_settings(self) -> dict[str, Any]:
        """Settings that are not the default, as in a model file, without those of the layers inside."""
        frozen = True if self._frozen else list(self._frozen_names)
        factor = None if self._factor == 1 else self._factor if isinstance(self._factor, float) else dict(self._factor)
        settings = {"frozen": frozen, "learning_rate_factor": factor, "penalty": self._penalty}
        return {name: value for name, value in settings.items() if value not in ([], None)}

    def _restore_training_settings(self, settings: dict[str, Any]) -> None:
        """Restore what `_training_settings` returned; ValueError for anything else."""
        expect_keys(f"{self.kind}: train", settings, (), ("frozen", "learning_rate_factor", "penalty"))
        frozen, factor = settings.get("frozen", []), settings.get("learning_rate_factor", 1)
        if not (frozen is True or (isinstance(frozen, list) and all(isinstance(name, str) for name in frozen))):
            raise ValueError(f"{self.kind}: frozen is {brief(frozen)}, expected true or a list of names")
        self._frozen, self._frozen_names = frozen is True, () if frozen is True else tuple(frozen)
        self._factor = self._checked_factor(factor)
        self._factor_names = () if isinstance(self._factor, float) else tuple(self._factor)
        if "penalty" in settings:  # else it came as a constructor's argument
            self._penalty = self._checked_penalty(settings["penalty"])
        self.context.changes += 1
