"""The kernels in readable NumPy: the definition that the native ones are tested against, and the fallback.

Knows arrays only; must not know layers, models or the native extension.
Shapes: N samples, D inputs, M outputs, C channels or classes, P parameters. Images come as (N·H·W, C).
The native kernels take subnormal numbers (below 1e-38 in float32, 2e-308 in float64) as 0; these do not.
"""

from __future__ import annotations

from .activation import activation_backward, activation_forward
from .add import add
from .affine import affine_backward, affine_forward
from .augment import recolour, warp
from .batchnorm import batchnorm_backward, batchnorm_forward, batchnorm_inference, batchnorm_inference_backward
from .clip import clip, norm, scale
from .conv import conv2d_backward, conv2d_forward
from .distribution_loss import gaussian_nll, pinball
from .dropout import dropout, spatial_dropout
from .elementwise_loss import elementwise_loss
from .embedding import embedding_backward, embedding_forward
from .feature_scale import scale_backward, scale_forward
from .gated_activation import gate_backward, gate_forward
from .gather import gather
from .groupnorm import groupnorm_backward, groupnorm_forward
from .hierarchical import (
    hierarchical_softmax,
    hierarchical_softmax_backward,
    hierarchical_softmax_predict,
    hierarchical_softmax_probabilities,
)
from .hinge import hinge
from .max_norm import max_norm
from .maxout import maxout_backward, maxout_forward
from .mixed_activation import mixed_backward, mixed_forward
from .noise import gaussian_noise
from .optimizer import (
    adagrad_step,
    adam_step,
    lion_step,
    momentum_step,
    nadam_step,
    nesterov_step,
    penalty,
    polyak_step,
    rmsprop_step,
    sgd_step,
)
from .periodic import periodic_backward, periodic_forward
from .pool import avg_pool_backward, avg_pool_forward, max_pool_backward, max_pool_forward
from .prelu import prelu_backward, prelu_forward
from .softmax import focal, softmax, softmax_backward, softmax_cross_entropy

__all__ = [
    "activation_backward",
    "activation_forward",
    "adagrad_step",
    "adam_step",
    "add",
    "affine_backward",
    "affine_forward",
    "avg_pool_backward",
    "avg_pool_forward",
    "batchnorm_backward",
    "batchnorm_forward",
    "batchnorm_inference",
    "batchnorm_inference_backward",
    "clip",
    "conv2d_backward",
    "conv2d_forward",
    "dropout",
    "elementwise_loss",
    "embedding_backward",
    "embedding_forward",
    "focal",
    "gate_backward",
    "gate_forward",
    "gather",
    "gaussian_nll",
    "gaussian_noise",
    "groupnorm_backward",
    "groupnorm_forward",
    "hierarchical_softmax",
    "hierarchical_softmax_backward",
    "hierarchical_softmax_predict",
    "hierarchical_softmax_probabilities",
    "hinge",
    "lion_step",
    "max_norm",
    "max_pool_backward",
    "max_pool_forward",
    "maxout_backward",
    "maxout_forward",
    "mixed_backward",
    "mixed_forward",
    "momentum_step",
    "nadam_step",
    "nesterov_step",
    "norm",
    "penalty",
    "periodic_backward",
    "periodic_forward",
    "pinball",
    "polyak_step",
    "prelu_backward",
    "prelu_forward",
    "recolour",
    "rmsprop_step",
    "scale",
    "scale_backward",
    "scale_forward",
    "sgd_step",
    "softmax",
    "softmax_backward",
    "softmax_cross_entropy",
    "spatial_dropout",
    "warp",
]
