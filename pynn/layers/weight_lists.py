"""Weights as lists of arrays, in the order of `tensors()`, as Keras users know them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from ..messages.terminal import called
from ..typing import Array
from .held import Holder


class WeightLists(Holder):
    """The weights of a layer as a list of arrays."""

    def get_weights(self) -> list[Array]:
        """Return copies of the parameters and running statistics, layer by layer, in the order of `model.tensors()`.

        Returns
        -------
        list of array
            For an `Affine` weight and bias; for a `BatchNorm` gamma, beta, running_mean and running_var. See
            ``model.tensors()`` for names and for the arrays themselves.

        Raises
        ------
        RuntimeError
            If the model is not built.
        """
        return [array.copy() for _, array in _arrays(self)]

    def set_weights(self, weights: list[Array]) -> None:
        """Copy weights from `get_weights` of this model, or of another with the same shapes, into this one.

        Parameters
        ----------
        weights : list of array
            The same number of arrays, of the same shapes; frozen ones are set too.

        Raises
        ------
        RuntimeError
            If the model is not built.
        ValueError
            If the arrays do not fit; nothing is changed then.

        Notes
        -----
        The optimizer's state does not change.
        """
        if isinstance(weights, Mapping) or not isinstance(weights, Iterable):
            raise TypeError(
                f"weights is {type(weights).__name__}, expected a list of arrays in the order of get_weights(); "
                "to copy by name: for name, array in model.tensors().items(): array[...] = weights[name]"
            )
        arrays, own = [np.asarray(array) for array in weights], list(_arrays(self))
        if len(arrays) != len(own):
            names = ", ".join(name for name, _ in own)
            raise ValueError(f"weights has {len(arrays)} arrays, expected {len(own)}: {names or 'this layer has none'}")
        for place, ((name, array), new) in enumerate(zip(own, arrays, strict=True)):
            _expect_like(f"weights[{place}] ({name})", array, new)
        for (_, array), new in zip(own, arrays, strict=True):
            array[...] = new


def _expect_like(where: str, array: Array, new: Array) -> None:
    """TypeError or ValueError unless the new array holds numbers and has the shape of the array."""
    if new.dtype.kind not in "fiub":
        raise TypeError(f"{where} has dtype {new.dtype}, expected numbers")
    if new.shape != array.shape:
        transposed = new.ndim == 2 and new.shape == array.shape[::-1]
        hint = "; PyTorch has it transposed: pass .T, or see pynn.transfer.load_weights" if transposed else ""
        raise ValueError(f"{where} has shape {new.shape}, expected {array.shape}{hint}")


def _arrays(layer: Holder) -> Iterator[tuple[str, Array]]:
    """Yield the arrays of a layer and of those inside it, with their names."""
    built = hasattr(layer, "output_shape") and all(
        parameter.value is not None for inner in layer.walk() for parameter in inner.declared
    )
    if not built:
        raise RuntimeError(f"{called(layer)} has no weights yet: build it or its model first, or fit that")
    for inner in layer.walk():
        for name, array in inner._arrays().items():
            yield f"{inner.name or inner.kind}.{name}", array
