"""Transfer learning: use the layers of a trained model for another task, or weights from other libraries.

>>> model = pynn.load("digits.safetensors").replace_head(pynn.Affine(5))
>>> model.freeze(up_to=-2).fit(x, y, epochs=20)                                  # only the head
>>> model.unfreeze().learning_rate_factor = 0.1                                  # then all layers, the others slowly
>>> model.layer(-1).learning_rate_factor = 1
>>> model.fit(x, y, optimizer=pynn.Adam(1e-3), epochs=20)

`Sequential.replace_head` gives a model a new head, `Sequential.freeze` keeps layers unchanged. In this module:
`advise`, how to use a trained model for new data; `features`, the outputs of inner layers; `load_weights` and
`to_torch`, weights from and for PyTorch and other sources.
Source: CS231n, "Transfer learning".
"""

from __future__ import annotations

from .advice import Advice, advise
from .features import features
from .loading import Loaded, load_weights, to_torch

__all__ = ["Advice", "Loaded", "advise", "features", "load_weights", "to_torch"]
