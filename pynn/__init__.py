"""Neural networks that train fast on ordinary CPUs.

>>> import pynn
>>> digits = pynn.datasets.digits()
>>> model = pynn.Sequential(pynn.Flatten(), pynn.Affine(64), pynn.ReLU(), pynn.Affine(10))
>>> history = model.fit(*digits.train, validation=digits.test, optimizer=pynn.Adam(1e-3), epochs=5)
>>> model.evaluate(*digits.test), model.predict(digits.test[0][:5])
>>> model.save("digits.safetensors"); model = pynn.load("digits.safetensors")

Further reading:
    help(pynn.Sequential)      a model: build, fit, evaluate, predict, save; its flat vector of parameters
    help(pynn.Sequential.fit)  all options of training: weights, penalties, preprocessing, schedules, iterables
    help(pynn.layers)          layers; custom layers: help(pynn.Layer)
    help(pynn.losses)          losses and their names; custom losses: help(pynn.Loss)
    help(pynn.optimizers)      optimizers; their common options: help(pynn.Optimizer)
    help(pynn.schedules)       the learning rate as a function of epochs
    help(pynn.callbacks)       objects that observe training and may steer it
    help(pynn.metrics)         measurements besides the loss
    help(pynn.initializers)    initial weights; from a batch of data: pynn.lsuv, pynn.data_dependent
    help(pynn.regularizers)    penalties; also pynn.constraints
    help(pynn.preprocessing)   transformations that are fitted to the training data
    help(pynn.minimize)        second-order training of small models
    help(pynn.Distributed)     training in several processes, on one machine or many
    help(pynn.diagnose)        what is wrong with a training run; watch it: pynn.Monitor; also pynn.diagnostics
    help(pynn.monte_carlo)     how sure a model is
    help(pynn.gradients)       on which inputs its answers depend; images that fool it
    help(pynn.transfer)        a trained model's layers for another task; weights from PyTorch
    help(pynn.Ensemble)        averages of several models; of a single run: pynn.SnapshotEnsemble, PolyakAverage
    help(pynn.search)          hyperparameters: random search, coarse to fine, with Optuna (extra `search`)
    help(pynn.sklearn)         estimators for scikit-learn (extra `sklearn`)
    help(pynn.lab)             the claims of a course on training networks, run and checked
    help(pynn.kernels)         the functions that do the computations, in C++ and in NumPy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import callbacks, initializers, kernels, layers, losses, optimizers, preprocessing, regularizers, schedules
from .callbacks.base import Callback
from .data.augment import Augment
from .data.augmentation import (
    Augmentation,
    Brightness,
    ColourShift,
    Contrast,
    Flip,
    PadCrop,
    Rotation,
    Saturation,
    Shear,
    Zoom,
)
from .data.batches import batches
from .data.split import Split, split
from .ensembles.test_time import predict_augmented, predict_ten_crop, ten_crop
from .info import info
from .initializers import Constant, Glorot, He, LeCun, Normal, Orthogonal, RandomWalk, Sparse, Uniform, Zeros
from .kernels import get_num_threads, set_num_threads, use_backend
from .layers import (
    ELU,
    GELU,
    PSELU,
    SELU,
    Activation,
    Affine,
    AvgPool1d,
    AvgPool2d,
    BatchNorm,
    Conv1d,
    Conv2d,
    DropConnect,
    Dropout,
    Embedding,
    Flatten,
    FractionalMaxPool2d,
    GaussianNoise,
    GlobalAvgPool1d,
    GlobalAvgPool2d,
    GroupNorm,
    Layer,
    LayerNorm,
    LeakyReLU,
    Maxout,
    MaxPool1d,
    MaxPool2d,
    Mish,
    Parallel,
    PeriodicEmbedding,
    PMish,
    PReLU,
    ReLU,
    Reshape,
    Residual,
    Scale,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    SpatialDropout,
    Tanh,
    Transitions,
    Upsample,
)
from .layers.hierarchical import HierarchicalCrossEntropy, HierarchicalSoftmax
from .losses import (
    AbsoluteError,
    BinaryCrossEntropy,
    BinaryHinge,
    Decoder,
    Focal,
    Gamma,
    GaussianNLL,
    Hinge,
    Huber,
    Loss,
    Poisson,
    Quantile,
    SoftmaxCrossEntropy,
    SquaredError,
    SquaredHinge,
    StructuredHinge,
    Tweedie,
    ViterbiChain,
)
from .models.sequential import Sequential
from .optimizers import SGD, AdaGrad, Adam, AdamW, Lion, Momentum, NAdam, Nesterov, Optimizer, RMSProp
from .preprocessing import (
    PCA,
    ClipToRange,
    MeanSubtraction,
    MinMaxScaling,
    Pipeline,
    RobustScaling,
    SmoothClip,
    Standardization,
    TableEncoder,
    Transformer,
    Whitening,
)
from .preprocessing.binner import Binner
from .regularizers import L1, L2, ElasticNet
from .schedules import (
    CosineDecay,
    CosineRestarts,
    CosLog,
    Cyclic,
    ExponentialDecay,
    FlatCosine,
    InverseTimeDecay,
    LinearDecay,
    OneCycle,
    ReduceOnPlateau,
    Schedule,
    StepDecay,
    Warmup,
)
from .training.history import History
from .training.trainer import Trainer

# isort: split
from . import constraints
from .constraints import MaxNorm
from .ensembles.monte_carlo import monte_carlo

__all__ = [
    "ELU",
    "GELU",
    "L1",
    "L2",
    "PCA",
    "PSELU",
    "SELU",
    "SGD",
    "AbsoluteError",
    "Activation",
    "AdaGrad",
    "Adam",
    "AdamW",
    "Affine",
    "Augment",
    "Augmentation",
    "AvgPool1d",
    "AvgPool2d",
    "BatchNorm",
    "BinaryCrossEntropy",
    "BinaryHinge",
    "Binner",
    "Brightness",
    "CSVLogger",
    "Callback",
    "Checkpoint",
    "ClipToRange",
    "ColourShift",
    "Constant",
    "Contrast",
    "Conv1d",
    "Conv2d",
    "CosLog",
    "CosineDecay",
    "CosineRestarts",
    "Cyclic",
    "Deadline",
    "Decoder",
    "Distributed",
    "DropConnect",
    "Dropout",
    "EarlyStopping",
    "ElasticNet",
    "Embedding",
    "Ensemble",
    "ExponentialDecay",
    "FlatCosine",
    "Flatten",
    "Flip",
    "Focal",
    "FractionalMaxPool2d",
    "Gamma",
    "GaussianNLL",
    "GaussianNoise",
    "GlobalAvgPool1d",
    "GlobalAvgPool2d",
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
    "LearningRateSchedule",
    "LinearDecay",
    "Lion",
    "Loss",
    "MaxNorm",
    "MaxPool1d",
    "MaxPool2d",
    "Maxout",
    "MeanSubtraction",
    "MinMaxScaling",
    "Mish",
    "ModelCheckpoint",
    "Momentum",
    "Monitor",
    "NAdam",
    "Nesterov",
    "Normal",
    "OneCycle",
    "Optimizer",
    "Orthogonal",
    "PMish",
    "PReLU",
    "PadCrop",
    "Parallel",
    "PeriodicEmbedding",
    "Pipeline",
    "Poisson",
    "PolyakAverage",
    "ProgressBar",
    "Quantile",
    "RMSProp",
    "RandomWalk",
    "ReLU",
    "ReduceOnPlateau",
    "Reshape",
    "Residual",
    "RobustScaling",
    "Rotation",
    "Saturation",
    "Scale",
    "Schedule",
    "Sequential",
    "Shear",
    "SiLU",
    "Sigmoid",
    "SmoothClip",
    "SnapshotEnsemble",
    "Softmax",
    "SoftmaxCrossEntropy",
    "Softplus",
    "Sparse",
    "SpatialDropout",
    "Split",
    "SquaredError",
    "SquaredHinge",
    "Standardization",
    "StepDecay",
    "StructuredHinge",
    "TableEncoder",
    "Tanh",
    "TensorBoard",
    "TerminateOnNaN",
    "Trainer",
    "Transformer",
    "Transitions",
    "Tweedie",
    "Uniform",
    "Upsample",
    "ViterbiChain",
    "Warmup",
    "Whitening",
    "Zeros",
    "Zoom",
    "batches",
    "callbacks",
    "constraints",
    "data_dependent",
    "datasets",
    "diagnose",
    "diagnostics",
    "from_bytes",
    "get_num_threads",
    "gradients",
    "info",
    "initializers",
    "kernels",
    "layers",
    "load",
    "losses",
    "lsuv",
    "metrics",
    "minimize",
    "models",
    "monte_carlo",
    "optimizers",
    "plot",
    "predict_augmented",
    "predict_ten_crop",
    "preprocessing",
    "reestimate_statistics",
    "regularizers",
    "schedules",
    "set_num_threads",
    "split",
    "ten_crop",
    "transfer",
    "use_backend",
]


if TYPE_CHECKING:
    from . import datasets, diagnostics, metrics, models, plot, transfer
    from . import lab as lab  # not in __all__, since some of its experiments need Optuna or SciPy
    from . import search as search  # likewise: `from pynn import *` works without Optuna
    from . import sklearn as sklearn  # and without scikit-learn
    from .callbacks import (
        Checkpoint,
        CSVLogger,
        Deadline,
        EarlyStopping,
        LearningRateSchedule,
        ModelCheckpoint,
        TerminateOnNaN,
    )
    from .callbacks.progress import ProgressBar
    from .diagnostics.diagnosis import diagnose
    from .diagnostics.monitor import Monitor
    from .diagnostics.tensorboard import TensorBoard
    from .ensembles.batch_statistics import reestimate_statistics
    from .ensembles.ensemble import Ensemble
    from .ensembles.polyak import PolyakAverage
    from .ensembles.snapshots import SnapshotEnsemble
    from .models.data_dependent import data_dependent, lsuv
    from .models.input_gradients import gradients
    from .models.loading import from_bytes, load
    from .models.second_order import minimize
    from .training.distributed import Distributed

    __version__: str
else:
    # Imported on first use: each costs milliseconds, and few scripts need them all.
    _LATER = {
        "CSVLogger": "callbacks.csv_logger",
        "Checkpoint": "training.checkpoint",
        "Deadline": "callbacks.stopping",
        "Distributed": "training.distributed",
        "EarlyStopping": "callbacks.stopping",
        "Ensemble": "ensembles.ensemble",
        "LearningRateSchedule": "callbacks.learning_rate",
        "ModelCheckpoint": "callbacks.model_checkpoint",
        "Monitor": "diagnostics.monitor",
        "PolyakAverage": "ensembles.polyak",
        "ProgressBar": "callbacks.progress",
        "SnapshotEnsemble": "ensembles.snapshots",
        "TensorBoard": "diagnostics.tensorboard",
        "TerminateOnNaN": "callbacks.stopping",
        "data_dependent": "models.data_dependent",
        "diagnose": "diagnostics.diagnosis",
        "from_bytes": "models.loading",
        "gradients": "models.input_gradients",
        "load": "models.loading",
        "lsuv": "models.data_dependent",
        "minimize": "models.second_order",
        "reestimate_statistics": "ensembles.batch_statistics",
    }

    def __getattr__(name):
        if name == "__version__":
            from .info import version

            return version()
        from importlib import import_module

        if name in ("datasets", "diagnostics", "lab", "metrics", "models", "plot", "search", "sklearn", "transfer"):
            return import_module(f".{name}", __name__)
        if name in _LATER:
            globals()[name] = getattr(import_module(f".{_LATER[name]}", __name__), name)
            return globals()[name]
        from .messages.names import attribute

        raise AttributeError(f"module 'pynn' has no attribute {name!r}{attribute(name)}")


def __dir__() -> list[str]:
    return [*__all__, "__version__", "lab", "search", "sklearn"]
