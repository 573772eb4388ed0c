"""What all campaigns have in common: options that are judged before they begin, and folders that go with them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("PIL")
if sys.platform != "linux":
    pytest.skip("the campaigns fork, and /proc tells their folders", allow_module_level=True)

from fuzz import folders

from pynn import kernels

CAMPAIGNS = str(Path(__file__).parents[1] / "fuzz")


def campaign(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, CAMPAIGNS, *words], capture_output=True, text=True, check=False, timeout=300)


IMPOSSIBLE = {
    "kernels --calls 0": "argument --calls: it is 0, expected a positive integer",
    "kernels --calls -1": "argument --calls: it is -1, expected a positive integer",
    "kernels --calls many": "argument --calls: it is 'many', expected a positive integer",
    "kernels --jobs 0": "argument --jobs: it is 0, expected a positive integer",
    "kernels --call -1": "argument --call: it is -1, expected an integer of at least 0",
    "kernels --memory 1": "argument --memory: it is 1, expected at least 1,000, ",
    "kernels --seconds nan": "argument --seconds: it is 'nan', expected a positive number of seconds",
    "kernels --only affine": "argument --only: there is no kernel 'affine', expected some of activation_backward,",
    "readers --files -5": "argument --files: it is -5, expected a positive integer",
    "readers --workers 0": "argument --workers: it is 0, expected a positive integer",
    "readers --seed -1": "argument --seed: it is -1, expected an integer of at least 0",
    "readers --only foo": "argument --only: there is no reader 'foo', expected some of model,",
    "readers --file foo": "argument --file: it is 'foo', expected NAME:NUMBER such as foo:7",
    "readers --file foo:1": "argument --file: there is no reader 'foo', expected some of model,",
    "readers --file csv:x": "argument --file: it is 'csv:x', expected NAME:NUMBER such as csv:7",
    "readers --keep /dev/null/x": "argument --keep: '/dev/null/x' cannot be made: Not a directory",
    "kills --kills -1": "argument --kills: it is -1, expected a positive integer",
    "kills --folder /nodir/x": "argument --folder: no file can be written to '/nodir/x' (No such file or",
    "soak --steps -1": "argument --steps: it is -1, expected an integer of at least 0",
    "bits --steps 0": "argument --steps: it is 0, expected a positive integer",
    "bits --only foo": "argument --only: there is no kernel or model 'foo', expected some of activation_forward,",
}
ASK = """
import contextlib, io, json, runpy, sys
program, *requests = sys.argv[1:]
answers = {}
for words in requests:
    sys.argv = [program, *words.split()]
    out, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
        try:
            code = runpy.run_path(program + "/__main__.py", run_name="__main__")
        except SystemExit as end:
            code = end.code
    answers[words] = code, out.getvalue(), said.getvalue()
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def answers() -> dict[str, tuple[int, str, str]]:
    """Exit code, stdout and stderr of each request, all made in one process: the imports take most of the time."""
    done = subprocess.run(
        [sys.executable, "-c", ASK, CAMPAIGNS, *IMPOSSIBLE], capture_output=True, text=True, check=True, timeout=300
    )
    return {words: tuple(answer) for words, answer in json.loads(done.stdout).items()}


@pytest.mark.parametrize("words", IMPOSSIBLE)
def test_impossible_requests_are_answered_in_one_sentence(words: str, answers: dict[str, tuple[int, str, str]]) -> None:
    code, out, said = answers[words]
    assert (code, out) == (2, "")
    assert "Traceback" not in said
    assert said.splitlines()[-1].startswith(f"python tests/fuzz {words.split()[0]}: error: {IMPOSSIBLE[words]}")


@pytest.mark.slow
def test_an_impossible_request_ends_the_process() -> None:
    done = campaign("bits", "--steps", "0")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith("python tests/fuzz bits: error: argument --steps: it is 0, ")


@pytest.mark.slow
def test_one_file_is_read_again() -> None:
    done = campaign("readers", "--file", "csv:3")
    assert done.returncode == 0, done.stderr  # it shows why the file is refused
    assert done.stdout.startswith("csv:3, ")


