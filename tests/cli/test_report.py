"""`pynn report`, `pynn doctor`, and what `pynn train` does with what it saw."""

from __future__ import annotations

import importlib
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import watched_runs

import pynn
from pynn.cli import main
from pynn.diagnostics import Verdict, run_folder
from pynn.saving.filelocks import FolderLock

pytestmark = pytest.mark.usefixtures("alone")
SMALL = ("--layers", "16", "--epochs", "2", "--no-plot")
DIAGNOSE = importlib.import_module("pynn.diagnostics.diagnosis")
WELL = ("--layers", "32", "--epochs", "12", "--no-plot")  # long enough that nothing is wrong
CALM = "nothing is wrong as far as can be seen"


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """The folder of a run that is well."""
    folder = tmp_path_factory.mktemp("runs") / "first"
    assert (
        main(["train", *WELL, "--quiet", "--run", str(folder), "--output", str(folder.parent / "m.safetensors")]) == 0
    )
    return folder


@pytest.fixture
def ill(monkeypatch):
    """Every run has a warning."""
    verdict = Verdict("overfitting", "warning", "validation", "the gap is 3", "Take more data.")
    monkeypatch.setattr(DIAGNOSE, "of_record", lambda record: pynn.diagnostics.Verdicts([verdict]))
    return str(verdict)


def test_train_keeps_the_run_and_writes_the_page(run):
    code, out, err = run("train", *WELL, "--run", "first", "--report", "first/page.html")
    assert code == 0
    assert out[-4] == CALM
    assert out[-3:-1] == ["wrote first/page.html", "wrote digits.safetensors"]
    assert out[-1].startswith("test accuracy ")
    record = run_folder.read("first")
    assert len(record.epochs) == 12
    assert record.settings["labels"] == list("0123456789")
    assert "Ended as planned: 12 epochs" in Path("first/page.html").read_text()
    assert len(err) == 12  # the lines of the epochs


def test_train_says_what_is_wrong(run, ill):
    _, out, _ = run("train", *SMALL)
    assert ill in out
    assert CALM not in out


def test_quiet_prints_no_verdicts(run, ill):
    code, out, err = run("train", *SMALL, "--quiet", "--report", "a.html")
    assert (code, len(out), err) == (0, 1, [])
    assert Path("a.html").exists()


def test_watching_changes_nothing(run, monkeypatch):
    run("train", *SMALL, "--output", "a.safetensors", "--run", "first")
    monkeypatch.setattr(pynn.Monitor, "on_train_begin", lambda self, trainer: None)
    for name in ("on_step_begin", "on_step_end", "on_epoch_end"):
        monkeypatch.setattr(pynn.Monitor, name, lambda self, trainer: None)
    run("train", *SMALL, "--output", "b.safetensors")
    assert Path("a.safetensors").read_bytes() == Path("b.safetensors").read_bytes()


@pytest.mark.parametrize("rate", [1e5, 20])
def test_a_run_that_diverges_leaves_its_page(run, rate):
    code, out, err = run(
        *("train", *SMALL, "--learning-rate", rate, "--optimizer", "sgd", "--no-batchnorm"),
        *("--activation", "leaky_relu", "--run", "bad", "--report", "bad.html"),
    )  # fmt: skip
    assert code == 1
    assert "wrote bad.html" in out
    assert re.search("diverged|the loss is nan", err[-1])
    assert not Path("digits.safetensors").exists()
    assert run_folder.read("bad").ended


def test_a_page_that_cannot_be_written_does_not_take_the_result_along(run, monkeypatch):
    def full(runs, path):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(pynn.diagnostics, "report", full)
    code, out, err = run("train", *SMALL, "--report", "a.html")
    assert code == 0
    assert out[-1].startswith("test accuracy")
    assert err[-1] == "pynn: no report: a.html: No space left on device"


def test_wrong_places_are_told_before_training(run, fails):
    Path("full").mkdir()
    Path("full/notes.txt").touch()
    Path("file").touch()
    assert fails("train", "--run", "full").startswith("full holds notes.txt, which no run of pynn wrote")
    assert fails("train", "--run", "file") == "file is a file, expected a folder for the run; choose another --run"
    assert fails("train", "--run", "") == "--run: expected the name of a folder, got ''"
    assert fails("train", "--report", "a.txt") == "--report: expected a name that ends in .html, got 'a.txt'"
    assert fails("train", "--report", "no/a.html").endswith("the folder no does not exist; choose another --report")
    Path("used").mkdir()
    lock = FolderLock(Path("used"), "used")
    assert fails("train", "--run", "used") == "used is in use by another run; choose another --run"
    lock.release()


