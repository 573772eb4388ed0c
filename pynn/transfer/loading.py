"""Weights from other sources: match the tensors of a file or mapping to a model. Imports no other framework."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from .. import checks
from ..data.arrays import expect_unmasked
from ..messages.terminal import brief, printable
from ..models import file as file_module
from ..models.sequential import Sequential
from ..saving import files
from ..typing import Array, Shape
from .layouts import Tensor, tensors

Names = Mapping[str, str]
Signature = tuple[tuple[str, Shape], ...]

PICKLES = (".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt")
SHOWN, LONGEST = 12, 200  # lines of a warning or an error, and characters of a line
MOST_HEADER, MOST_TENSORS = 1 << 22, 50_000  # bytes of a header, and tensors in it: even empty tensors take time
IGNORED = {"torch": re.compile(r"(.*\.)?num_batches_tracked"), "pynn": re.compile(r"preprocessing\..*")}


@dataclass(frozen=True)
class Loaded:
    """The result of `load_weights`; `print` shows it line by line.

    Parameters
    ----------
    loaded : tuple of str
        Names of the model's tensors that were filled.
    missing : tuple of str
        Names of the model's tensors that kept their values.
    unexpected : tuple of str
        Names in the source that were not used.
    sources : dict
        For each loaded tensor its name in the source; `load_weights` takes it as names.
    """

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    sources: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"{name} <- {self.sources.get(name, name)}" for name in self.loaded]
        lines += [f"{name} keeps its values" for name in self.missing]
        lines += [f"{name} was not used" for name in self.unexpected]
        return "\n".join(map(printable, lines))


def load_weights(
    model: Sequential,
    source: str | os.PathLike[str] | Mapping[str, Any],
    names: Names | None = None,
    *,
    layout: str = "torch",
    strict: bool = True,
) -> Loaded:
    """Fill a built model with weights and statistics from another program or model.

    Parameters
    ----------
    model : Sequential
        A built model.
    source : path or mapping
        A .safetensors file, or a mapping of names to arrays: NumPy's, a PyTorch state_dict (torch is not imported), or
        anything that NumPy reads.
    names : dict, optional
        The source's name for each layer ("conv2d1": "features.0") or tensor ("affine1.weight": "W1"). Other layers have
        the same name in the source, unless another layer was assigned that name. Without names, see Notes.
    layout : {"torch", "pynn"}, default "torch"
        "torch" transposes the weights of affine layers and convolutions, permutes the weights of layers that read
        flattened images (C, H, W in PyTorch, H, W, C here), and reads gamma, beta and slope as weight and bias
        (BatchNorm, LayerNorm, GroupNorm, PReLU); running statistics are the same. The weight of an
        ``Affine(parametrization="ntk")`` is the source's times √D. "pynn" is the form of ``model.tensors()`` and of
        model files.
    strict : bool, default True
        Whether to load all tensors or none; False skips tensors that are missing, unexpected or of another shape.

    Returns
    -------
    Loaded
        The names of the tensors that were loaded, missing or not used.

    Raises
    ------
    ValueError
        If weights do not fit; the message lists the mismatches, and the model is unchanged. Also for a pickle (.pt,
        .pth), which can run code.
    FileNotFoundError
        If there is no such file.
    RuntimeError
        If the model is not built.

    Notes
    -----
    Without names, and if the source does not have the model's names, its modules are matched to layers by the shapes of
    their tensors. Modules of equal shapes are taken in the order of the state_dict (the order of their definition) or,
    in a file, which sorts names, in the order of the numbers in their names. If that is ambiguous, or the numbers
    contradict the order, an error asks for names; if layers of equal shapes differ only in the words of their names, a
    UserWarning shows the assignment.

    Settings of layers are not read: give `BatchNorm` PyTorch's epsilon and 1 - its momentum, and a convolution with a
    stride its padding as a number ("same" differs in PyTorch).

    Examples
    --------
    >>> model = pynn.models.lenet5()
    >>> model.build((28, 28, 1))
    >>> pynn.transfer.load_weights(model, "lenet.safetensors", {"conv2d1": "features.0", "affine1": "classifier"})
    """
    targets = tensors(model, layout)
    arrays, in_order = _read(source, layout)
    where = f"{printable(source)}: " if isinstance(source, (str, os.PathLike)) else ""
    _check_names(names, targets)
    guessed: set[str] = set()
    if names is None and not arrays.keys() & {f"{tensor.layer}.{tensor.theirs}" for tensor in targets}:
        names, guessed = _matched(targets, arrays, in_order, strict, where)
    plan, problems, used = [], [], set()
    assigned = set() if names is None else set(names.values()) - names.keys()
    for tensor in targets:
        name = _name(tensor, names)
        if tensor.layer in assigned:  # its name is assigned to another layer
            problems.append(f"{tensor.name} is missing: names assigns {tensor.layer} of the source to another layer")
            continue
        array, problem = _fitting(tensor, name, arrays)
        if array is None:
            problems.append(problem)
        else:
            plan.append((tensor, name, array))
            used.add(name)
    unused = tuple(name for name in arrays if name not in used and not IGNORED[layout].fullmatch(name))
    problems += [f"{name} {_shape(arrays[name])} has no place in the model" for name in unused]
    if problems and (strict or not plan):
        raise ValueError(f"{where}nothing was loaded, the weights do not fit the model: {_joined(problems, '; ')}")
    sources = {tensor.name: name for tensor, name, _ in plan}
    _warn_of_guesses([tensor for tensor, _, _ in plan if tensor.layer in guessed], sources)
    with model.lock:
        for tensor, _, array in plan:
            tensor.array[...] = array
    missing = tuple(tensor.name for tensor in targets if tensor.name not in sources)
    return Loaded(tuple(sources), missing, unused, sources)


def to_torch(model: Sequential, names: Names | None = None) -> dict[str, Array]:
    """Copy the model's parameters and statistics with PyTorch's names and layout: the content of a state_dict.

    The weight of an ``Affine(parametrization="ntk")`` is divided by √D, as torch.nn.Linear computes x · weightᵀ.

    Parameters
    ----------
    model : Sequential
        A built model.
    names : dict, optional
        PyTorch's names of layers and tensors, as for `load_weights`; other layers keep their names.

    Returns
    -------
    dict
        Arrays by name.

    Raises
    ------
    ValueError
        If two tensors would have the same name.
    RuntimeError
        If the model is not built.

    Examples
    --------
    >>> state = {name: torch.from_numpy(array) for name, array in pynn.transfer.to_torch(model, names).items()}
    >>> module.load_state_dict(state)
    """
    own = tensors(model, "torch")
    _check_names(names, own)
    state: dict[str, Array] = {}
    for tensor in own:
        name = _name(tensor, names)
        if name in state:
            raise ValueError(
                f"two tensors would be named {name!r}, {tensor.name} and another; give them different names"
            )
        state[name] = tensor.to_theirs()
    return state


# Names --------------------------------------------------------------------------------------------


def _check_names(names: Names | None, targets: Iterable[Tensor]) -> None:
    if names is None:
        return
    if not isinstance(names, Mapping):
        raise TypeError(f"names is {type(names).__name__}, expected a mapping of the model's names to the source's")
    known = {name for tensor in targets for name in (tensor.layer, tensor.name)}
    if unknown := [repr(name) for name in names if name not in known]:
        layers = ", ".join(dict.fromkeys(tensor.layer for tensor in targets))
        raise ValueError(f"names has {', '.join(unknown)}, unknown in the model; its layers with tensors: {layers}")
    for name, source_name in names.items():
        if not isinstance(source_name, str):
            raise TypeError(f"names[{name!r}] is {brief(source_name)}, expected text")


def _name(tensor: Tensor, names: Names | None) -> str:
    """The tensor's name in the source."""
    names = names or {}
    if tensor.name in names:
        return names[tensor.name]
    module = names.get(tensor.layer, tensor.layer)
    return f"{module}.{tensor.theirs}" if module else tensor.theirs