@pytest.mark.slow
def test_few_calls_say_nothing_about_kernels_that_computed_nothing() -> None:
    done = campaign("kernels", "--calls", "10", "--jobs", "1")
    assert done.returncode == 0, done.stdout
    assert " kernels computed nothing in fewer than 50 calls: too few to judge that\n" in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(kernels.native_module() is None, reason="pynn was installed without its C++ kernels")
def test_bits_of_some_kernels_and_models() -> None:
    done = campaign("bits", "--steps", "1", "--here", "--only", "affine_forward,mlp")
    assert done.returncode == 0, done.stdout
    assert "runs with 1, 2, 3, 4, 7, 16 threads: 0 findings\n" in done.stdout


# Folders

ENDLESS = {
    "readers": ("--files", "10000000", "--only", "csv,model"),
    "kernels": ("--calls", "10000000", "--jobs", "1"),
    "kills": ("--kills", "100000"),
    "soak": ("--steps", "10000000"),
}
# What Python prints of an interrupt that strikes in a weak reference's callback or a __del__, where it is lost; the
# campaign raises SIGTERM's again. Lines of several processes may come between.
IGNORED, FAULT = "Exception ignored in: ", re.compile(r"^\w*(?:Error|Exception|Warning)\b", re.MULTILINE)
START = """
import runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # which processes of the background ignore
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0])
runpy.run_path(sys.argv[0] + "/__main__.py", run_name="__main__")
"""


def begun(name: str, folder: Path) -> tuple[subprocess.Popen[str], Path]:
    """A campaign without end, when it has files in its folder; and the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", START, CAMPAIGNS, name, *ENDLESS[name]],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=folder,
        env={**os.environ, "TMPDIR": str(folder)},
    )  # fmt: skip
    prefix = f"pynn-fuzz-{name.replace('kernels', 'workers')}-"
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(FileNotFoundError):  # what it opens and closes meanwhile
            for entry in Path(f"/proc/{process.pid}/fd").iterdir():
                path = Path(os.readlink(entry))
                if path.name.startswith(prefix) and (name == "soak" or any(path.iterdir())):
                    return process, path
        time.sleep(0.01)
    process.kill()
    raise AssertionError(f"{name} made no folder: {process.communicate()[1]}")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("name", list(ENDLESS))
def test_an_interrupted_campaign_leaves_no_folder(name: str, number: signal.Signals, tmp_path: Path) -> None:
    process, folder = begun(name, tmp_path)
    for _ in range(10):
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):  # Python loses a KeyboardInterrupt of some moments
            _, said = process.communicate(timeout=8)
            break
    assert process.returncode == 128 + number
    assert said.count("Traceback") <= said.count(IGNORED), said
    assert not FAULT.search(said.replace(IGNORED, "")), said
    assert not folder.exists()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", list(ENDLESS))
def test_the_next_campaign_removes_what_a_killed_one_has_left(name: str, tmp_path: Path) -> None:
    process, folder = begun(name, tmp_path)
    prefix = folder.name.rpartition("-")[0] + "-"
    folders.remove_stale(prefix, folder.parent)
    assert folder.exists()  # it is held
    process.kill()
    process.communicate()
    until = time.monotonic() + 60
    while folder.exists() and time.monotonic() < until:  # children of the campaign end by themselves
        folders.remove_stale(prefix, folder.parent)
        time.sleep(0.05)
    assert not folder.exists()


def test_campaigns_at_once_have_folders_of_their_own(tmp_path: Path) -> None:
    stale = tmp_path / "pynn-fuzz-some-1234"
    stale.mkdir()
    other = tmp_path / "pynn-fuzz-other-1234"
    other.mkdir()
    with folders.temporary("some", tmp_path) as one, folders.temporary("some", tmp_path) as two:
        (one / "file").write_text("x")
        assert sorted(tmp_path.iterdir()) == sorted((one, two, other))
    assert list(tmp_path.iterdir()) == [other]
