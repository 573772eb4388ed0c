"""The same bits with any number of threads: all kernels on large arrays, and models of every kind of layer.

At each instruction-set level that the processor has, in a process of its own. The levels differ from each other.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from operations import Operation, arguments, call
from thread_cases import CASES

import pynn

from . import options as types

THREADS = (1, 2, 3, 4, 7, 16)
MODELS = ("mlp", "lenet5", "resnet20", "many layers", "hierarchical")
NAMES = list(dict.fromkeys((*(case.values[0].kernel for case in CASES), *MODELS)))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--steps", type=types.positive, default=30, help="training steps of each model (default 30)")
    names = types.names_of("kernel or model", NAMES)
    only = "these kernels and models alone, with commas: affine_forward,mlp takes some seconds (default all)"
    parser.add_argument("--only", metavar="NAMES", type=names, help=only)
    parser.add_argument("--here", action="store_true", help="only the instruction set of this process (PYNN_ISA)")


def run(options: argparse.Namespace) -> int:
    """The number of kernels and models that gave other bits."""
    native: Any = pynn.kernels.native_module()
    if native is None:
        raise types.Unable("pynn was installed without its C++ kernels")
    pynn.use_backend("native")
    if options.here:
        return one_level(native, options.seed, options.steps, options.only or NAMES)
    words = [sys.executable, *sys.orig_argv[1:], "--here"]
    levels = native.available_isas().split()
    return sum(subprocess.run(words, env={**os.environ, "PYNN_ISA": level}).returncode != 0 for level in levels)


def one_level(native: Any, seed: int, steps: int, names: Sequence[str]) -> int:
    found, calls, begun, shown = 0, 0, time.monotonic(), 0.0
    todo = [*kernels(native, names), *networks(seed, steps, names)]
    for name, work in todo:
        results = {}
        for count in THREADS:
            pynn.set_num_threads(count)
            results[count] = work()
            calls += 1
            if (spent := time.monotonic() - begun) > shown + 10:
                shown = spent
                done = (
                    f"{native.isa()}: {calls:,} of {len(todo) * len(THREADS):,} runs, {spent:.0f} s, {found} findings"
                )
                print(f"{done}, now {name}", file=sys.stderr, flush=True)
        if other := [count for count in THREADS if results[count] != results[THREADS[0]]]:
            found += 1
            print(f"FOUND: {name} gives other bits with {other} threads than with {THREADS[0]}", flush=True)
    print(f"{native.isa()}: {calls:,} runs with {', '.join(map(str, THREADS))} threads: {found} findings", flush=True)
    return found


def kernels(native: Any, names: Sequence[str]) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Every kernel on the large arrays of the tests and on its largest ordinary ones, in both dtypes."""
    for case in CASES:
        op: Operation = case.values[0]
        if op.kernel not in names:
            continue
        for sizes in dict.fromkeys((case.values[1], max(op.sizes, key=lambda one: float(np.prod(one))))):
            for dtype in np.float32, np.float64:

                def work(op: Operation = op, sizes: Any = sizes, dtype: Any = dtype) -> Any:
                    args = arguments(op, sizes, dtype)
                    returned = call(native, op, args)
                    return repr(returned), [one.tobytes() for one in args.values() if isinstance(one, np.ndarray)]

                yield f"{op.name} {sizes} {np.dtype(dtype)}", work


def networks(seed: int, steps: int, names: Sequence[str]) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Models after some steps, and what they say."""
    rng = np.random.default_rng(seed)
    digits = pynn.datasets.digits().train
    small = digits[0][: 30 * steps], digits[1][: 30 * steps]
    mnist = rng.integers(0, 256, (16 * steps, 28, 28, 1)).astype(np.uint8), rng.integers(0, 10, 16 * steps)
    cifar = rng.integers(0, 256, (8 * steps, 32, 32, 3)).astype(np.uint8), rng.integers(0, 10, 8 * steps)
    words = rng.standard_normal((32 * steps, 50)), rng.integers(0, 2000, 32 * steps)
    chain = [pynn.Flip(), pynn.PadCrop(4), pynn.Rotation(15), pynn.Saturation(0.7, 1.3), pynn.Contrast(0.8, 1.2)]
    plan: list[tuple[str, Callable[[str], pynn.Sequential], Any, int, dict[str, Any]]] = [
        ("mlp", mlp, small, 30, {
            "preprocessing": pynn.Standardization(), "class_weight": "balanced", "callbacks": [pynn.PolyakAverage(0.9)],
            "optimizer": pynn.AdamW(pynn.CosineDecay(3e-3, epochs=1), weight_decay=1e-2, clip_norm=1.0),
        }),
        ("lenet5", lambda dtype: pynn.models.lenet5(dtype=dtype, seed=2), mnist, 16, {
            "optimizer": pynn.Nesterov(0.01),
        }),
        ("resnet20", lambda dtype: pynn.models.resnet20(dtype=dtype, seed=3), cifar, 8, {
            "augmentation": chain, "prefetch": 2, "optimizer": pynn.Momentum(0.05, weight_decay=1e-4),
        }),
        ("many layers", many_layers, small, 30, {
            "augmentation": [pynn.Zoom(0.9, 1.1), pynn.Shear(5)], "optimizer": pynn.Adam(1e-3, clip_value=0.1),
        }),
        ("hierarchical", hierarchical, words, 32, {"optimizer": pynn.RMSProp(1e-3)}),
    ]  # fmt: skip
    for name, make, (x, y), batch_size, settings in plan:
        if name not in names:
            continue
        for dtype in "float32", "float64":

            def work(make: Any = make, x: Any = x, y: Any = y, batch_size: int = batch_size, settings: Any = settings,
                     dtype: str = dtype) -> Any:  # fmt: skip
                import copy

                model = make(dtype)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    model.fit(x, y, epochs=1, batch_size=batch_size, progress=False, **copy.deepcopy(settings))
                arrays = [*model.tensors().values(), model.predict_proba(x[:77])]
                return hashlib.sha256(b"".join(one.tobytes() for one in arrays)).hexdigest()

            yield f"{name} {dtype}", work


def mlp(dtype: str) -> pynn.Sequential:
    return pynn.Sequential(
        pynn.Flatten(), pynn.DropConnect(256, 0.2, penalty=pynn.L2(1e-4)), pynn.BatchNorm(), pynn.ReLU(),
        pynn.Dropout(0.3), pynn.Affine(300, constraint=pynn.MaxNorm(2.0)), pynn.LayerNorm(), pynn.GELU(),
        pynn.GaussianNoise(0.1), pynn.Affine(10), dtype=dtype, seed=1,
    )  # fmt: skip


def many_layers(dtype: str) -> pynn.Sequential:
    return pynn.Sequential(
        pynn.Conv2d(24), pynn.GroupNorm(4), pynn.PReLU(), pynn.FractionalMaxPool2d(1.4),
        pynn.Residual(pynn.Conv2d(24), pynn.BatchNorm(), pynn.ELU(), pynn.Conv2d(24), survival=0.6),
        pynn.SpatialDropout(0.2), pynn.AvgPool2d(2), pynn.Flatten(), pynn.Maxout(96, 3), pynn.PMish(),
        pynn.Scale(), pynn.Affine(10, parametrization="ntk"),
        dtype=dtype, seed=4,
    )  # fmt: skip


def hierarchical(dtype: str) -> pynn.Sequential:
    return pynn.Sequential(pynn.Affine(200), pynn.SELU(), pynn.HierarchicalSoftmax(2000), dtype=dtype, seed=5)
