"""Weights as lists of arrays, in the order of `tensors()`: how Keras users take them out and put them back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from ..messages.terminal import called
from ..typing import Array
from .held import Holder


class WeightLists(Holder):
    """The weights of a layer as a list of arrays."""

    def get_weights(self) -> list[Array]:
        """Return copies of the parameters and running statistics, layer by layer.

        Returns
        -------
        list of array
            In the order of `model.tensors()`, which has the names and the arrays themselves.

        Raises
        ------
        RuntimeError
            Before the model is built.
        """
        return [array.copy() for _, array in _arrays(self)]

    def set_weights(self, weights: list[Array]) -> None:
        """Copy in the weights from `get_weights`; the optimizer's state does not change.

        Parameters
        ----------
        weights : list of array
            As many arrays of numbers, of the same shapes. Frozen parameters are set too.

        Raises
        ------
        RuntimeError
            Before the model is built.
        ValueError or TypeError
            For arrays that do not fit; nothing is changed then.
        """
        if isinstance(weights, Mapping) or not isinstance(weights, Iterable):
            raise TypeError(
                f"weights is {type(weights).__name__}, expected a list of arrays in the order of get_weights(); "
                "to copy by name: for name, array in model.tensors().items(): array[...] = weights[name]"
            )
        given, own = [np.asarray(one) for one in weights], list(_arrays(self))
        if len(given) != len(own):
            names = ", ".join(name for name, _ in own)
            raise ValueError(f"weights has {len(given)} arrays, expected {len(own)}: {names or 'there are none here'}")
        for place, ((name, array), one) in enumerate(zip(own, given, strict=True)):
            if one.dtype.kind not in "fiub":
                raise TypeError(f"weights[{place}] ({name}) has dtype {one.dtype}, expected numbers")
            if one.shape != array.shape:
                turned = one.ndim == 2 and one.shape == array.shape[::-1]
                hint = "; PyTorch has it transposed: pass .T, or see pynn.transfer.load_weights" if turned else ""
                raise ValueError(f"weights[{place}] ({name}) has shape {one.shape}, expected {array.shape}{hint}")
        for (_, array), one in zip(own, given, strict=True):
            array[...] = one


def _arrays(layer: Holder) -> Iterator[tuple[str, Array]]:
    """The arrays of a layer and of those inside it, with their names."""
    there = hasattr(layer, "output_shape") and all(
        parameter.value is not None for inner in layer.walk() for parameter in inner.declared
    )
    if not there:
        raise RuntimeError(f"{called(layer)} has no weights yet: build it or its model first, or fit that")
    for inner in layer.walk():
        for name, array in inner.arrays().items():
            yield f"{inner.name or inner.kind}.{name}", array
