"""Threads: how many, which bits, in whose company; and the floating-point state that kernels leave behind."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from operations import OPERATIONS, Operation, arguments, call
from thread_cases import CASES

from pynn import kernels

native: Any = kernels.native_module()
pytestmark = pytest.mark.skipif(native is None, reason="pynn was installed without its C++ kernels")


@pytest.mark.parametrize(("op", "sizes"), CASES)
def test_native_kernel_gives_the_same_bits_at_any_thread_count(op: Operation, sizes: tuple[int, ...]) -> None:
    threads = kernels.get_num_threads()
    results = []
    try:
        for count in (1, 2, 4, 7):
            kernels.set_num_threads(count)
            args = arguments(op, sizes, np.float32)
            returned = call(native, op, args)
            results.append((returned, [v.tobytes() for v in args.values() if isinstance(v, np.ndarray)]))
    finally:
        kernels.set_num_threads(threads)
    assert all(result == results[0] for result in results)


def test_the_thread_limit_holds_in_every_python_thread() -> None:
    before = kernels.get_num_threads()
    try:
        kernels.set_num_threads(1)
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(kernels.get_num_threads).result() == 1
        kernels.set_num_threads(5)
        assert kernels.get_num_threads() == 5
    finally:
        kernels.set_num_threads(before)


def test_kernels_may_be_called_from_many_python_threads_at_once() -> None:
    op = next(op for op in OPERATIONS if op.kernel == "affine_forward")
    expected = arguments(op, (257, 300, 520), np.float32)
    call(native, op, expected)

    def run(_: int) -> bool:
        args = arguments(op, (257, 300, 520), np.float32)
        call(native, op, args)
        return np.array_equal(args["out"], expected["out"])

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(run, range(60)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_works_on_one_thread(tmp_path: Path) -> None:
    code = """
import os, numpy as np, pynn
x, w, out = np.ones((512, 512), "f"), np.ones((512, 512), "f"), np.empty((512, 512), "f")
run = lambda: pynn.kernels.affine_forward(x, w, None, "identity", 0.0, out)
pynn.set_num_threads(2)
run()
child = os.fork()
if child == 0:
    out[:] = 0
    run()
    os._exit(0 if (out == 512).all() and pynn.get_num_threads() == 1 else 1)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, timeout=60, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def in_a_process(code: str, folder: Path, **environment: str) -> str:
    """What a fresh Python process prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, timeout=120, capture_output=True, text=True, check=False,
        env={**os.environ, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


THREADS = "import pynn; print(pynn.get_num_threads())"


@pytest.mark.slow
def test_omp_num_threads_is_respected(tmp_path: Path) -> None:
    assert in_a_process(THREADS, tmp_path, OMP_NUM_THREADS="1") == "1"
    assert in_a_process(THREADS, tmp_path, OMP_NUM_THREADS="3") == "3"


@pytest.mark.slow
def test_set_num_threads_holds_in_every_thread_and_openmp_may_only_lower_it(tmp_path: Path) -> None:
    code = """
import pynn, threadpoolctl
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(1) as pool:
    pynn.set_num_threads(4)
    seen = [pynn.get_num_threads(), pool.submit(pynn.get_num_threads).result()]
    pool.submit(pynn.set_num_threads, 3).result()
    seen.append(pynn.get_num_threads())
    for most in (1, 2, 6):
        with threadpoolctl.threadpool_limits(most):
            seen.append(pynn.get_num_threads())
with threadpoolctl.threadpool_limits(2):
    pynn.set_num_threads(5)
    seen.append(pynn.get_num_threads())
pynn.set_num_threads(10**12)
print(*seen, pynn.get_num_threads())
"""
    if not sys.platform.startswith("linux"):
        pytest.skip("threadpoolctl finds libgomp on Linux")
    assert in_a_process(code, tmp_path, OMP_NUM_THREADS="7") == "4 4 3 1 2 3 5 256"


@pytest.mark.slow
@pytest.mark.parametrize("value", ["", "garbage", "0"])
def test_a_meaningless_omp_num_threads_is_no_setting(value: str, tmp_path: Path) -> None:
    environment = {name: "" for name in os.environ if name.startswith(("OMP_", "GOMP_"))}
    plain = in_a_process(THREADS, tmp_path, **environment)
    assert in_a_process(THREADS, tmp_path, **(environment | {"OMP_NUM_THREADS": value})) == plain


def test_set_num_threads_goes_beyond_omp_num_threads(tmp_path: Path) -> None:
    code = "import pynn; pynn.set_num_threads(3); print(pynn.get_num_threads())"
    assert in_a_process(code, tmp_path, OMP_NUM_THREADS="1") == "3"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="threadpoolctl finds libgomp on Linux")
def test_threadpoolctl_limits_the_kernels(tmp_path: Path) -> None:
    code = """
import pynn, threadpoolctl
pynn.set_num_threads(2)
with threadpoolctl.threadpool_limits(1):
    inside = pynn.get_num_threads()
