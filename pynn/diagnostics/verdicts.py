"""What can be wrong with a training run, in fixed words: names, severities, and the order of what to try first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

# Names in the order of what to mend first: data, then task, structure, first weights, steps, and last the amount.
VOCABULARY = {
    "bad_data": "inputs hold placeholders, outliers or constants",
    "labels": "targets are wrong, noisy, constant, or those of other samples",
    "leakage": "samples of validation were trained on",
    "data_mismatch": "validation was prepared in another way, or has another distribution",
    "order": "samples come sorted, and are not shuffled",
    "wrong_loss": "the loss does not suit the task, or its gradient is wrong",
    "wrong_last_layer": "activation or number of outputs of the last layer do not suit targets and loss",
    "missing_activation": "layers follow each other with no activation between them",
    "frozen": "layers that should learn do not",
    "unscaled_inputs": "inputs are far from mean 0 and spread 1",
    "unscaled_targets": "targets of a regression are far from mean 0 and spread 1",
    "symmetry": "units of a layer are equal, and stay so",
    "initialization": "first weights have the wrong size",
    "batch_statistics": "statistics of batch normalization do not hold outside training",
    "exploding": "activations, gradients or weights grow without bound",
    "vanishing_gradient": "hardly any gradient reaches the first layers",
    "dead_units": "units are never active, and do not learn",
    "saturation": "units sit at the ends of their activation, and do not learn",
    "learning_rate_too_large": "the loss jumps, settles too high, or diverges",
    "learning_rate_too_small": "steps are too short for the number of epochs",
    "imbalance": "rare classes are never predicted",
    "over_regularized": "penalty, dropout, noise or augmentation outweigh the data",
    "underfitting": "the model is too small for the task",
    "overfitting": "the model learns its training data by heart",
    "too_few_epochs": "the loss was still falling when training ended",
}
SEVERITIES = ("error", "warning", "info")


@dataclass(frozen=True)
class Verdict:
    """One thing that is wrong, with its evidence.

    Parameters
    ----------
    name : str
        A name of ``pynn.diagnostics.VOCABULARY``.
    severity : {"error", "warning", "info"}
        "error": training cannot work; "warning": it works badly; "info": worth knowing.
    where : str
        Layer, column or part of the data; "" for the whole run.
    evidence : str
        What was measured, in figures.
    cure : str
        What to do, in one sentence.
    """

    name: str
    severity: str
    where: str
    evidence: str
    cure: str

    def __post_init__(self) -> None:
        assert self.name in VOCABULARY, self.name
        assert self.severity in SEVERITIES, self.severity

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        return f"{self.severity}: {self.name}{place}: {self.evidence}. {self.cure}"


class Verdicts(tuple[Verdict, ...]):
    """Verdicts in the order of what to try first; true if there are any of severity "warning" or "error".

    Parameters
    ----------
    verdicts : iterable of Verdict
        In any order.
    """

    seen: str = ""  # what was not looked at, if there is something

    def __new__(cls, verdicts: Iterable[Verdict] = ()) -> Verdicts:
        order = list(VOCABULARY)
        ranked = sorted(verdicts, key=lambda one: (SEVERITIES.index(one.severity) == 2, order.index(one.name)))
        return super().__new__(cls, ranked)

    @property
    def names(self) -> list[str]:
        """Names of the verdicts of severity "warning" or "error", in order, each once."""
        return list(dict.fromkeys(verdict.name for verdict in self if verdict.severity != "info"))

    def __bool__(self) -> bool:
        return bool(self.names)

    def __str__(self) -> str:
        found = "\n".join(map(str, self)) if len(self) else "nothing is wrong as far as can be seen"
        return f"{found}{self.seen}"

    __repr__ = __str__
