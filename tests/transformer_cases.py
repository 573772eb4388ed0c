"""Every transformer, in forms that differ."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import pynn
from pynn.preprocessing import Transformer

MAKERS: dict[str, Callable[[], Transformer]] = {
    "mean per feature": lambda: pynn.MeanSubtraction(),
    "mean of all": lambda: pynn.MeanSubtraction("all"),
    "standardization": lambda: pynn.Standardization(),
    "standardization of all": lambda: pynn.Standardization("all"),
    "min-max": lambda: pynn.MinMaxScaling(),
    "min-max to 0..2, of all": lambda: pynn.MinMaxScaling((0, 2), per="all"),
    "robust": lambda: pynn.RobustScaling(),
    "smooth clip": lambda: pynn.SmoothClip(100),
    "clip to range": lambda: pynn.ClipToRange(),
    "robust and clipped": lambda: pynn.Pipeline(pynn.RobustScaling(), pynn.SmoothClip()),
    "pca": lambda: pynn.PCA(),
    "pca whitening": lambda: pynn.Whitening(),
    "zca whitening": lambda: pynn.Whitening("zca"),
    "pipeline": lambda: pynn.Pipeline(pynn.MeanSubtraction("all"), pynn.PCA(), pynn.Standardization()),
}
IMAGE_MAKERS: dict[str, Callable[[], Transformer]] = {
    **MAKERS,
    "mean per channel": lambda: pynn.MeanSubtraction("channel"),
    "standardization per channel": lambda: pynn.Standardization("channel"),
    "min-max per channel": lambda: pynn.MinMaxScaling(per="channel"),
}
every = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
every_on_images = pytest.mark.parametrize("make", IMAGE_MAKERS.values(), ids=IMAGE_MAKERS.keys())
