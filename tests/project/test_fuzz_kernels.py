"""A short campaign of mutated calls of all kernels, and that the campaign finds what it is for."""

from __future__ import annotations

import mmap
import os
import signal
import subprocess
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzz import kernel_judge, workers
from fuzz.kernel_calls import Call, make_call
from fuzz.kernel_judge import judge, written
from fuzz.kernels import ENOUGH, Report
from operations import OPERATIONS

from pynn import kernels
from pynn.kernels import reference

CAMPAIGN = Path(__file__).parents[1] / "fuzz"


@pytest.mark.slow
def test_mutated_calls_are_refused_or_computed_alike(tmp_path: Path) -> None:
    """1,000 calls; `python tests/fuzz kernels` makes 100,000."""
    command = [sys.executable, str(CAMPAIGN), "kernels", "--calls", "1000", "--jobs", "1", "--seed", "14"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    lines = [line.split() for line in done.stdout.splitlines()]
    counts = {line[0]: (int(line[1]), int(line[2])) for line in lines if line and line[0] in kernels.NAMES}
    assert counts.keys() == set(kernels.NAMES)
    assert all(min(both) > 0 for both in counts.values()), counts
    assert sum(map(sum, counts.values())) == 1000


def test_a_call_is_the_same_whenever_it_is_made() -> None:
    for number in range(300):
        one, other, exact = (make_call(5, number, kernels.NAMES, guarded) for guarded in (True, True, False))
        assert str(one) == str(other) == str(exact)
        assert list(one.passed) == list(other.passed) == list(exact.passed)
        for value, again in zip(one.passed.values(), other.passed.values(), strict=True):
            assert type(value) is type(again)
            if isinstance(value, np.ndarray) and value.nbytes < 10**6 and not value.dtype.hasobject:
                assert (value.shape, value.dtype, value.strides) == (again.shape, again.dtype, again.strides)
                assert value.tobytes() == again.tobytes()


def test_the_arguments_that_are_written_into_are_known() -> None:
    for op in OPERATIONS:
        answer = op.answer(op.make(op.usual_sizes, np.random.default_rng(0)))
        assert answer.keys() - {"return"} <= written(op.kernel), op.name
    assert written("affine_forward") == {"out"}
    assert written("hierarchical_softmax") == {"slopes", "dx"}
    assert written("norm") == set()


# What is wrong is found


def plain_call(guarded: bool) -> Call:
    return make_call(0, kernels.NAMES.index("affine_forward"), kernels.NAMES, guarded)


def findings(broken: Callable[..., Any], make: Callable[[bool], Call] = plain_call) -> str:
    """What is said about a backend whose affine_forward is `broken`."""
    table = types.SimpleNamespace(affine_forward=broken)
    found, _ = judge(make, table, reference, lambda count: None)
    return "\n".join(found)


def first_byte_after(array: np.ndarray) -> np.ndarray:
    return np.lib.stride_tricks.as_strided(array.reshape(-1).view(np.uint8), (array.nbytes + 1,), (1,))


def wrong_afterwards(change: Callable[[dict[str, Any]], object]) -> Callable[..., Any]:
    names = list(reference.affine_forward.__wrapped__.__code__.co_varnames)

    def kernel(*args: Any, **kwargs: Any) -> Any:
        reference.affine_forward(*args, **kwargs)
        return change(dict(zip(names, args, strict=False)) | kwargs)

    return kernel


def write(array: np.ndarray, place: int, value: float) -> None:
    array[place] = value


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda a: None, ""),
        (lambda a: write(first_byte_after(a["out"]), -1, 7), "wrote outside out: accepted"),
        (lambda a: write(a["x"].reshape(-1), 0, 9), "changed x, its input in an accepted call"),
        (lambda a: write(a["out"].reshape(-1), 0, 9), "out[0, 0] is np.float64(9.0), in numpy"),
        (lambda a: write(a["out"].reshape(-1), 0, np.nan), "out[0, 0] is np.float64(nan), in numpy"),
        (lambda a: 1 / 0, "native raised ZeroDivisionError"),
        (lambda a: (_ for _ in ()).throw(ValueError("no")), "changed out, a refused call: ValueError: no"),
        (lambda a: [time.thread_time() for _ in iter(lambda: time.thread_time() < until[0], False)], " took 0."),
    ],
)
def test_the_judge_finds(change: Any, sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_judge, "MOST_SECONDS", 0.2)
    until[0] = time.thread_time() + 0.3
    found = findings(wrong_afterwards(change))
    assert (sentence in found) if sentence else not found, found