print(inside, pynn.get_num_threads())
"""
    assert in_a_process(code, tmp_path) == "1 2"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no processor affinity on this system")
def test_a_process_that_may_use_one_processor_uses_one_thread(tmp_path: Path) -> None:
    code = f"import os; os.sched_setaffinity(0, {{min(os.sched_getaffinity(0))}}); {THREADS}"
    environment = {name: "" for name in os.environ if name.startswith(("OMP_", "GOMP_"))}
    assert in_a_process(code, tmp_path, **environment) == "1"


def group(root: Path, lines: str, **files: str) -> str:
    """A made-up proc/ and sys/: /proc/self/cgroup, and files of control groups by path ("a__cpu.max" is a/cpu.max)."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(lines)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name.replace("__", "/").replace("cpu_", "cpu.")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(root)


@pytest.mark.parametrize(
    ("lines", "files", "quota"),
    [
        ("0::/\n", {"cpu_max": "150000 100000\n"}, 1.5),
        ("0::/\n", {"cpu_max": "max 100000\n"}, 0),
        ("0::/job/task\n", {"job__task__cpu_max": "400000 100000\n"}, 4),
        ("0::/job/task\n", {"job__cpu_max": "50000 100000\n", "job__task__cpu_max": "max 100000\n"}, 0.5),
        ("0::/job\n", {"job__cpu_max": "max 100000\n", "cpu_max": "200000 100000\n"}, 2),  # the group above
        ("0::/host/path\n", {"cpu_max": "300000 100000\n"}, 3),  # within a container: the path is the host's
        (
            "4:cpu,cpuacct:/job\n",
            {"cpu__job__cpu_cfs_quota_us": "250000", "cpu__job__cpu_cfs_period_us": "100000"},
            2.5,
        ),
        ("4:cpu:/\n", {"cpu__cpu_cfs_quota_us": "-1", "cpu__cpu_cfs_period_us": "100000"}, 0),
        ("4:memory:/job\n", {"cpu_max": "100000 100000\n"}, 0),  # not the group that limits processors
        ("0::/\n", {"cpu_max": "garbage\n"}, 0),
        ("0::/\n", {"cpu_max": "100000 0\n"}, 0),
        ("no colons\n\n", {}, 0),
    ],
)
def test_the_quota_of_a_container_is_read(lines: str, files: dict[str, str], quota: float, tmp_path: Path) -> None:
    assert native.cpu_quota(group(tmp_path, lines, **files)) == quota


def test_a_system_without_control_groups_has_no_quota(tmp_path: Path) -> None:
    assert native.cpu_quota(str(tmp_path)) == 0


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64", "aarch64", "arm64"), reason="no such switch here")
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_subnormal_numbers_count_as_zero_inside_kernels_alone(threads: int, dtype: Any) -> None:
    tiny = np.finfo(dtype).tiny
    before = kernels.get_num_threads()
    x = np.full(300_000, tiny / 4, dtype)
    out = np.empty_like(x)
    try:
        kernels.set_num_threads(threads)
        native.activation_forward(x, "leaky_relu", 0.5, out)  # x > 0 fails for zeros: out = 0.5 · 0
        np.testing.assert_array_equal(out, 0)
        with pytest.raises(ValueError, match="expected"):
            native.activation_forward(x, "softmin", 0.0, out)
    finally:
        kernels.set_num_threads(before)
    half = x * dtype(0.5)
    assert (half > 0).all(), "the caller's own arithmetic must keep subnormal numbers"


@pytest.mark.slow
def test_many_threads_on_few_processors_are_no_trouble(tmp_path: Path) -> None:
    """Python's threads, pynn's and NumPy's at once, with far more of each than there are processors."""
    code = """
import numpy as np, pynn
from concurrent.futures import ThreadPoolExecutor
pynn.set_num_threads(32)
x, w = np.ones((256, 256), "f"), np.ones((256, 256), "f")
def work(i):
    out = np.empty((256, 256), "f")
    for _ in range(20):
        pynn.kernels.affine_forward(x, w, None, "identity", 0.0, out)
        assert (out == 256).all() and (x @ w == 256).all()
    return i
with ThreadPoolExecutor(8) as pool:
    print(sum(pool.map(work, range(16))))
"""
    assert in_a_process(code, tmp_path) == "120"


def test_a_piece_that_gets_no_memory_is_an_error_and_the_next_call_works(tmp_path: Path) -> None:
    """Of a convolution that would need more than any address space has: whichever thread finds that out."""
    code = """
import numpy as np, pynn
pynn.set_num_threads(2)
x, weight, out = np.ones((16, 8, 8, 8), "f"), np.ones((3, 3, 8, 16), "f"), np.empty((16, 8, 8, 16), "f")
for _ in range(30):
    for far in 1 << 22, 1:
        try:
            pynn.kernels.conv2d_forward(x, weight, None, 1, 1, far, far, far, far, "identity", 0.0, out)
        except MemoryError:
            assert far > 1
        else:
            assert far == 1 and (out[:, 1:-1, 1:-1] == 72).all()
"""
    assert in_a_process(code, tmp_path) == ""
