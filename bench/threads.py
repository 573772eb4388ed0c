"""The same number of threads for every library: `PYNN_BENCH_THREADS`, 2 by default. Call `limit` before imports."""

from __future__ import annotations

import os

_HERE = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
THREADS = int(os.environ.get("PYNN_BENCH_THREADS", min(2, _HERE)))


def limit() -> None:
    """Limit the CPUs of this process, since jax has no other setting, and set the variables of BLAS libraries."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(THREADS)
