"""The layers. `Layer` is the base of a user's own ones."""

from __future__ import annotations

from .activations import ELU, GELU, SELU, Activation, LeakyReLU, ReLU, Sigmoid, SiLU, Softplus, Tanh
from .affine import Affine
from .base import Layer
from .batchnorm import BatchNorm
from .chain import Chain
from .conv2d import Conv2d
from .dropconnect import DropConnect
from .dropout import Dropout, SpatialDropout
from .flatten import Flatten
from .groupnorm import GroupNorm, LayerNorm
from .maxout import Maxout
from .noise import GaussianNoise
from .prelu import PReLU
from .softmax import Softmax
from .transitions import Transitions

__all__ = [
    "ELU",
    "GELU",
    "SELU",
    "Activation",
    "Affine",
    "BatchNorm",
    "Chain",
    "Conv2d",
    "DropConnect",
    "Dropout",
    "Flatten",
    "GaussianNoise",
    "GroupNorm",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "Maxout",
    "PReLU",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "SpatialDropout",
    "Tanh",
    "Transitions",
]
