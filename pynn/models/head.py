"""The head of a model, that is its last layers, and its replacement. Changes the model's layers and flat vector."""

from __future__ import annotations

from ..layers.base import IDENTITY, Activation, Layer
from ..layers.chain import Chain
from ..layers.context import Context
from ..losses import SoftmaxCrossEntropy
from ..messages.terminal import called
from .model import Model

NOTES_ABOUT_OUTPUTS = ("bins", "classes", "dataset", "test_accuracy")


def start(model: Model, after: str | int | None = None) -> int:
    """Index in `model.layers` where the head begins: after that layer, or at the last layer that has parameters."""
    if not model.built:
        raise RuntimeError("the model is not built yet, so it has no head: load it, fit it or build it first")
    if after is None:
        for place in reversed(range(len(model.layers))):
            if any(inner.declared for inner in model.layers[place].walk()):
                return place
        raise ValueError("no layer of the model has parameters, so there is no head to replace; name a layer")
    chosen = model.layer(after)
    for place, layer in enumerate(model.layers):
        if layer is chosen:
            return place + 1
    names = ", ".join(called(layer) for layer in model.layers)
    raise ValueError(f"{called(chosen)} is inside another layer, expected a layer of the model itself: {names}")


def fused_across(model: Model, place: int) -> Activation | None:
    """The activation at this index if it is fused into the layer before it, so that a cut there would separate them."""
    layer = model.layers[place] if 0 < place < len(model.layers) else None
    return layer if isinstance(layer, Activation) and layer.fused_into is model.layers[place - 1] else None


def replace(model: Model, layers: tuple[Layer, ...], after: str | int | None) -> None:
    """Implement `Sequential.replace_head`."""
    place = start(model, after)
    new = Chain(*layers)
    if not layers:
        raise ValueError("replace_head() got no layers, expected the layers of the new head, such as pynn.Affine(5)")
    present = {id(layer) for layer in model.walk()}
    for number, layer in enumerate(layers):
        if any(id(inner) in present for inner in layer.walk()):
            raise ValueError(f"layer {number} ({layer.kind}) of the new head is already in the model; make a new layer")
    with model.lock:
        _put(model, place, new)
        _forget(model)


def _put(model: Model, place: int, new: Chain) -> None:
    """Replace the layers from this index on by the new layers; on failure the model is unchanged."""
    before = dict(vars(model))
    names = [(layer, layer.name, layer.stream) for layer in model.walk()]
    staying, leaving, cut = model.layers[:place], model.layers[place:], fused_across(model, place)
    try:
        model.layers = (*staying, *new.layers)
        model._expect_own_layers()
        shape = staying[-1].output_shape if staying else model.input_shape
        new.context, new._shared = model.context, model._shared
        try:
            model.output_shape = new.build(shape)
        except ValueError as cause:
            raise ValueError(f"the new head does not fit inputs of shape {shape}: {cause}") from cause
        model._name_layers()
        kept = {id(inner) for layer in staying for inner in layer.walk()}
        model._lay_out(sum(id(layer) in kept for layer, _, _ in model._places))
    except BaseException:
        vars(model).update(before)
        for layer, name, stream in names:
            layer.name, layer.stream = name, stream
        model._bind()
        _release(new.layers, model.context)
        raise
    if cut is not None:
        staying[-1].fuse(IDENTITY)
    _release(leaving, model.context)
    model._fuse()


def _release(layers: tuple[Layer, ...], context: Context) -> None:
    """Detach the layers from the model."""
    for layer in layers:
        for inner in list(layer.walk()):
            if inner.context is context:
                inner._reset()
                inner.context = Context()


def _forget(model: Model) -> None:
    """Forget the old outputs and training."""
    model.loss = model.own_loss() or SoftmaxCrossEntropy()
    model.optimizer = model.penalty_value = model.targets = None
    model.epoch = model.context.step = 0
    model.notes = {name: value for name, value in model.notes.items() if name not in NOTES_ABOUT_OUTPUTS}
    model._stage = 0
    vars(model).pop("outputs", None)
    model.context.changes += 1
    model._settle()
