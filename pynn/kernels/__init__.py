"""The kernels: the arithmetic under pynn's layers, losses and optimizers, as plain functions of NumPy arrays.

Write a custom training loop with them, as in a course's assignments. The layers use the same functions.

Rules for every kernel, on both backends:

- Arguments are arrays and numbers. Results are written into arrays that the caller provides (`out`, `dx`, `dweight`,
  ...), overwriting their contents; optimizer steps and `penalty` update theirs instead.
  A kernel returns None or a number; a loss that counts hits returns both, (loss, hits).
- Arrays are float32 or float64, the same in one call; labels and indices are int64.
- Shapes: N samples, D inputs, M outputs, C channels or classes, P parameters. Features come last: x (N, D), weight
  (D, M), images as (N·H·W, C). N may be 0 unless the kernel says otherwise.
- Arrays are C-contiguous (`numpy.ascontiguousarray`), and no array that is written into overlaps another one.
- A call that breaks a rule raises TypeError or ValueError, which names the argument, what came and what was expected;
  nothing is written then. Infinity and NaN are not errors.
- Arguments with a default may be omitted; those after them, such as `out`, are then passed by name. A default of
  `Ellipsis` in a signature means that the argument is required. The defaults are those of pynn's layers, losses and
  optimizers.
- `activation` is one of `kernels.ACTIVATIONS`; "identity", the default, is none. `alpha` is its parameter, if it has
  one: by default 0.01 for leaky_relu, 1 for elu.
- To get a loss without its gradient, pass None for the gradient (`dlogits`, ...). With `weights` (N,) it is
  (1/N) Σ weights_i loss_i: divided by the number of rows, not by Σ weights as in PyTorch's cross_entropy(weight=...).

A two-layer network, trained on points inside or outside a circle:

>>> import numpy as np
>>> from pynn import kernels
>>> rng = np.random.default_rng(0)
>>> x = rng.standard_normal((200, 2)).astype(np.float32)
>>> labels = (np.hypot(x[:, 0], x[:, 1]) > 1.2).astype(np.int64)

All parameters are in one vector, so that one call updates them; weights and biases are views of it.

>>> def views(vector):
...     w1, b1, w2, b2 = np.split(vector, [2 * 32, 2 * 32 + 32, 2 * 32 + 32 + 32 * 2])
...     return w1.reshape(2, 32), b1, w2.reshape(32, 2), b2
>>> parameters, gradients, velocity = (np.zeros(2 * 32 + 32 + 32 * 2 + 2, np.float32) for _ in range(3))
>>> (w1, b1, w2, b2), (dw1, db1, dw2, db2) = views(parameters), views(gradients)
>>> w1[...] = rng.standard_normal(w1.shape) * np.sqrt(2 / 2)  # He: a ReLU follows
>>> w2[...] = rng.standard_normal(w2.shape) * np.sqrt(1 / 32)

Arrays for the results, allocated once:

>>> h, dh, dz = (np.empty((200, 32), np.float32) for _ in range(3))
>>> scores, dscores = (np.empty((200, 2), np.float32) for _ in range(2))

Forward, loss, backward, update. The bias and the ReLU are part of the affine kernel; the loss kernel writes its
gradient as well.

>>> losses = []
>>> for step in range(200):
...     kernels.affine_forward(x, w1, b1, "relu", out=h)
...     kernels.affine_forward(h, w2, b2, out=scores)
...     loss, hits = kernels.softmax_cross_entropy(scores, labels, dlogits=dscores)
...     kernels.affine_backward(dscores, h, w2, scores, dx=dh, dweight=dw2, dbias=db2)
...     kernels.affine_backward(dh, x, w1, h, "relu", dz=dz, dweight=dw1, dbias=db1)
...     for w, dw in (w1, dw1), (w2, dw2):
...         loss += kernels.penalty(w, l2=1e-4, dweight=dw)
...     kernels.momentum_step(parameters, gradients, velocity, 0.1)
...     losses.append(loss)
>>> bool(losses[0] > 0.5 and losses[-1] < 0.1)
True
>>> bool(hits / len(labels) > 0.97)
True

`help(pynn.kernels.affine_forward)` shows what one kernel computes. The backend is chosen at import, or by
`use_backend`: "native" runs C++, "numpy" readable NumPy twins, pynn/kernels/reference, which define each kernel.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import sys
import warnings
from types import ModuleType
from typing import Any

import numpy as np

from ..messages.terminal import brief
from . import documentation, reference
from .reference import *  # noqa: F403 (each kernel by its name; `use_backend` puts the native one there)
from .reference.activation import ACTIVATIONS

NAMES: tuple[str, ...] = tuple(reference.__all__)
BACKENDS = ("native", "numpy")

__all__ = [
    "ACTIVATIONS",
    "BACKENDS",
    "NAMES",
    "backend",
    "get_num_threads",
    "native_module",
    "set_num_threads",
    "use_backend",
    "why_not_native",
]
__all__ += reference.__all__

if __doc__:  # not under python -OO
    __doc__ += f"\nThe kernels by family:\n\n{documentation.families(reference, NAMES)}\n"

_backend = "numpy"


def native_module() -> ModuleType | None:
    """Return the extension module.

    Returns
    -------
    module or None
        None if it was not built.

    Raises
    ------
    ImportError
        If it is installed but does not load.
    """
    if importlib.util.find_spec("pynn.kernels._native") is None:
        return None
    try:
        return importlib.import_module("pynn.kernels._native")
    except ImportError as cause:
        again = "" if "PYNN_ISA" in str(cause) else "Install pynn again, or set PYNN_BACKEND=numpy to run without them."
        raise ImportError(f"pynn's native kernels are installed but do not load: {cause}. {again}".rstrip()) from cause


def why_not_native() -> str:
    """Say why the NumPy kernels run.

    Returns
    -------
    str
        A sentence; "" if the native kernels run.
    """
    if _backend == "native":
        return ""
    if importlib.util.find_spec("pynn.kernels._native") is not None:
        return "the NumPy backend was asked for"
    if os.path.isdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "csrc")):
        return "this is pynn's source folder, not the installed package: run Python elsewhere, or `pip install -e .`"
    return "the C++ kernels were not built (no working C++ compiler at install; `pip install -v .` tells more)"


def backend() -> str:
    """Return the name of the current backend.

    Returns
    -------
    str
        "native" or "numpy".
    """
    return _backend


def use_backend(name: str) -> None:
    """Switch all kernels to a backend, from the next call on.

    Parameters
    ----------
    name : {"native", "numpy"}
        The backend.

    Raises
    ------
    ValueError
        For another name.
    ImportError
        If the native kernels were not built or do not load.
    """
    global _backend
    if name not in BACKENDS:
        raise ValueError(f"backend is {brief(name)}, expected one of {', '.join(BACKENDS)}")
    table: ModuleType | None = reference if name == "numpy" else native_module()
    if table is None:
        raise ImportError("the native backend was asked for, but pynn was installed without its C++ kernels")
    if lacking := [part for part in (*NAMES, "documented") if table is not reference and not hasattr(table, part)]:
        raise ImportError(
            f"pynn's native kernels are of another version (they lack {', '.join(lacking)}). Install pynn again."
        )
    globals().update(_functions(table))
    _backend = name


@functools.cache
def _functions(table: ModuleType) -> dict[str, Any]:
    """The kernels of a backend by name; native ones with their twins' documentation."""
    twins = {name: getattr(reference, name) for name in NAMES}
    if table is reference:
        return twins
    return {
        name: table.documented(
            getattr(table, name), documentation.with_signature(twin), functools.partial(documentation.wrong_call, twin)
        )
        for name, twin in twins.items()
    }