# doctor


def test_doctor_says_that_nothing_is_wrong(run, first):
    code, out, err = run("doctor", first)
    assert (code, err) == (0, [])
    assert re.fullmatch(rf"{re.escape(str(first))}: Ended as planned: 12 epochs, \d+ steps in [\d.]+ s\.", out[0])
    assert out[1:] == [CALM]


def test_doctor_says_what_is_wrong(run, first, ill):
    code, out, _ = run("doctor", first)
    assert (code, out[1:]) == (1, [ill])


def test_what_is_worth_knowing_is_no_failure(run, first, monkeypatch):
    verdict = Verdict("overfitting", "info", "", "a little", "Nothing.")
    monkeypatch.setattr(DIAGNOSE, "of_record", lambda record: pynn.diagnostics.Verdicts([verdict]))
    assert run("doctor", first)[:2] == (0, [run("doctor", first)[1][0], str(verdict)])


# report


def test_report_writes_a_page(run, first):
    code, out, err = run("report", first)
    assert (code, out, err) == (0, ["wrote report.html"], [])
    page = Path("report.html").read_text()
    assert "<title>Training run first – pynn</title>" in page
    assert CALM.capitalize() in page


def test_report_compares_runs(run, first, tmp_path):
    watched_runs.watched(tmp_path / "second")
    assert run("report", first, "second", "--output", "both.html")[:2] == (0, ["wrote both.html"])
    page = Path("both.html").read_text()
    assert "2 training runs" in page
    assert "What differs" in page


def test_a_killed_run_is_reported(run, first):
    events = (first / "events.jsonl").read_bytes().splitlines(keepends=True)
    folder = Path("killed")
    folder.mkdir()
    for file in first.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "events.jsonl").write_bytes(b"".join(events[:-1]) + b'{"torn')
    code, out, _ = run("doctor", folder)
    assert code == 0
    assert out[0].startswith("killed: The run was killed, or its machine stopped: 12 epochs,")
    assert run("report", folder)[0] == 0


@pytest.mark.parametrize("command", ["report", "doctor"])
def test_what_is_no_run(fails, command, first):
    assert fails(command, "nothing").startswith("nothing does not exist, expected the folder of a run")
    Path("empty").mkdir()
    assert fails(command, "empty").startswith("empty is not the folder of a run: it has no run.json")
    Path("empty/run.json").write_text("{}")
    assert fails(command, "empty").startswith("empty/run.json is damaged, or not of a run of pynn")
    assert "the following arguments are required: RUN" in fails(command)


def test_wrong_options_of_report(fails, first):
    assert fails("report", first, "--output", "a.txt") == "--output: expected a name that ends in .html, got 'a.txt'"
    assert fails("report", first, "--live", "--output", "a.html") == "--live writes no file; leave out --output"
    assert "did you mean --live?" in fails("report", first, "--serve")
    assert "did you mean pynn doctor?" in fails("diagnose", first)
    assert "did you mean pynn report?" in fails("tensorboard", first)
    assert "did you mean --run?" in fails("train", "--logdir", "x")


# live


def begun_live(*runs):
    """A process that serves the page, and its address."""
    # A process that was started in the background, as these tests may be, ignores Ctrl-C unless told otherwise.
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from pynn.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-u", "-c", code, "report", *map(str, runs), "--live"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    address = re.search(r"http://127\.0\.0\.1:\d+/[-\w]+/$", process.stdout.readline().strip())
    assert address, process.stderr.read()
    return process, address[0]


@pytest.mark.slow
def test_ctrl_c_ends_the_live_report(first):
    process, address = begun_live(first)
    try:
        with urllib.request.urlopen(address, timeout=60) as answer:
            assert b"Ended as planned" in answer.read()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        assert (process.returncode, err) == (0, "pynn: the report has ended\n")
    finally:
        process.kill()
        process.communicate()


def test_a_live_report_on_what_is_no_run(fails):
    assert fails("report", "nothing", "--live").startswith("nothing does not exist, expected the folder of a run")
