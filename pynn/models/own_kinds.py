"""Whose a class is that a model file names: pynn's, or the user's own of the same name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .. import checks
from ..data.tables import listed
from ..messages.terminal import brief
from ..saving import config

OWN = "own"  # key of a description: names of the user's classes in it
DESCRIBED = ("layers", "loss", "preprocessing", "target_preprocessing")  # keys of a description that name classes

# pynn's classes before those for tables came. A file without the record of the user's classes that names a later one of
# pynn may mean one of the user's, which was there first.
_FIRST = """
    AbsoluteError Activation Affine AvgPool1d AvgPool2d BatchNorm BinaryCrossEntropy BinaryHinge Chain
    Constant Conv1d Conv2d DropConnect Dropout ELU ElasticNet Flatten Focal FractionalMaxPool2d GELU
    GaussianNoise GlobalAvgPool1d GlobalAvgPool2d Glorot GroupNorm He HierarchicalCrossEntropy
    HierarchicalSoftmax Hinge Huber L1 L2 LayerNorm LeCun LeakyReLU MaxNorm MaxPool1d MaxPool2d Maxout
    MeanSubtraction MinMaxScaling Mish Normal Orthogonal PCA PReLU Pipeline RandomWalk ReLU Reshape Residual
    SELU Sequential SiLU Sigmoid Softmax SoftmaxCrossEntropy Softplus Sparse SpatialDropout SquaredError
    SquaredHinge Standardization StructuredHinge Tanh Transitions Uniform Upsample ViterbiChain Whitening
    Zeros
"""
FIRST = frozenset(_FIRST.split())


def recorded(description: Mapping[str, Any], known: Mapping[str, type]) -> dict[str, list[str]]:
    """The record of the user's classes for a new description; nothing where older versions of pynn read the same in it.

    known: pynn's classes by name.
    """
    named = _named(description)
    return {OWN: sorted(named - known.keys())} if named - FIRST else {}


def _named(description: Mapping[str, Any]) -> set[str]:
    """The names of all classes in a description."""
    return config.kinds_in([description.get(key) for key in DESCRIBED])


def expect_meant(
    description: Mapping[str, Any], allowed: Mapping[str, type], known: Mapping[str, type], file: str
) -> None:
    """ValueError if a name in this description means another class than the allowed one; a warning if it may.

    allowed: pynn's classes, and the user's before those of pynn. known: pynn's. file: named in the warning.
    """
    named = _named(description)
    if OWN not in description:
        if clashing := [name for name in sorted(named - FIRST) if name in known and allowed[name] is known[name]]:
            checks.warn(
                f"{file} does not say whether {listed(clashing)} {'is' if len(clashing) == 1 else 'are'} pynn's: an "
                "older pynn wrote it, which had no class of that name or did not record it. pynn's is taken; if it is "
                f"your own class, pass own=[{clashing[0]}], and rename it before you save the model; to end this "
                "warning, save the model again"
            )
        return
    record = description[OWN]
    _expect_record(record, named)
    for name in sorted(named):
        own = name in allowed and allowed[name] is not known.get(name)
        if name not in known:  # `from_data` says so if it is missing
            continue
        if name in record and not own:
            raise ValueError(
                f"{name} is a class of the user's own, not pynn's class of that name; pass it as pynn.load(path, "
                f"own=[{name}])"
            )
        if name not in record and own:
            raise ValueError(
                f"own holds {allowed[name]!r}, but {name} in this file is pynn's class of that name; leave yours "
                "out, or rename it"
            )


def _expect_record(record: Any, named: Iterable[str]) -> None:
    if not isinstance(record, list) or not all(isinstance(name, str) and name in named for name in record):
        raise ValueError(f"{OWN} is {brief(record)}, expected names of classes in the file: {config.NEWER}")
