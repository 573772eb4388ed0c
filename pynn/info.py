"""What pynn runs on: version, backend, instruction set, threads, compiler."""

from __future__ import annotations

import platform
from dataclasses import dataclass

import numpy as np

from . import kernels


@dataclass(frozen=True)
class Info:
    """The result of ``pynn.info()``; printed, it is a readable block."""

    version: str
    backend: str
    why_not_native: str
    isa: str
    available_isas: str
    threads: int
    compiler: str
    openmp: str
    numpy: str
    python: str
    machine: str

    def __str__(self) -> str:
        rows = {
            "pynn": self.version,
            "backend": self.backend + (f" ({self.why_not_native})" if self.why_not_native else ""),
            "instruction set": f"{self.isa} (this CPU runs {self.available_isas})" if self.isa else "",
            "threads": str(self.threads),
            "compiler": self.compiler,
            "OpenMP": self.openmp,
            "NumPy": self.numpy,
            "Python": self.python,
            "machine": self.machine,
        }
        return "\n".join(f"{name:<16} {value}" for name, value in rows.items() if value)


def version() -> str:
    """The version of the installed package."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("pynn-cpu")
    except PackageNotFoundError:
        return "unknown (not installed)"


def info() -> Info:
    """Report what pynn runs on.

    Returns
    -------
    Info
        Version, backend (and why the native backend is not used), instruction set, threads, compiler.
    """
    native = kernels.native_module() if kernels.backend() == "native" else None
    return Info(
        version=version(),
        backend=kernels.backend(),
        why_not_native=kernels.why_not_native(),
        isa=native.isa() if native else "",
        available_isas=native.available_isas() if native else "",
        threads=kernels.get_num_threads(),
        compiler=native.compiler if native else "",
        openmp=native.openmp if native else "",
        numpy=np.__version__,
        python=platform.python_version(),
        machine=platform.machine(),
    )
