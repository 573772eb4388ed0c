"""Structured hinge loss: targets made of parts that depend on each other, like the labels of a sequence."""

from __future__ import annotations

import numpy as np

from ..checks import Instance
from ..data.arrays import as_array
from ..saving.config import constructor_text
from ..signatures import Constructed, takes
from ..typing import Array
from .base import Loss


class Decoder(Constructed):
    """Base of all decoders: finds the structure with the highest score Σ features(structure)·outputs.

    Notes
    -----
    A custom decoder overrides `decode` and `features`, and `targets` if structures are not integer arrays (N, ...).

    References
    ----------
    .. [1] Tsochantaridis et al., "Large Margin Methods for Structured and Interdependent Output Variables", 2005.

    Examples
    --------
    A subset of K items with exactly `size` elements; Δ counts the wrong ones:

    >>> class Subset(pynn.Decoder):
    ...     def __init__(self, size):
    ...         self.size = size
    ...     def decode(self, outputs, targets=None):            # outputs (N, K), targets (N, K) of 0 and 1
    ...         gain = outputs if targets is None else outputs + 1 - 2 * targets
    ...         best = np.zeros(outputs.shape, np.int64)
    ...         np.put_along_axis(best, gain.argsort(axis=1)[:, -self.size:], 1, axis=1)
    ...         start = 0 if targets is None else targets.sum(axis=1)
    ...         return best, start + (gain * best).sum(axis=1)
    ...     def features(self, structures, outputs):
    ...         return structures
    """

    def decode(self, outputs: Array, targets: Array | None = None) -> tuple[Array, Array]:
        """Find the structures that maximize Δ(target, structure) + score.

        Parameters
        ----------
        outputs : array (N, ...)
            The model's outputs; scores are linear in them.
        targets : array (N, ...), optional
            The right structures. By default Δ is left out. Δ is at least 0, and 0 for the target itself.

        Returns
        -------
        structures : array (N, ...)
            The best structures.
        values : array (N,)
            The maximum of each.
        """
        raise NotImplementedError(f"{type(self).__name__} has no decode(outputs, targets)")

    def features(self, structures: Array, outputs: Array) -> Array:
        """Return the gradient of the structures' scores with respect to the outputs.

        Parameters
        ----------
        structures : array (N, ...)
            Structures, as `decode` returns them.
        outputs : array (N, ...)
            The model's outputs.

        Returns
        -------
        array (N, ...)
            Of the shape of the outputs.
        """
        raise NotImplementedError(f"{type(self).__name__} has no features(structures, outputs)")

    def targets(self, y: Array, output_shape: tuple[int, ...]) -> Array:
        """Check targets and convert them to what `decode` reads.

        Parameters
        ----------
        y : array (N, ...)
            The right structures.
        output_shape : tuple of int
            Shape of the outputs of one sample.

        Returns
        -------
        array (N, ...)
            The targets.
        """
        y = as_array("y", y)
        if y.dtype.kind not in "iub":
            raise TypeError(f"y has dtype {y.dtype}, expected structures of integers")
        return y

    def __repr__(self) -> str:
        return constructor_text(self)


class StructuredHinge(Loss):
    """Structured hinge loss: the mean of max(0, max_ŷ [Δ(y, ŷ) + score(ŷ)] - score(y)) over the samples.

    The margin Δ grows with the number of mistakes in ŷ.

    Parameters
    ----------
    decoder : Decoder
        Finds ŷ: `ViterbiChain`, or a custom one.

    Raises
    ------
    ValueError
        From `forward`, if the decoder returns other shapes than documented.

    Notes
    -----
    The gradient is (features(ŷ) - features(y))/N, a subgradient if several ŷ tie. With weights w (N,) of at least 0 the
    loss is Σ w·loss/N. Predictions are the structures with the highest score; accuracy is the share of structures
    without any mistake, which takes a second decoding. The loss is at least Δ(y, prediction).

    References
    ----------
    .. [1] Taskar et al., "Learning Structured Prediction Models: A Large Margin Approach", 2005.
    .. [2] Tsochantaridis et al., "Large Margin Methods for Structured and Interdependent Output Variables", 2005.

    Examples
    --------
    >>> model = pynn.Sequential(pynn.Flatten(), pynn.Affine(5 * 3), pynn.Transitions(3))       # 5 positions, 3 labels
    >>> model.fit(x, y, loss=pynn.StructuredHinge(pynn.ViterbiChain()))                        # y (N, 5)
    """

    _takes = takes(decoder=Instance(Decoder))

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder

    def forward(self, outputs: Array, targets: Array, weights: Array | None = None) -> float:
        n, targets = len(outputs), self.decoder.targets(targets, outputs.shape[1:])
        best, value = self.decoder.decode(outputs, targets)
        value = np.asarray(value)
        if value.shape != (n,):
            raise ValueError(f"{self.decoder!r}.decode returned values of shape {value.shape}, expected ({n},)")
        score = (self._features(targets, outputs) * outputs).reshape(n, -1).sum(axis=1, dtype=np.float64)
        losses = value - score
        share = np.full(n, 1 / n) if weights is None else as_array("weights", weights).astype(np.float64) / n
        if share.shape != (n,):
            raise ValueError(f"weights has shape {share.shape}, expected ({n},)")
        lost = ~(losses <= 0)  # at most 0: the target wins, or the decoder missed the maximum; NaN is kept
        gradient = self._gradient_like(outputs)
        np.subtract(self._features(best, outputs), self._features(targets, outputs), out=gradient, casting="unsafe")
        gradient *= (share * lost).astype(outputs.dtype).reshape(n, *[1] * (outputs.ndim - 1))
        return float((losses * share)[lost].sum())

    def _features(self, structures: Array, outputs: Array) -> Array:
        features = np.asarray(self.decoder.features(structures, outputs))
        if features.shape != outputs.shape:
            raise ValueError(
                f"{self.decoder!r}.features returned shape {features.shape}, "
                f"expected that of the outputs, {outputs.shape}"
            )
        return features

    def targets(self, y: Array, output_shape: tuple[int, ...]) -> Array:
        return self.decoder.targets(y, output_shape)

    def predict(self, outputs: Array) -> Array:
        return self.decoder.decode(outputs)[0]

    def correct(self, outputs: Array, targets: Array) -> Array:
        same = self.predict(outputs) == targets
        return self._defined(np.asarray(same.reshape(len(same), -1).all(axis=1)), outputs)


