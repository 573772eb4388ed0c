"""Adam and relatives: optimizers that follow running averages of the gradient and of its square."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import kernels
from ..checks import FLAG, NOT_NEGATIVE, POSITIVE, RATE
from ..signatures import takes
from ..typing import Array
from .base import Optimizer
from .rates import Rate

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .base import Options


class Adam(Optimizer):
    """Adam: m ← β1·m + (1-β1)·g; v ← β2·v + (1-β2)·g²; w ← w - η·m̂/(√v̂ + ε), m̂ = m/(1-β1^t), v̂ = v/(1-β2^t).

    Parameters
    ----------
    learning_rate : float or Schedule, default 0.001
        η.
    beta1, beta2 : float, default 0.9 and 0.999
        β1 and β2, at least 0 and below 1.
    epsilon : float, default 1e-8
        ε > 0.
    bias_correction : bool, default True
        False uses m and v instead of m̂ and v̂: the first steps are then several times too long.
    **options
        ``weight_decay``, ``decay_biases``, ``clip_norm``, ``clip_value``, see `Optimizer`.

    References
    ----------
    .. [1] Kingma & Ba, "Adam: A Method for Stochastic Optimization", 2015.
    """

    slots = ("first", "second")
    first: Array
    second: Array
    decoupled = False
    _takes = takes(beta1=RATE, beta2=RATE, epsilon=POSITIVE, bias_correction=FLAG)

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        *,
        bias_correction: bool = True,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.bias_correction = bias_correction

    def update(self, parameters: Array, gradients: Array) -> None:
        kernels.adam_step(
            parameters, gradients, self.first, self.second,
            self.effective_learning_rate, self.beta1, self.beta2, self.epsilon, self.steps,
            self.effective_weight_decay, self.decoupled, self.bias_correction,
        )  # fmt: skip


class AdamW(Adam):
    """Adam with decoupled weight decay: w ← w - η·m̂/(√v̂ + ε) - η·λ·w; m and v do not see the decay.

    Parameters
    ----------
    learning_rate : float or Schedule, default 0.001
        η.
    beta1, beta2, epsilon : float, default 0.9, 0.999 and 1e-8
        As for `Adam`.
    **options
        ``weight_decay`` λ, default 0.01; the others as for `Adam`.

    References
    ----------
    .. [1] Loshchilov & Hutter, "Decoupled Weight Decay Regularization", 2019.
    """

    decoupled = True

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        **options: Unpack[Options],
    ) -> None:
        options.setdefault("weight_decay", 0.01)
        super().__init__(learning_rate, beta1, beta2, epsilon, **options)


class NAdam(Optimizer):
    """Adam with Nesterov momentum that grows over the steps.

    μ_t = β1·(1 - ½·0.96^(t·ψ)); m, v as in Adam; with Π_t the product of μ_1..μ_t,
    w ← w - η·((1-μ_t)/(1-Π_t)·g + μ_{t+1}/(1-Π_{t+1})·m)/(√v̂ + ε).

    Parameters
    ----------
    learning_rate : float or Schedule, default 0.002
        η.
    beta1, beta2, epsilon : float, default 0.9, 0.999 and 1e-8
        As for `Adam`.
    momentum_decay : float, default 0.004
        ψ, at least 0.
    **options
        ``weight_decay``, ``decay_biases``, ``clip_norm``, ``clip_value``, see `Optimizer`.

    Notes
    -----
    The defaults are PyTorch's.

    References
    ----------
    .. [1] T. Dozat, "Incorporating Nesterov Momentum into Adam", 2016.
    """

    slots = ("first", "second")
    first: Array
    second: Array
    _takes = takes(beta1=RATE, beta2=RATE, epsilon=POSITIVE, momentum_decay=NOT_NEGATIVE)

    def __init__(
        self,
        learning_rate: Rate = 0.002,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        momentum_decay: float = 0.004,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.momentum_decay = momentum_decay
        self._products: dict[int, tuple[int, float]] = {}  # t and Π_t, by the number of steps that a block missed

    def _momentum(self, step: int) -> float:
        return float(self.beta1 * (1 - 0.5 * 0.96 ** (step * self.momentum_decay)))

    def _momenta(self) -> float:
        """The product of the momenta of all steps so far; computed from `steps`, so a checkpoint does not store it."""
        step, product = self._products.get(self._run.missed, (0, 1.0))
        if step > self.steps:  # restored from an earlier state
            step, product = 0, 1.0
        while step < self.steps:
            step += 1
            product *= self._momentum(step)
        self._products[self._run.missed] = step, product
        return product

    def update(self, parameters: Array, gradients: Array) -> None:
        rate, product = self.effective_learning_rate, self._momenta()
        now, later = self._momentum(self.steps), self._momentum(self.steps + 1)
        kernels.nadam_step(
            parameters, gradients, self.first, self.second,
            rate * (1 - now) / (1 - product), rate * later / (1 - product * later),
            self.beta1, self.beta2, self.epsilon, self.steps, self.effective_weight_decay,
        )  # fmt: skip


class Lion(Optimizer):
    """Lion: c = β1·m + (1-β1)·g; w ← w - η·(sign c + λ·w); m ← β2·m + (1-β2)·g. Each step has length η.

    Parameters
    ----------
    learning_rate : float or Schedule, default 0.0001
        η, 3 to 10 times smaller than for `Adam`.
    beta1, beta2 : float, default 0.9 and 0.99
        β1 and β2, at least 0 and below 1.
    **options
        ``weight_decay`` λ, decoupled, default 0; 3 to 10 times that of `AdamW` makes up for the smaller rate. The
        others as for every `Optimizer`.

    References
    ----------
    .. [1] Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023.
    """

    slots = ("first",)
    first: Array
    _takes = takes(beta1=RATE, beta2=RATE)

    def __init__(
        self,
        learning_rate: Rate = 0.0001,
        beta1: float = 0.9,
        beta2: float = 0.99,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.beta1 = beta1
        self.beta2 = beta2

    def update(self, parameters: Array, gradients: Array) -> None:
        kernels.lion_step(
            parameters, gradients, self.first,
            self.effective_learning_rate, self.beta1, self.beta2, self.effective_weight_decay,
        )  # fmt: skip
