"""The weight of a library: time and memory of its import, peak memory of training; `python bench/weight.py [WHEEL...]`.

Every figure comes from its own process; this process stays small, since a child's peak starts at its parent's.
"""

from __future__ import annotations

import importlib.util
import json
import re
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import threads

MODULES = ("numpy", "pynn", "sklearn.neural_network", "torch", "jax")
TRAINED = {  # workload: libraries
    "mlp_cifar": ("pynn", "torch"),
    "cnn_cifar": ("pynn", "torch", "torch_channels_last"),
}
PROLOGUE = "import json, resource, sys, time; start = time.perf_counter();"
# ru_maxrss: kilobytes, on macOS bytes
EPILOGUE = """
unit = 1024 if sys.platform == "darwin" else 1
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit / 1024
print(json.dumps({"seconds": time.perf_counter() - start, "megabytes": peak}))
"""
TRAINING = """
import threads
threads.limit()
from workloads import WORKLOADS, batch
if {library!r} == "pynn":
    import pynn
    from workloads import pynn_step as prepare
    pynn.set_num_threads(threads.THREADS)
else:
    from peers import PEERS
    prepare = PEERS[{library!r}]
workload = WORKLOADS[{name!r}]
step = prepare(workload, *batch(workload))
for _ in range(20):
    step()
"""


def installed(module: str) -> bool:
    return importlib.util.find_spec(re.split("[._]", module)[0]) is not None


def child(code: str) -> dict[str, Any]:
    # Run here, in bench/: one level up Python would import the source folder instead of the installed package.
    program, folder = PROLOGUE + code + EPILOGUE, Path(__file__).resolve().parent
    result = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True, cwd=folder)
    return dict(json.loads(result.stdout.splitlines()[-1]))


def median(code: str, runs: int) -> tuple[float, float]:
    child(code)  # warms the file cache and writes bytecode
    results = [child(code) for _ in range(runs)]
    return tuple(statistics.median(run[key] for run in results) for key in ("seconds", "megabytes"))


def main() -> None:
    if not installed("pynn"):
        sys.exit('pynn is not installed; pip install ".[test]"')
    print(f"{'import':<24} {'ms':>8} {'MB':>8}")
    nothing, imports = median("pass", 5), {}
    for module in filter(installed, MODULES):
        seconds, megabytes = imports[module] = median(f"import {module}", 7)
        print(f"{module:<24} {seconds * 1e3:8.0f} {megabytes - nothing[1]:8.1f}")
    more = [ours - numpys for ours, numpys in zip(imports["pynn"], imports["numpy"], strict=True)]
    print(f"{'pynn beyond numpy':<24} {more[0] * 1e3:8.0f} {more[1]:8.1f}")

    for name, libraries in TRAINED.items():
        print(f"\n{f'{name}, 20 steps, {threads.THREADS} threads':<33} {'peak MB':>8}")
        for library in filter(installed, libraries):
            print(f"{library:<33} {median(TRAINING.format(library=library, name=name), 3)[1]:8.0f}")

    for wheel in map(Path, sys.argv[1:]):
        print(f"\n{wheel.name:<24} {wheel.stat().st_size / 2**20:.2f} MB")


if __name__ == "__main__":
    main()
