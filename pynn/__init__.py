"""pynn: neural networks that train fast on ordinary CPUs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import datasets, initializers, kernels, losses, optimizers, preprocessing, regularizers, schedules
from .binner import Binner
from .data import batches
from .hierarchical import HierarchicalCrossEntropy, HierarchicalSoftmax
from .history import History
from .info import info
from .initializers import Constant, Glorot, He, LeCun, Normal, Orthogonal, RandomWalk, Sparse, Uniform, Zeros
from .kernels import get_num_threads, set_num_threads, use_backend
from .layers import (
    ELU,
    GELU,
    SELU,
    Activation,
    Affine,
    BatchNorm,
    DropConnect,
    Dropout,
    Flatten,
    GaussianNoise,
    GroupNorm,
    Layer,
    LayerNorm,
    LeakyReLU,
    Maxout,
    PReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    SpatialDropout,
    Tanh,
    Transitions,
)
from .losses import (
    AbsoluteError,
    BinaryCrossEntropy,
    BinaryHinge,
    Decoder,
    Focal,
    Hinge,
    Huber,
    Loss,
    SoftmaxCrossEntropy,
    SquaredError,
    SquaredHinge,
    StructuredHinge,
    ViterbiChain,
)
from .optimizers import SGD, AdaGrad, Adam, AdamW, Lion, Momentum, NAdam, Nesterov, Optimizer, RMSProp
from .preprocessing import PCA, MeanSubtraction, MinMaxScaling, Pipeline, Standardization, Transformer, Whitening
from .regularizers import L1, L2, ElasticNet
from .schedules import (
    CosineDecay,
    Cyclic,
    ExponentialDecay,
    InverseTimeDecay,
    LinearDecay,
    OneCycle,
    ReduceOnPlateau,
    Schedule,
    StepDecay,
    Warmup,
)
from .sequential import Sequential

# isort: split
from . import constraints
from .batch_init import data_dependent, lsuv
from .checkpoint import load
from .constraints import MaxNorm
from .monte_carlo import monte_carlo
from .second_order import minimize

__all__ = [
    "ELU",
    "GELU",
    "L1",
    "L2",
    "PCA",
    "SELU",
    "SGD",
    "AbsoluteError",
    "Activation",
    "AdaGrad",
    "Adam",
    "AdamW",
    "Affine",
    "BatchNorm",
    "BinaryCrossEntropy",
    "BinaryHinge",
    "Binner",
    "Constant",
    "CosineDecay",
    "Cyclic",
    "Decoder",
    "DropConnect",
    "Dropout",
    "ElasticNet",
    "ExponentialDecay",
    "Flatten",
    "Focal",
    "GaussianNoise",
    "Glorot",
    "GroupNorm",
    "He",
    "HierarchicalCrossEntropy",
    "HierarchicalSoftmax",
    "Hinge",
    "History",
    "Huber",
    "InverseTimeDecay",
    "Layer",
    "LayerNorm",
    "LeCun",
    "LeakyReLU",
    "LinearDecay",
    "Lion",
    "Loss",
    "MaxNorm",
    "Maxout",
    "MeanSubtraction",
    "MinMaxScaling",
    "Momentum",
    "NAdam",
    "Nesterov",
    "Normal",
    "OneCycle",
    "Optimizer",
    "Orthogonal",
    "PReLU",
    "Pipeline",
    "RMSProp",
    "RandomWalk",
    "ReLU",
    "ReduceOnPlateau",
    "Schedule",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "SoftmaxCrossEntropy",
    "Softplus",
    "Sparse",
    "SpatialDropout",
    "SquaredError",
    "SquaredHinge",
    "Standardization",
    "StepDecay",
    "StructuredHinge",
    "Tanh",
    "Transformer",
    "Transitions",
    "Uniform",
    "ViterbiChain",
    "Warmup",
    "Whitening",
    "Zeros",
    "batches",
    "constraints",
    "data_dependent",
    "datasets",
    "get_num_threads",
    "info",
    "initializers",
    "kernels",
    "load",
    "losses",
    "lsuv",
    "minimize",
    "monte_carlo",
    "optimizers",
    "preprocessing",
    "regularizers",
    "schedules",
    "set_num_threads",
    "use_backend",
]


if TYPE_CHECKING:
    __version__: str
else:

    def __getattr__(name):  # the version is looked up when somebody asks: that costs milliseconds
        if name == "__version__":
            from .info import version

            return version()
        raise AttributeError(f"module 'pynn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
