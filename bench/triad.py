"""a = b + s·c measures the speed of memory. Compiled at run time: no Python library computes it in a single pass."""

from __future__ import annotations

import ctypes
import functools
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from threads import THREADS

SOURCE = """
#define _GNU_SOURCE
#include <omp.h>
#include <sched.h>

/* The system sometimes leaves two threads on one CPU for seconds: move each to its own, then allow all CPUs again. */
static void spread(int thread) {
    cpu_set_t all, one;
    sched_getaffinity(0, sizeof all, &all);
    int cpu = 0;
    for (int left = thread % CPU_COUNT(&all); !CPU_ISSET(cpu, &all) || left-- > 0;) cpu++;
    if (sched_getcpu() == cpu) return;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    sched_setaffinity(0, sizeof one, &one);
    sched_setaffinity(0, sizeof all, &all);
}

void triad(float *a, const float *b, const float *c, float s, long n, long total, int threads) {
    #pragma omp parallel num_threads(threads)
    spread(omp_get_thread_num());
    for (; total > 0; total -= n) {  /* repeat over the arrays until `total` elements are computed */
        long m = total < n ? total : n;
        #pragma omp parallel for simd num_threads(threads) schedule(static)
        for (long i = 0; i < m; i++) a[i] = b[i] + s * c[i];
    }
}
"""
FLAGS = ("-O3", "-march=native", "-fopenmp", "-shared", "-fPIC", "-x", "c", "-")


@functools.cache
def compiled() -> ctypes.CDLL | None:
    """The compiled library; None if there is no compiler that accepts these flags."""
    if (compiler := shutil.which("cc")) is None:
        return None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        library = Path(folder) / "triad.so"
        result = subprocess.run([compiler, *FLAGS, "-o", str(library)], input=SOURCE, text=True, capture_output=True)
        return ctypes.CDLL(str(library)) if result.returncode == 0 else None


def triad(size: int, total: int) -> Callable[[], None] | None:
    """A function that computes `total` elements in arrays of `size` each, so that 12·total bytes are moved."""
    if (library := compiled()) is None:
        return None
    rng = np.random.default_rng(0)
    b, c, a = (rng.standard_normal(size, dtype=np.float32) for _ in range(3))
    pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (a, b, c)]
    settings = (ctypes.c_float(3), ctypes.c_long(size), ctypes.c_long(total), THREADS)

    def run() -> None:
        library.triad(*pointers, *settings)

    run()
    count = min(size, total)
    np.testing.assert_allclose(a[:count], b[:count].astype(np.float64) + 3.0 * c[:count], rtol=1e-6, atol=1e-5)
    return run