class ViterbiChain(Decoder):
    """Viterbi decoder: sequences of T labels out of K, score(y) = Σ_t e[t, y_t] + Σ_t a[y_{t-1}, y_t]; exact.

    Raises
    ------
    ValueError or TypeError
        For outputs or targets of other shapes, and for labels outside 0..K-1.

    Notes
    -----
    Outputs (N, T+K, K), as the layer `Transitions` returns them: emissions e (N, T, K), then transitions a (N, K, K)
    from row to column. Targets (N, T): labels 0..K-1. Δ is the number of wrong positions (Hamming distance). It costs
    O(T·K²) a sample. The lower label wins a tie.

    References
    ----------
    .. [1] A. Viterbi, "Error bounds for convolutional codes", 1967.
    """

    def decode(self, outputs: Array, targets: Array | None = None) -> tuple[Array, Array]:
        emissions, transitions = self._parts(outputs)
        n, length, labels = emissions.shape
        each = np.arange(n)
        if targets is not None:
            emissions = emissions + 1  # Δ: one for each wrong position
            emissions[each[:, None], np.arange(length), targets] -= 1
        came_from = np.empty((n, length, labels), np.intp)
        best = emissions[:, 0]
        for t in range(1, length):
            candidates = best[:, :, None] + transitions
            came_from[:, t] = candidates.argmax(axis=1)
            best = np.take_along_axis(candidates, came_from[:, None, t], axis=1)[:, 0] + emissions[:, t]
        path = np.empty((n, length), np.int64)
        path[:, -1] = best.argmax(axis=1)
        for t in range(length - 1, 0, -1):
            path[:, t - 1] = came_from[each, t, path[:, t]]
        return path, best.max(axis=1)

    def features(self, structures: Array, outputs: Array) -> Array:
        n, length = structures.shape
        counts = np.zeros(outputs.shape, outputs.dtype)
        each = np.arange(n)[:, None]
        counts[each, np.arange(length), structures] = 1
        np.add.at(counts, (each, length + structures[:, :-1], structures[:, 1:]), 1)
        return counts

    def targets(self, y: Array, output_shape: tuple[int, ...]) -> Array:
        length, labels = self._sizes(output_shape)
        y = super().targets(y, output_shape)
        if y.shape[1:] != (length,):
            raise ValueError(f"y has shape {y.shape}, expected labels of shape (N, {length})")
        outside = (y < 0) | (y >= labels)
        if outside.any():
            n, t = np.argwhere(outside)[0]
            raise ValueError(f"y[{n}, {t}] is {y[n, t]}, expected a label of 0..{labels - 1}")
        return np.ascontiguousarray(y, np.int64)

    def _sizes(self, output_shape: tuple[int, ...]) -> tuple[int, int]:
        if len(output_shape) != 2 or output_shape[0] <= output_shape[1]:
            raise ValueError(
                f"ViterbiChain: outputs have shape (N, {', '.join(map(str, output_shape))}), expected (N, T+K, K); "
                "end the model with Transitions(K)"
            )
        return output_shape[0] - output_shape[1], output_shape[1]

    def _parts(self, outputs: Array) -> tuple[Array, Array]:
        length, _ = self._sizes(outputs.shape[1:])
        return outputs[:, :length], outputs[:, length:]
