"""Ready-made networks for images (N, H, W, C) and tables (N, D): functions that return a `Sequential`, to read and fit.

>>> model = pynn.models.lenet5()
>>> model.fit(*pynn.datasets.mnist().train, epochs=5)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["deep_convnet", "lenet5", "realmlp", "resnet20", "vgg_small"]

if TYPE_CHECKING:
    from .networks import deep_convnet, lenet5, resnet20, vgg_small
    from .tables import realmlp
else:

    def __getattr__(name):  # imported on first use: `Sequential` is in this folder too, and does not need them
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from . import networks, tables

        return getattr(tables if name == "realmlp" else networks, name)


def __dir__() -> list[str]:
    return __all__
