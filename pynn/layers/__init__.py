"""The layers. `Layer` is the base of a user's own ones."""

from __future__ import annotations

from .activations import ELU, Activation, LeakyReLU, ReLU, Sigmoid, Tanh
from .affine import Affine
from .base import Layer
from .batchnorm import BatchNorm
from .chain import Chain
from .dropconnect import DropConnect
from .dropout import Dropout, SpatialDropout
from .flatten import Flatten
from .noise import GaussianNoise
from .transitions import Transitions

__all__ = [
    "ELU",
    "Activation",
    "Affine",
    "BatchNorm",
    "Chain",
    "DropConnect",
    "Dropout",
    "Flatten",
    "GaussianNoise",
    "Layer",
    "LeakyReLU",
    "ReLU",
    "Sigmoid",
    "SpatialDropout",
    "Tanh",
    "Transitions",
]