def _matched(
    targets: list[Tensor], arrays: Mapping[str, Any], in_order: bool, strict: bool, where: str
) -> tuple[Names, set[str]]:
    """For each layer the module of the source that has tensors of the same names and shapes.

    Also the layers of equal shapes that were matched by the order of words alone, which is a guess.
    """
    ours = _by_signature((tensor.layer, tensor.theirs, tensor.shape) for tensor in targets)
    parts = [(*name.rpartition("."), np.shape(array)) for name, array in arrays.items()]
    theirs = _by_signature(
        (module, tensor_name, shape) for module, _, tensor_name, shape in parts if tensor_name != "num_batches_tracked"
    )
    names: dict[str, str] = {}
    guessed: set[str] = set()
    for signature, layers in ours.items():
        modules = theirs.get(signature, [])
        pairs = list(pairwise(modules))
        numbered = [_numbered(*pair) for pair in pairs]
        descends = any(numeric and _natural(a) > _natural(b) for numeric, (a, b) in zip(numbered, pairs, strict=True))
        if len(modules) == len(layers) and not descends and (in_order or all(numbered)):
            names.update(zip(layers, modules, strict=True))
            guessed.update(() if all(numbered) else layers)
    if strict and (len(names) < sum(map(len, ours.values())) or sum(map(len, theirs.values())) > len(names)):
        raise ValueError(
            f"{where}nothing was loaded: the shapes alone do not determine which weights belong to which layer; pass "
            f"names={{'layer': 'its name there'}}. The model has {_listed(ours)}. The source has {_listed(theirs)}."
        )
    return {tensor.layer: names.get(tensor.layer, tensor.layer) for tensor in targets}, guessed


