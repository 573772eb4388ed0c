"""The kernel table: one set of functions, two backends, chosen at import or by `use_backend`.

The layers above call `kernels.NAME(...)` and never ask which backend runs. Must not know anything above arrays.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import warnings
from pathlib import Path
from types import ModuleType

import numpy as np

from . import reference
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

_backend = "numpy"


def native_module() -> ModuleType | None:
    """The extension, or None where it was not built. One that is there but does not load is an ImportError."""
    if importlib.util.find_spec("pynn.kernels._native") is None:
        return None
    try:
        return importlib.import_module("pynn.kernels._native")
    except ImportError as cause:
        again = "" if "PYNN_ISA" in str(cause) else "Install pynn again, or set PYNN_BACKEND=numpy to run without them."
        raise ImportError(f"pynn's native kernels are installed but do not load: {cause}. {again}".rstrip()) from cause


def why_not_native() -> str:
    """One sentence on why the NumPy kernels run, or "" when the native ones do."""
    if _backend == "native":
        return ""
    if importlib.util.find_spec("pynn.kernels._native") is not None:
        return "the NumPy backend was asked for"
    if (Path(__file__).parents[2] / "csrc").is_dir():
        return "this is pynn's source folder, not the installed package: run Python elsewhere, or `pip install -e .`"
    return "the C++ kernels were not built (no working C++ compiler at install; `pip install -v .` tells more)"


def backend() -> str:
    """Name of the backend that runs: "native" or "numpy"."""
    return _backend


def use_backend(name: str) -> None:
    """Switch every kernel to the backend "native" or "numpy", from the next call on.

    Raises ValueError for another name, ImportError where the native kernels were not built or do not load.
    """
    global _backend
    if name not in BACKENDS:
        raise ValueError(f"backend is {name!r}, expected one of {', '.join(BACKENDS)}")
    table: ModuleType | None = reference if name == "numpy" else native_module()
    if table is None:
        raise ImportError("the native backend was asked for, but pynn was installed without its C++ kernels")
    if lacking := [kernel for kernel in NAMES if not hasattr(table, kernel)]:
        raise ImportError(
            f"pynn's native kernels are of another version (they lack {', '.join(lacking)}). Install pynn again."
        )
    globals().update({kernel: getattr(table, kernel) for kernel in NAMES})
    _backend = name


def set_num_threads(count: int) -> None:
    """Let native kernels use up to `count` threads (at least 1, at most 256), whichever Python thread calls them.

    OpenMP's own limit for a thread (threadpoolctl) may lower that number, not raise it. A forked child has no team of
    threads and computes on one. NumPy's threads are its BLAS's affair.
    """
    if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 1:
        raise ValueError(f"set_num_threads: count is {count!r}, expected an integer of at least 1")
    if (module := _working_module()) is not None:
        module.set_num_threads(min(int(count), 256))


def get_num_threads() -> int:
    """Threads that native kernels may use; 1 where they were not built."""
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
        raise ImportError(f"PYNN_BACKEND is {asked!r}, expected one of {', '.join(BACKENDS)}, or unset")
    if asked:
        use_backend(asked)
    elif native_module() is not None:
        use_backend("native")
    elif not _is_command():
        warnings.warn(f"pynn runs on NumPy: {why_not_native()}", RuntimeWarning, stacklevel=4)  # the importer of pynn


def _is_command() -> bool:
    """Whether this process is the command `pynn`, which says in a line of its own what it runs on."""
    return sys.orig_argv[1:3] == ["-m", "pynn"] or Path(sys.argv[0] if sys.argv else "").stem == "pynn"


try:
    _choose()
except ImportError as _cause:
    if not _is_command():
        raise
    print(f"pynn: error: {_cause}", file=sys.stderr)
    raise SystemExit(2) from _cause
