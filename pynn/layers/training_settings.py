"""Settings of a layer's training: what is frozen, the factor of the learning rate, the penalty."""

from __future__ import annotations

from typing import Any, TypeVar

from ..checks import NOT_NEGATIVE, expect_instance, expect_numbers
from ..messages.terminal import brief, called
from ..regularizers import Penalty
from ..saving.config import expect_keys
from ..typing import Array
from .held import Holder

T = TypeVar("T", bound="TrainingSettings")


class TrainingSettings(Holder):
    """How a layer is trained. What is set holds for the layers inside as well, and is saved with the model."""

    _penalty: Penalty | None = None
    _frozen: bool = False
    _frozen_names: tuple[str, ...] = ()  # of single parameters
    _factor: float = 1.0

    @property
    def penalty(self) -> Penalty | None:
        """Penalty of the weights, instead of the model's; None (default) for the model's."""
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
        """Stop training these parameters; penalties leave them out. A frozen BatchNorm keeps its running statistics.

        Parameters
        ----------
        *names : str
            Of the layer's parameters; without names, all, also those of layers inside.

        Returns
        -------
        Layer
            The layer itself.

        Raises
        ------
        ValueError
            For a name that the layer does not have.
        """
        if names:
            self.expect_parameters(*names)
            self._frozen_names += names
        else:
            for inner in self.walk():
                inner._frozen = True
        self.context.changes += 1
        return self

    def unfreeze(self: T) -> T:
        """Train all parameters again, also those of layers inside.

        Returns
        -------
        Layer
            The layer itself.
        """
        for inner in self.walk():
            inner._frozen, inner._frozen_names = False, ()
        self.context.changes += 1
        return self

    def freezes(self, name: str) -> bool:
        """Return whether a parameter is frozen.

        Parameters
        ----------
        name : str
            Of the parameter.

        Returns
        -------
        bool
            True if it is not trained.
        """
        return self._frozen or name in self._frozen_names

    def gradient_of(self, name: str) -> Array | None:
        """Return the gradient array of a parameter, for a kernel to fill.

        Parameters
        ----------
        name : str
            Of the parameter.

        Returns
        -------
        array or None
            None if it is frozen.
        """
        if self._frozen or name in self._frozen_names or self.context.inputs_only:
            return None
        gradient: Array | None = self._held.get(f"d{name}")
        if gradient is None:  # no such parameter in this layer
            gradient = getattr(self, f"d{name}")
        return gradient

    @property
    def frozen(self) -> bool:
        """Whether none of its parameters is trained."""
        trained = [(inner, one.name) for inner in self.walk() for one in inner.declared]
        return all(inner.freezes(name) for inner, name in trained) and (self._frozen or bool(trained))

    def expect_parameters(self, *names: str) -> None:
        """Refuse unknown names of parameters, once the layer is built.

        Parameters
        ----------
        *names : str
            Names to check; ValueError for one that no parameter has.
        """
        known = [one.name for one in self.declared]
        if known and (unknown := [repr(name) for name in names if name not in known]):
            raise ValueError(f"{called(self)}: {unknown[0]} cannot be frozen, expected {', '.join(known)}")

    @property
    def learning_rate_factor(self) -> float:
        """Factor of the learning rate, at least 0 (default 1)."""
        return self._factor

    @learning_rate_factor.setter
    def learning_rate_factor(self, value: float) -> None:
        factor = self._checked_factor(value)
        for inner in self.walk():
            inner._factor = factor
        self.context.changes += 1

    def _checked_factor(self, value: Any) -> float:
        expect_numbers(called(self), NOT_NEGATIVE, learning_rate_factor=value)
        return float(value)

    def training_settings(self) -> dict[str, Any]:
        """Return the settings that differ from the defaults, without those of layers inside.

        Returns
        -------
        dict
            As in a model file: frozen, learning_rate_factor and penalty.
        """
        frozen = True if self._frozen else list(self._frozen_names)
        factor = None if self._factor == 1 else self._factor
        settings = {"frozen": frozen, "learning_rate_factor": factor, "penalty": self._penalty}
        return {name: value for name, value in settings.items() if value not in ([], None)}

    def restore_training_settings(self, settings: dict[str, Any]) -> None:
        """Take over what `training_settings` returned; ValueError for anything else.

        Parameters
        ----------
        settings : dict
            frozen, learning_rate_factor and penalty; what is missing gets its default.
        """
        expect_keys(f"{self.kind}: train", settings, (), ("frozen", "learning_rate_factor", "penalty"))
        frozen, factor = settings.get("frozen", []), settings.get("learning_rate_factor", 1)
        if not (frozen is True or (isinstance(frozen, list) and all(isinstance(name, str) for name in frozen))):
            raise ValueError(f"{self.kind}: frozen is {brief(frozen)}, expected true or a list of names")
        self._frozen, self._frozen_names = frozen is True, () if frozen is True else tuple(frozen)
        self._factor = self._checked_factor(factor)
        if "penalty" in settings:  # else it came as a constructor's argument
            self._penalty = self._checked_penalty(settings["penalty"])
        self.context.changes += 1
