"""Hierarchical softmax, for very many classes: an output layer that owns a tree, and the loss that walks it.

They are a pair, as a loss has no parameters and a layer sees no targets. The layer returns its inputs as the model's
outputs; its loss, which is the model's default if the layer is the last one, reads only the nodes on the targets'
paths.
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import kernels
from ..checks import FLAG, Count
from ..data.arrays import as_array
from ..losses import Loss, SoftmaxCrossEntropy
from ..losses.base import in_dtype
from ..messages.terminal import brief
from ..signatures import takes
from ..typing import Array, Shape
from . import trees
from .base import Layer
from .shapes import expect_axes

CHUNK = 1 << 22  # probabilities computed at a time
FEW = 512  # up to this many classes, the whole tree is faster than a search


class Listed(list[Any]):
    """A list whose repr is one line, however long it is.

    Parameters
    ----------
    iterable : iterable
        Its items.
    """

    def __repr__(self) -> str:
        return super().__repr__() if len(self) <= 8 else f"[{self[0]!r}, ... {len(self)} in all]"


class HierarchicalSoftmax(Layer):
    """Last layer for very many classes, a binary tree: p(class | x) = Π over its path of σ(±(x · node + bias)).

    Parameters
    ----------
    classes : int
        Number C of classes, at least 2.
    counts : array (C,), optional
        How often each class occurs: makes a Huffman tree, with frequent classes near the root. By default the tree is
        balanced, with depth ⌈log2 C⌉.
    tree : optional
        The tree itself: nested pairs of labels, ((0, 2), 1), or a code of 0s and 1s for each class, ["00", "1", "01"].
    use_bias : bool, default True
        Whether nodes have biases.

    Raises
    ------
    ValueError
        If tree or counts do not fit, or `backward` gets another loss's gradient.

    Notes
    -----
    Input (N, D), output (N, D): the features that the loss reads. The sign is + for code 1 and - for code 0.
    Parameters: nodes (C-1, D), bias (C-1,), zero at first, when the loss is ln 2 times the mean depth.

    A training step costs O(D log C) per sample instead of the O(D C) of ``Affine(C)`` with softmax_cross_entropy.
    `predict` searches the tree, the likelier side first: about O(D log C) if the model is sure, at most O(D C). So
    evaluation reports an accuracy, but training does not, as it would cost more than the step. `predict_proba` and the
    optimizer's step over the flat vector still cost O(D C), as with a flat softmax.

    References
    ----------
    .. [1] Morin and Bengio, "Hierarchical Probabilistic Neural Network Language Model", 2005.
    .. [2] Mikolov et al., "Distributed Representations of Words and Phrases and their Compositionality", 2013.

    Examples
    --------
    >>> model = pynn.Sequential(pynn.Affine(128), pynn.ReLU(), pynn.HierarchicalSoftmax(50_000, counts=counts))
    >>> model.fit(x, y)                   # y (N,): labels 0..C-1; the loss is `layer.loss`
    >>> model.predict(x), model.predict_proba(x)
    """

    nodes: Array
    dnodes: Array
    bias: Array | None = None
    dbias: Array | None = None
    _takes = takes(classes=Count(2), use_bias=FLAG)

    def __init__(
        self,
        classes: int,
        *,
        counts: ArrayLike | None = None,
        tree: Any = None,
        use_bias: bool = True,
    ) -> None:
        if counts is not None and tree is not None:
            raise ValueError("HierarchicalSoftmax: counts and tree both define the tree; pass one of them")
        self.classes = classes
        self.use_bias = use_bias
        self.counts = None if counts is None else _counts(counts, classes)
        self.tree = None if tree is None else _codes(tree, classes)
        self.loss = HierarchicalCrossEntropy()
        self.loss.layer = self
        self.training = False

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.loss.layer = self

    def build(self, input_shape: Shape) -> Shape:
        expect_axes(input_shape, (1,), "vectors (D,)", "put Flatten() before it")
        self.add_parameter("nodes", (self.classes - 1, input_shape[0]))
        if self.use_bias:
            self.add_parameter("bias", (self.classes - 1,), penalized=False)
        if self.counts is not None:
            self.parents = trees.huffman(self.counts)
        elif self.tree is not None:
            self.parents = trees.from_codes(self.tree)
        else:
            self.parents = trees.balanced(self.classes)
        self.depth = int(trees.depths(self.parents).max())
        return input_shape

    def forward(self, x: Array, training: bool) -> Array:
        self.training = training
        return x

    def backward(self, dy: Array) -> Array:
        if self.context.inputs_only:
            return dy
        x, labels, slopes = self.loss.walked(dy)
        kernels.hierarchical_softmax_backward(x, labels, self.parents, slopes, self.dnodes, self.dbias)
        return dy


class HierarchicalCrossEntropy(Loss):
    """Cross-entropy by a tree: the mean of -log p(label) = Σ over the path of log(1 + e^∓z), z = x · node + bias.

    Raises
    ------
    ValueError
        If it has no layer, or for a label outside 0..C-1.

    Notes
    -----
    A `HierarchicalSoftmax` layer makes it: ``layer.loss``. Outputs (N, D): the features that the layer returns; targets
    (N,): labels 0..C-1; weights (N,), at least 0, or None: Σ w·loss/N. Stable for any finite z. To scale the loss, use
    weights: the layer accepts its gradient only as it is.

    References
    ----------
    .. [1] Morin and Bengio, "Hierarchical Probabilistic Neural Network Language Model", 2005.
    """

    _layer_of: weakref.ref[HierarchicalSoftmax] | None = None  # weak: the layer holds its loss

    @property
    def layer(self) -> HierarchicalSoftmax | None:
        """The layer whose tree it walks; None if there is none or it no longer exists."""
        return None if self._layer_of is None else self._layer_of()

    @layer.setter
    def layer(self, layer: HierarchicalSoftmax | None) -> None:
        self._layer_of = None if layer is None else weakref.ref(layer)

    def __getstate__(self) -> dict[str, Any]:  # the copy of its layer sets it again
        return {**super().__getstate__(), "_layer_of": None}

    def _layer(self) -> HierarchicalSoftmax:
        layer = self.layer
        if layer is None:
            raise ValueError(
                "this HierarchicalCrossEntropy has no tree: end the model with HierarchicalSoftmax(classes) and leave "
                "`loss` out, or pass that layer's loss, layer.loss"
            )
        return layer

    def forward(self, outputs: Array, targets: Array, weights: Array | None = None) -> float:
        layer = self._layer()
        if type(targets) is not np.ndarray or targets.dtype != np.int64 or not targets.flags.c_contiguous:
            targets = self.targets(targets, outputs.shape[1:])
        if weights is not None:
            weights = in_dtype(weights, outputs.dtype)
        slopes = layer.buffer("slopes", (len(outputs), layer.depth))
        self._memories.mine.walked = outputs, targets, slopes
        return kernels.hierarchical_softmax(
            outputs, targets, layer.parents, layer.nodes, layer.bias, weights, slopes, self._gradient_like(outputs)
        )

    def walked(self, dy: Array) -> tuple[Array, Array, Array]:
        """Return outputs, labels and slopes of the last `forward`.

        Parameters
        ----------
        dy : array (N, D)
            The gradient that `backward` returned.

        Returns
        -------
        tuple of array
            Outputs (N, D), labels (N,) and slopes (N, depth).

        Raises
        ------
        ValueError
            If dy is not the gradient of the last `forward`.
        """
        mine = self._memories.mine
        if mine.walked is None or dy is not mine.gradient:
            raise ValueError(
                "HierarchicalSoftmax got the gradient of another loss: leave `loss` out, or pass layer.loss; "
                "to scale the loss, pass weights to its forward"
            )
        return mine.walked

    def targets(self, y: Array, output_shape: tuple[int, ...]) -> Array:
        return SoftmaxCrossEntropy().targets(y, (self._layer().classes,))

    def classes(self, output_shape: tuple[int, ...]) -> int:
        return self._layer().classes

    def predict(self, outputs: Array) -> Array:
        """Return the most probable class of each sample.

        Parameters
        ----------
        outputs : array (N, D)
            The features.

        Returns
        -------
        array (N,)
            Labels; of equally probable classes the lower label.
        """
        layer = self._layer()
        labels = np.full(len(outputs), -1, np.int64)
        if layer.classes > FEW:
            limit = layer.classes // 16  # for an unsure model, the whole tree for many samples together is cheaper
            kernels.hierarchical_softmax_predict(outputs, layer.parents, layer.nodes, layer.bias, limit, labels)
        rest = np.flatnonzero(labels < 0)
        rows = max(1, CHUNK // layer.classes)
        for start in range(0, len(rest), rows):
            part = rest[start : start + rows]
            labels[part] = self.probabilities(outputs[part]).argmax(axis=1)
        return labels

    def correct(self, outputs: Array, targets: Array) -> Array | None:
        if self._layer().training:  # would cost more than the step
            return None
        return self._defined(np.asarray(self.predict(outputs) == targets), outputs)

    def _undefined(self, outputs: Array) -> Array | None:
        layer = self._layer()
        if np.isnan(layer.nodes).any() or (layer.bias is not None and np.isnan(layer.bias).any()):
            return np.ones(len(outputs), bool)
        return super()._undefined(outputs)

    def probabilities(self, outputs: Array) -> Array:
        layer = self._layer()
        out = np.empty((len(outputs), layer.classes), outputs.dtype)
        kernels.hierarchical_softmax_probabilities(outputs, layer.parents, layer.nodes, layer.bias, out)
        return out


def _counts(counts: ArrayLike, classes: int) -> list[float]:
    array = as_array("HierarchicalSoftmax: counts", counts)
    if array.shape != (classes,):
        raise ValueError(f"HierarchicalSoftmax: counts has shape {array.shape}, expected ({classes},), one per class")
    if array.dtype.kind not in "fiub" or not (array >= 0).all() or not np.isfinite(array).all():
        raise ValueError(f"HierarchicalSoftmax: counts are {brief(counts)}, expected finite numbers of at least 0")
    return Listed(array.tolist())


def _codes(tree: Any, classes: int) -> list[str]:
    if not isinstance(tree, (list, tuple)):
        raise TypeError(
            f"HierarchicalSoftmax: tree is {brief(tree)}, expected nested pairs of labels or a list of codes"
        )
    codes = list(tree) if all(isinstance(code, str) for code in tree) else trees.codes_of_pairs(tree, classes)
    if len(codes) != classes:
        raise ValueError(f"HierarchicalSoftmax: tree has {len(codes)} codes, expected {classes}, one per class")
    trees.from_codes(codes)
    return Listed(codes)