def _warn_of_guesses(guessed: Iterable[Tensor], sources: Names) -> None:
    """Warn with the source of the first tensor of each of these layers."""
    firsts: dict[str, str] = {}
    for tensor in guessed:
        firsts.setdefault(tensor.layer, f"{tensor.name} <- {sources[tensor.name]}")
    lines = list(firsts.values())
    if lines:
        more = f", and {len(lines) - SHOWN} more (print the result)" if len(lines) > SHOWN else ""
        checks.warn(
            "layers of equal shapes got their weights in the order of the source: "
            f"{', '.join(lines[:SHOWN])}{more}; pass names={{'layer': 'its name there'}} if that is wrong"
        )


def _by_signature(tensors: Iterable[tuple[str, str, Shape]]) -> dict[Signature, list[str]]:
    modules: dict[str, list[tuple[str, Shape]]] = {}
    for module, name, shape in tensors:
        modules.setdefault(module, []).append((name, shape))
    by_signature: dict[Signature, list[str]] = {}
    for module, parts in modules.items():
        by_signature.setdefault(tuple(sorted(parts)), []).append(module)
    return by_signature


def _numbered(before: str, after: str) -> bool:
    """Whether the names first differ in a number, which then determines their order."""
    pairs = zip(re.split(r"(\d+)", before), re.split(r"(\d+)", after), strict=False)
    first = next(((a, b) for a, b in pairs if a != b), ("", ""))
    return all(part.isdecimal() for part in first)


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort key that puts 2.weight before 10.weight. Numbers may be too long for int()."""
    parts = ((part, part.lstrip("0")) for part in re.split(r"(\d+)", name))
    return [(len(digits), digits) if part.isdecimal() else (-1, part) for part, digits in parts]


def _listed(modules: Mapping[Signature, list[str]]) -> str:
    texts = [
        f"{name or 'without a module'} ({', '.join(f'{tensor_name} {shape}' for tensor_name, shape in signature)})"
        for signature, names in modules.items()
        for name in names
    ]
    return _joined(texts, ", ") or "none"


def _joined(texts: list[str], between: str) -> str:
    """The first texts, made printable, and the number of the others."""
    more = [f"and {len(texts) - SHOWN:,} more"] if len(texts) > SHOWN else []
    return between.join([*(printable(text, LONGEST) for text in texts[:SHOWN]), *more])


# Arrays -------------------------------------------------------------------------------------------


def _fitting(tensor: Tensor, name: str, arrays: Mapping[str, Any]) -> tuple[Array | None, str]:
    """The tensor's new value and "", or None and the reason."""
    if name not in arrays:
        return None, f"{tensor.name} is missing, expected {name} {tensor.shape}"
    source = arrays[name]
    if not isinstance(source, np.ndarray) or source.dtype.kind not in "fiub":
        kind = getattr(source, "dtype", source)
        return None, f"{name} for {tensor.name} is {kind!s}, expected numbers of a type that NumPy has"
    if source.shape != tensor.shape:
        hint = ", which is pynn's layout (layout='pynn')" if source.shape == tensor.array.shape else ""
        return None, f"{name} has shape {source.shape}{hint}, expected {tensor.shape} for {tensor.name}"
    with np.errstate(over="ignore"):
        array = np.asarray(tensor.to_ours(source), tensor.array.dtype)
    if not np.isfinite(array).all():
        return None, f"{name} for {tensor.name} holds NaN, infinity or numbers too large for {array.dtype}"
    return array, ""


