"""Transfer learning: a trained model's layers for another task, weights from elsewhere.

>>> model = pynn.load("digits.safetensors").replace_head(pynn.Affine(5))
>>> model.freeze(up_to=-2).fit(x, y, epochs=20)                                  # the head alone
>>> model.unfreeze().learning_rate_factor = 0.1                                  # then all of it, the rest slowly
>>> model.layer(-1).learning_rate_factor = 1
>>> model.fit(x, y, optimizer=pynn.Adam(1e-3), epochs=20)

`Sequential.replace_head` puts a new head on a model, `Sequential.freeze` keeps layers as they are. Here: `advise`, what
to do when; `features`, what a trunk makes of the samples; `load_weights` and `to_torch`, between pynn and PyTorch or
other files.
Source: CS231n, "Transfer learning".
"""

from __future__ import annotations

from .advice import Advice, advise
from .features import features
from .loading import Loaded, load_weights, to_torch

__all__ = ["Advice", "Loaded", "advise", "features", "load_weights", "to_torch"]