until = [0.0]


def test_the_judge_finds_what_depends_on_the_memory() -> None:
    """A kernel that gives other bits from the second call on, as one would whose result depends on the threads."""
    calls = []

    def kernel(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        return wrong_afterwards(lambda a: write(a["out"].reshape(-1), 0, len(calls)))(*args, **kwargs)

    assert "other bits in exact memory, on 2 threads" in findings(kernel)


def test_the_judge_finds_another_sentence_and_another_decision() -> None:
    def refuses(*args: Any, **kwargs: Any) -> Any:
        raise ValueError("affine_forward: x is wrong")

    assert "native says 'ValueError: affine_forward: x is wrong', numpy 'accepted'" in findings(refuses)


def test_rounding_is_not_a_finding() -> None:
    def once_more(a: dict[str, Any]) -> None:
        a["out"] *= 1 + 2 * np.finfo(a["out"].dtype).eps

    assert not findings(wrong_afterwards(once_more))


TOUCH = """
import ctypes, sys
sys.path.insert(0, {tests!r})
from fuzz.walls import walled
memory = walled(100)
memory[0], memory[-1] = 1, 2
print("inside", flush=True)
ctypes.memset(memory.ctypes.data + {place}, 0, 1)
print("outside")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="walls are POSIX's")
@pytest.mark.parametrize("place", [-1, 4096])
def test_a_byte_beyond_a_wall_ends_the_process(place: int) -> None:
    script = TOUCH.format(tests=str(CAMPAIGN.parent), place=place if place < 0 else mmap.PAGESIZE)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGSEGV, "inside\n")


def test_arrays_end_or_begin_at_a_wall() -> None:
    kinds = {"ends": 0, "begins": 0}
    for number in range(len(kernels.NAMES), 3 * len(kernels.NAMES)):
        for memory in make_call(0, number, kernels.NAMES, guarded=False).memory:
            kinds["ends"] += memory.end == len(memory.whole)
            kinds["begins"] += memory.begin == 0
    assert min(kinds.values()) > 10, kinds


WORKER = """
import os, sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from fuzz.workers import Diary
diary, (first, stop, step) = Diary(Path(sys.argv[2])), map(int, sys.argv[4:7])
for number in range(first, stop, step):
    diary.begin(number)
    if number == 5:
        os.abort()
    if number == 8:
        time.sleep(60)
    diary.note([number, "done"])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no signals: a process that aborts ends with code 3")
def test_a_trial_that_crashes_or_hangs_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    script = tmp_path / "worker.py"
    script.write_text(WORKER.format(tests=str(CAMPAIGN.parent)))
    seen: dict[int, Any] = {}
    workers.run([sys.executable, str(script)], range(12), 2, 3, lambda number, value: seen.update({number: value}))
    assert sorted(seen) == list(range(12))
    assert seen.pop(5)["died"] == "died of SIGABRT"
    assert seen.pop(8)["died"] == "took over 3 s"
    assert set(seen.values()) == {"done"}


def test_a_worker_that_does_not_begin_is_an_error(tmp_path: Path) -> None:
    script = tmp_path / "worker.py"
    script.write_text("raise SystemExit('no such module')")
    with pytest.raises(RuntimeError, match=r"did not begin \(exit code 1\):\nno such module"):
        workers.run([sys.executable, str(script)], range(3), 1, 5, lambda number, value: None)


def test_a_kernel_that_never_computes_fails_the_campaign(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(0, ("norm", "clip"))
    report.note(0, {"norm accepted": 3, "norm ValueError": 2, "clip TypeError": ENOUGH - 1})
    assert report.summary() == 0
    assert "1 kernels computed nothing in fewer than 50 calls: too few to judge that" in capsys.readouterr().out
    report.note(0, {"clip ValueError": 1})
    assert report.summary() == 1
    assert "clip never computed" in capsys.readouterr().out
    report.note(1, {"clip accepted": 1})
    assert report.summary() == 0
    report.note(1, {"died": "died of SIGSEGV", "tail": "==1==ERROR: AddressSanitizer: heap-buffer-overflow"})
    assert report.summary() == 1
    assert "AddressSanitizer: heap-buffer-overflow" in capsys.readouterr().out
