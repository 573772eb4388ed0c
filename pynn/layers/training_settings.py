"""What a user says of a layer's training: what is frozen, how fast it learns, what its weights pay."""

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
    """How the parameters of a layer are trained; `freeze` and the setters reach the layers inside as well."""

    _penalty: Penalty | None = None
    _frozen: bool = False
    _frozen_names: tuple[str, ...] = ()  # of single parameters
    _factor: float = 1.0

    @property
    def penalty(self) -> Penalty | None:
        """What this layer's weights pay in place of the model's penalty (None, the default: the model's).

        To set it sets that of the layers inside as well. It is saved with the model.
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
        """Train these parameters of the layer no further; without names: all, also of layers inside. Returns the layer.

        Nothing changes a frozen parameter: no learning rate, momentum or weight decay; penalties leave it out. Below
        the first layer that is trained there is no backward pass. A BatchNorm that is frozen as a whole works with its
        running statistics, in training too, and they stay. What is frozen is saved with the model.
        ValueError for a name that the layer does not have.
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
        """Train all parameters of this layer and of those inside it again; returns the layer."""
        for inner in self.walk():
            inner._frozen, inner._frozen_names = False, ()
        self.context.changes += 1
        return self

    def freezes(self, name: str) -> bool:
        """Whether its parameter of this name is frozen."""
        return self._frozen or name in self._frozen_names

    def gradient_of(self, name: str) -> Array | None:
        """The gradient array of its parameter of this name, for a kernel to fill; None where it is frozen."""
        if self._frozen or name in self._frozen_names or self.context.inputs_only:
            return None
        gradient: Array | None = self._held.get(f"d{name}")
        if gradient is None:  # no such parameter in this layer
            gradient = getattr(self, f"d{name}")
        return gradient

    @property
    def frozen(self) -> bool:
        """Whether nothing in it is trained."""
        trained = [(inner, one.name) for inner in self.walk() for one in inner.declared]
        return all(inner.freezes(name) for inner, name in trained) and (self._frozen or bool(trained))

    def expect_parameters(self, *names: str) -> None:
        """ValueError, once it is built, for names that its parameters do not have."""
        known = [one.name for one in self.declared]
        if known and (unknown := [repr(name) for name in names if name not in known]):
            raise ValueError(f"{called(self)}: {unknown[0]} cannot be frozen, expected {', '.join(known)}")

    @property
    def learning_rate_factor(self) -> float:
        """What the learning rate is multiplied with for this layer: a finite number of at least 0 (default 1).

        To set it sets that of the layers inside as well. It is saved with the model.
        """
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
        """What is frozen, the factor and the penalty, without the layers inside, as it stands in a model file."""
        frozen = True if self._frozen else list(self._frozen_names)
        factor = None if self._factor == 1 else self._factor
        settings = {"frozen": frozen, "learning_rate_factor": factor, "penalty": self._penalty}
        return {name: value for name, value in settings.items() if value not in ([], None)}

    def restore_training_settings(self, settings: dict[str, Any]) -> None:
        """Take the settings that `training_settings` gave; ValueError for anything else."""
        expect_keys(f"{self.kind}: train", settings, (), ("frozen", "learning_rate_factor", "penalty"))
        frozen, factor = settings.get("frozen", []), settings.get("learning_rate_factor", 1)
        if not (frozen is True or (isinstance(frozen, list) and all(isinstance(name, str) for name in frozen))):
            raise ValueError(f"{self.kind}: frozen is {brief(frozen)}, expected true or a list of names")
        self._frozen, self._frozen_names = frozen is True, () if frozen is True else tuple(frozen)
        self._factor = self._checked_factor(factor)
        if "penalty" in settings:  # else it came as a constructor's argument
            self._penalty = self._checked_penalty(settings["penalty"])
        self.context.changes += 1
