"""Transfer learning: a trained model's layers for another task.

>>> model = pynn.load("digits.safetensors").replace_head(pynn.Affine(5))
>>> model.freeze(up_to=-2).fit(x, y, epochs=20)                                  # the head alone
>>> model.unfreeze().learning_rate_factor = 0.1                                  # then all of it, the rest slowly
>>> model.layer(-1).learning_rate_factor = 1
>>> model.fit(x, y, optimizer=pynn.Adam(1e-3), epochs=20)

`Sequential.replace_head` puts a new head on a model. Here: `features`, the codes that a trunk makes of the samples.
Source: CS231n, "Transfer learning".
"""

from __future__ import annotations

from .features import features

__all__ = ["features"]