def _shape(array: Any) -> str:
    return str(np.shape(array))


def _read(source: Any, layout: str) -> tuple[dict[str, Any], bool]:
    """The source's arrays by name, and whether they are in the order of their definition."""
    if isinstance(source, Mapping):
        arrays = {_text(name): _array(name, value) for name, value in source.items()}
        names = [name for name in arrays if not name.endswith("num_batches_tracked")]
        if names != sorted(names):
            return arrays, True
    elif isinstance(source, (str, os.PathLike)):
        arrays = _read_file(Path(source), layout)
        if layout == "pynn":
            file_module.expect_unchanged(Path(source))
    else:
        hint = "; pass its .state_dict()" if hasattr(source, "state_dict") else ""
        raise TypeError(f"source is {type(source).__name__}, expected a .safetensors file or a mapping of arrays{hint}")
    return {name: arrays[name] for name in sorted(arrays, key=_natural)}, False  # files sort their names


def _text(name: Any) -> str:
    if not isinstance(name, str):
        raise TypeError(f"a name in the mapping is {brief(name)}, expected text")
    return name


def _array(name: str, value: Any) -> Array:
    """The value as an array; also a tensor with gradients, on a device, or of a type that NumPy lacks."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.float() if "bfloat16" in str(value.dtype) else value
    if isinstance(value, Mapping):
        raise TypeError(
            f"{name} is a mapping itself, expected an array; pass that mapping (the state_dict in a checkpoint)"
        )
    expect_unmasked(name, value)
    try:
        return np.asarray(value)
    except (TypeError, ValueError) as cause:
        raise TypeError(f"{name} is {type(value).__name__}, expected an array ({cause})") from cause


def _read_file(file: Path, layout: str) -> dict[str, Any]:
    import safetensors  # here: a mapping does not need it

    shown = printable(file)
    files.expect_file(file, "a .safetensors file")
    with open(file, "rb") as content:
        begin = content.read(9)
    if file.suffix.lower() == ".npz":
        raise ValueError(
            f"{shown} is a file of np.savez, expected a .safetensors file; pass its content: np.load(path)"
        )
    pickled = file.suffix.lower() in PICKLES or begin.startswith((b"PK", b"\x80"))
    if pickled and begin[8:] != b"{":  # a safetensors header is JSON, after its length
        raise ValueError(
            f"{shown} is a pickle, which can run code when it is read: where PyTorch is, convert it once with "
            'safetensors.torch.save_file(torch.load(path, weights_only=True), "weights.safetensors")'
        )
    if MOST_HEADER < int.from_bytes(begin[:8], "little") < file.stat().st_size:
        raise ValueError(
            f"{shown} has a header of more than {MOST_HEADER >> 20} MiB, expected the names of at most "
            f"{MOST_TENSORS:,} tensors"
        )
    try:
        with safetensors.safe_open(file, framework="numpy") as opened:
            metadata = opened.metadata() or {}
            names = list(opened.keys())
            if len(names) > MOST_TENSORS:
                raise ValueError(f"{shown} names {len(names):,} tensors, expected at most {MOST_TENSORS:,}")
            tensors_ = {name: _stored(opened, name, shown) for name in names}
    except safetensors.SafetensorError as cause:
        why = f"but {kind}" if (kind := files.foreign(file, elsewhere=False)) else f"({cause})"
        raise ValueError(f"{shown} is not a whole safetensors file {printable(why)}") from cause
    if "pynn" in metadata and layout != "pynn":
        raise ValueError(f"{shown} is a pynn model: pass layout='pynn', or load the whole model with pynn.load")
    return tensors_


def _stored(opened: Any, name: str, file: str) -> Any:
    """The tensor or, if NumPy lacks its type, the name of the type."""
    try:
        return opened.get_tensor(name)
    except (TypeError, AttributeError):
        return opened.get_slice(name).get_dtype()
    except ValueError as cause:
        raise ValueError(f"{file}: {printable(name, 100)} has a shape that NumPy cannot hold ({cause})") from None