def __dir__() -> list[str]:
    return sorted(__all__)


def set_num_threads(count: int) -> None:
    """Set how many threads native kernels may use, from whichever Python thread they are called.

    Parameters
    ----------
    count : int
        At least 1; more than 256 counts as 256.

    Notes
    -----
    OpenMP's limit for a thread (threadpoolctl) may lower the number, not raise it. A forked child computes on one
    thread. NumPy's threads are set by its BLAS.
    """
    if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 1:
        raise ValueError(f"set_num_threads: count is {brief(count)}, expected an integer of at least 1")
    if (module := _working_module()) is not None:
        module.set_num_threads(min(int(count), 256))


def get_num_threads() -> int:
    """Return how many threads native kernels may use.

    Returns
    -------
    int
        1 if they were not built.
    """
    module = _working_module()
    return 1 if module is None else int(module.get_num_threads())


def _working_module() -> ModuleType | None:
    try:
        return native_module()
    except ImportError:  # the NumPy backend was asked for because of it
        return None


def _choose() -> None:
    asked = os.environ.get("PYNN_BACKEND", "")
    if asked and asked not in BACKENDS:
        raise ImportError(f"PYNN_BACKEND is {brief(asked)}, expected one of {', '.join(BACKENDS)}, or unset")
    if asked:
        use_backend(asked)
    elif native_module() is not None:
        use_backend("native")
    elif not _is_command():
        warnings.warn(f"pynn runs on NumPy: {why_not_native()}", RuntimeWarning, stacklevel=4)  # the importer of pynn


def _is_command() -> bool:
    """Whether this process is the command `pynn`, which prints its backend itself."""
    program = os.path.basename(sys.argv[0]) if sys.argv else ""
    return sys.orig_argv[1:3] == ["-m", "pynn"] or os.path.splitext(program)[0] == "pynn"


try:
    _choose()
except ImportError as _cause:
    if not _is_command():
        raise
    print(f"pynn: error: {_cause}", file=sys.stderr)
    raise SystemExit(2) from _cause
