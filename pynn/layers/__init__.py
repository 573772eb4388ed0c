"""The layers. `Layer` is the base of custom layers."""

from __future__ import annotations

from .activations import ELU, GELU, SELU, LeakyReLU, Mish, ReLU, Sigmoid, SiLU, Softplus, Tanh
from .affine import Affine
from .base import Activation, Layer
from .batchnorm import BatchNorm
from .chain import Chain
from .conv1d import Conv1d
from .conv2d import Conv2d
from .dropconnect import DropConnect
from .dropout import Dropout, SpatialDropout
from .embedding import Embedding
from .flatten import Flatten
from .fractional import FractionalMaxPool2d
from .groupnorm import GroupNorm, LayerNorm
from .maxout import Maxout
from .mixed import PSELU, PMish
from .noise import GaussianNoise
from .parallel import Parallel
from .periodic import PeriodicEmbedding
from .pool import AvgPool2d, GlobalAvgPool2d, MaxPool2d
from .pool1d import AvgPool1d, GlobalAvgPool1d, MaxPool1d
from .prelu import PReLU
from .reshape import Reshape
from .residual import Residual
from .scale import Scale
from .softmax import Softmax
from .transitions import Transitions
from .upsample import Upsample

__all__ = [
    "ELU",
    "GELU",
    "PSELU",
    "SELU",
    "Activation",
    "Affine",
    "AvgPool1d",
    "AvgPool2d",
    "BatchNorm",
    "Chain",
    "Conv1d",
    "Conv2d",
    "DropConnect",
    "Dropout",
    "Embedding",
    "Flatten",
    "FractionalMaxPool2d",
    "GaussianNoise",
    "GlobalAvgPool1d",
    "GlobalAvgPool2d",
    "GroupNorm",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "MaxPool1d",
    "MaxPool2d",
    "Maxout",
    "Mish",
    "PMish",
    "PReLU",
    "Parallel",
    "PeriodicEmbedding",
    "ReLU",
    "Reshape",
    "Residual",
    "Scale",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "SpatialDropout",
    "Tanh",
    "Transitions",
    "Upsample",
]
