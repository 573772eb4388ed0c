"""Ready-made networks for images, the functions of `pynn.models`."""

from __future__ import annotations

from typing import Any

from ..checks import expect_count
from ..layers import Affine, BatchNorm, Conv2d, Dropout, Flatten, GlobalAvgPool2d, Layer, MaxPool2d, ReLU, Residual
from .sequential import Sequential

__all__ = ["deep_convnet", "lenet5", "resnet20", "vgg_small"]


def lenet5(classes: int = 10, **settings: Any) -> Sequential:
    """LeNet-5 for 28 x 28 images: two convolutions of 5 x 5 with pooling, three affine layers; 61,706 parameters.

    Uses ReLU and max pooling instead of the original's scaled tanh and trained averages.

    Parameters
    ----------
    classes : int, default 10
        Number of outputs.
    **settings
        As for `Sequential`.

    Returns
    -------
    Sequential
        The network, not built.

    References
    ----------
    .. [1] LeCun et al., "Gradient-Based Learning Applied to Document Recognition", 1998.
    """
    expect_count("lenet5", 1, classes=classes)
    return Sequential(
        Conv2d(6, 5), ReLU(), MaxPool2d(2),
        Conv2d(16, 5, padding="valid"), ReLU(), MaxPool2d(2),
        Flatten(),
        Affine(120), ReLU(),
        Affine(84), ReLU(),
        Affine(classes),
        **settings,
    )  # fmt: skip


def deep_convnet(classes: int = 10, **settings: Any) -> Sequential:
    """The deep network of "Deep Learning from Scratch", chapter 8, for 28 x 28 images.

    Three pairs of convolutions of 3 x 3 (16, 32, 64 channels), each pair with pooling, an affine layer of 50 units with
    dropout, and the output, without the book's dropout after it.

    Parameters
    ----------
    classes : int, default 10
        Number of outputs.
    **settings
        As for `Sequential`.

    Returns
    -------
    Sequential
        The network, not built.

    References
    ----------
    .. [1] Saito, "Deep Learning from Scratch", 2016.
    """
    expect_count("deep_convnet", 1, classes=classes)
    layers: list[Layer] = []
    for channels, second_padding in ((16, 1), (32, 2), (64, 1)):
        layers += [Conv2d(channels, padding=1), ReLU(), Conv2d(channels, padding=second_padding), ReLU(), MaxPool2d(2)]
    return Sequential(*layers, Flatten(), Affine(50), ReLU(), Dropout(0.5), Affine(classes), **settings)


def vgg_small(classes: int = 10, *, dropout: float = 0.3, **settings: Any) -> Sequential:
    """Six convolutions of 3 x 3 with batch normalization: pairs of 64, 128 and 256 channels, each followed by pooling.

    Parameters
    ----------
    classes : int, default 10
        Number of outputs.
    dropout : float, default 0.3
        Dropout rate after each pooling.
    **settings
        As for `Sequential`.

    Returns
    -------
    Sequential
        The network, not built.

    References
    ----------
    .. [1] Simonyan & Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2015.
    .. [2] Ioffe & Szegedy, "Batch Normalization", 2015.
    """
    expect_count("vgg_small", 1, classes=classes)
    layers: list[Layer] = []
    for channels in (64, 128, 256):
        for _ in range(2):
            layers += [Conv2d(channels, use_bias=False), BatchNorm(), ReLU()]
        layers += [MaxPool2d(2), Dropout(dropout)]
    return Sequential(*layers, Flatten(), Affine(classes), **settings)


def resnet20(classes: int = 10, *, survival: float = 1.0, **settings: Any) -> Sequential:
    """ResNet-20 for 32 x 32 images: a convolution, nine residual blocks of two convolutions each, the mean, an output.

    Three blocks have 16 channels, three 32, three 64; all convolutions of 3 x 3 have padding 1. Blocks that change the
    shape have a convolution of 1 x 1 with batch normalization as their shortcut.

    Parameters
    ----------
    classes : int, default 10
        Number of outputs.
    survival : float, default 1
        Probability that a block is kept in a training step; 1 turns stochastic depth off.
    **settings
        As for `Sequential`.

    Returns
    -------
    Sequential
        The network, not built.

    References
    ----------
    .. [1] He et al., "Deep Residual Learning for Image Recognition", 2016.
    .. [2] Huang et al., "Deep Networks with Stochastic Depth", 2016.
    """
    expect_count("resnet20", 1, classes=classes)
    layers: list[Layer] = [Conv2d(16, use_bias=False), BatchNorm(), ReLU()]
    before = 16
    for channels in (16, 32, 64):
        for number in range(3):
            stride = 2 if number == 0 and channels != before else 1
            layers += [_block(channels, stride, channels != before, survival), ReLU()]
            before = channels
    return Sequential(*layers, GlobalAvgPool2d(), Affine(classes), **settings)


def _block(channels: int, stride: int, projects: bool, survival: float) -> Residual:
    shortcut = Sequential(Conv2d(channels, 1, stride=stride, use_bias=False), BatchNorm()) if projects else None
    return Residual(
        Conv2d(channels, stride=stride, padding=1, use_bias=False), BatchNorm(), ReLU(),
        Conv2d(channels, use_bias=False), BatchNorm(),
        shortcut=shortcut, survival=survival,
    )  # fmt: skip
