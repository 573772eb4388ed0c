"""Networks of PyTorch with the same ones of pynn, and weights for them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

import pynn

# PyTorch as an oracle --------------------------------------------------------------------------------


def lenet(nn: Any) -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def mlp(nn: Any) -> Any:
    return nn.Sequential(
        nn.Linear(12, 9), nn.BatchNorm1d(9), nn.ReLU(), nn.Linear(9, 9, bias=False), nn.LayerNorm(9), nn.PReLU(9),
        nn.Linear(9, 4),
    )  # fmt: skip


def own_mlp() -> pynn.Sequential:
    return pynn.Sequential(
        pynn.Affine(9), pynn.BatchNorm(), pynn.ReLU(), pynn.Affine(9, use_bias=False), pynn.LayerNorm(),
        pynn.PReLU(per_feature=True), pynn.Affine(4),
    )  # fmt: skip


def flattened(nn: Any) -> Any:
    """What stands on flattened images, before an affine layer takes them."""
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, groups=1, bias=False), nn.GroupNorm(2, 4), nn.PReLU(), nn.Conv2d(4, 8, 3, groups=2),
        nn.Flatten(), nn.BatchNorm1d(24), nn.PReLU(24), nn.LayerNorm(24), nn.Linear(24, 5), nn.BatchNorm1d(5),
        nn.Linear(5, 3),
    )  # fmt: skip


def own_flattened() -> pynn.Sequential:
    return pynn.Sequential(
        pynn.Conv2d(4, 3, padding="valid", use_bias=False), pynn.GroupNorm(2), pynn.PReLU(),
        pynn.Conv2d(8, 3, padding="valid", groups=2), pynn.Flatten(), pynn.BatchNorm(), pynn.PReLU(per_feature=True),
        pynn.LayerNorm(), pynn.Affine(5), pynn.BatchNorm(), pynn.Affine(3),
    )  # fmt: skip


def block(nn: Any, before: int, channels: int, stride: int) -> Any:
    """A residual block; its module is made here, since torch is not there for everybody."""

    class Block(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.f = nn.Sequential(
                nn.Conv2d(before, channels, 3, stride, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(),
                nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels),
            )  # fmt: skip
            projects = before != channels
            self.g = nn.Sequential(
                nn.Conv2d(before, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            ) if projects else nn.Identity()  # fmt: skip

        def forward(self, x: Any) -> Any:
            return nn.functional.relu(self.f(x) + self.g(x))

    return Block()


def residual(nn: Any) -> Any:
    return nn.Sequential(block(nn, 3, 5, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 4))


def own_residual() -> pynn.Sequential:
    shortcut = pynn.Sequential(pynn.Conv2d(5, 1, stride=2, use_bias=False), pynn.BatchNorm())
    return pynn.Sequential(
        pynn.Residual(
            pynn.Conv2d(5, stride=2, padding=1, use_bias=False), pynn.BatchNorm(), pynn.ReLU(),
            pynn.Conv2d(5, use_bias=False), pynn.BatchNorm(), shortcut=shortcut,
        ),
        pynn.ReLU(), pynn.GlobalAvgPool2d(), pynn.Affine(4),
    )  # fmt: skip


def resnet20(nn: Any) -> Any:
    layers, before = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()], 16
    for channels, stride in ((16, 1), (32, 2), (64, 2)):
        for number in range(3):
            layers.append(block(nn, before, channels, stride if number == 0 else 1))
            before = channels
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


NETWORKS: dict[str, tuple[Callable[[Any], Any], Callable[[], pynn.Sequential], tuple[int, ...]]] = {
    "LeNet-5": (lenet, pynn.models.lenet5, (28, 28, 1)),
    "MLP": (mlp, own_mlp, (12,)),
    "flattened images": (flattened, own_flattened, (5, 7, 3)),
    "residual block": (residual, own_residual, (8, 8, 3)),
    "ResNet-20": (resnet20, pynn.models.resnet20, (32, 32, 3)),
}


def own(name: str, seed: int = 3) -> pynn.Sequential:
    model = NETWORKS[name][1]()
    model.context.seed = seed
    model.build(NETWORKS[name][2])
    return model


def small(*layers: pynn.Layer) -> pynn.Sequential:
    model = pynn.Sequential(*(layers or (pynn.Affine(3), pynn.ReLU(), pynn.Affine(3), pynn.Affine(2))))
    model.build((3,))
    return model


def arrays(*modules: str, last: str = "out") -> dict[str, np.ndarray]:
    """Two affine layers (3, 3) and one (3, 2), as PyTorch has them, all numbers different."""
    found = {}
    for number, (module, units) in enumerate([*((one, 3) for one in modules), (last, 2)]):
        found[f"{module}.weight"] = np.arange(units * 3, dtype=np.float32).reshape(units, 3) + 100 * number
        found[f"{module}.bias"] = np.arange(units, dtype=np.float32) - 100 * number
    return found


# What is refused ------------------------------------------------------------------------------------


class refused:
    """ValueError that says so, and a model that is as it was."""

    def __init__(self, model: pynn.Sequential, text: str) -> None:
        self.model, self.text = model, text
        self.before = {name: array.copy() for name, array in model.tensors().items()}

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> bool:
        assert kind is ValueError, error
        assert re.search(self.text, str(error)), error
        for name, array in self.model.tensors().items():
            np.testing.assert_array_equal(array, self.before[name], name)
        return True
