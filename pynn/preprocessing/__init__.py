"""Preprocessing: learned from the training data, applied to all data before they go into a model.

Every transformer follows scikit-learn's protocol (`fit`, `transform`, `fit_transform`, `inverse_transform`,
`get_params`, `set_params`, fitted attributes that end in `_`) and works in its pipelines and searches; scikit-learn is
not needed. Fit on the training samples only: `model.fit(..., preprocessing=...)` does so, and keeps it for `predict`.
"""

from __future__ import annotations

from .base import NotFittedError, Transformer
from .pca import PCA, Whitening
from .pipeline import Pipeline
from .robust import ClipToRange, RobustScaling, SmoothClip
from .scaling import MeanSubtraction, MinMaxScaling, Standardization
from .table_encoder import TableEncoder

__all__ = [
    "PCA",
    "TRANSFORMERS",
    "ClipToRange",
    "MeanSubtraction",
    "MinMaxScaling",
    "NotFittedError",
    "Pipeline",
    "RobustScaling",
    "SmoothClip",
    "Standardization",
    "TableEncoder",
    "Transformer",
    "Whitening",
]

TRANSFORMERS: dict[str, type[Transformer]] = {
    kind.__name__: kind
    for kind in (
        *(ClipToRange, MeanSubtraction, MinMaxScaling, PCA, Pipeline, RobustScaling, SmoothClip, Standardization),
        *(TableEncoder, Whitening),
    )
}
