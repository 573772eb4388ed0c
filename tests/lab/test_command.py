"""`pynn lab`: the list, explanations, runs, the page; and what is asked for in vain."""

from __future__ import annotations

import csv
import html.parser
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import pynn
from pynn.cli import lab, main
from pynn.lab import contents

pytestmark = pytest.mark.usefixtures("alone", "nothing_remembered")
FEW = {"networks": ("gates",), "normalization": ("batchnorm-identity",)}


@pytest.fixture
def nothing_remembered() -> None:
    """What an earlier test found of data sets, or has said once."""
    lab._load.cache_clear()
    lab._say_once.cache_clear()


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert main(["lab", *arguments]) == code
    output = capsys.readouterr()
    return output.err if code else output.out


def test_without_a_name_it_lists_all(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys)
    for name in contents.names():
        assert re.search(rf"^  {name} +\w", text, re.MULTILINE)
    assert "드롭아웃" in said(capsys, "--lang", "ko")


@pytest.mark.parametrize("spelled", ["zero-init", "zero_init", "ZeroInit", "zero init"])
def test_a_name_may_be_spelled_differently(spelled: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, spelled, "--explain").startswith("zero-init: ")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["zero-int"], "there is no experiment 'zero-int'; did you mean zero-init"),
        (["batchnorm"], "did you mean batchnorm-"),
        (["frobnicate"], "there is no experiment 'frobnicate' (pynn lab lists all)"),
        (["--all", "gates"], "--all runs every experiment; leave out the names"),
        (["--explain"], "--explain needs the name of an experiment, or --all"),
        (["gates", "--lang", "fr"], "en"),
        (["gates", "--seeds", "0"], "--seeds"),
        (["gates", "--language", "ko"], "did you mean --lang?"),
    ],
)
def test_invalid_requests_are_answered(arguments: list[str], error: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert error in said(capsys, *arguments, code=2)


def test_the_explanation_has_formula_setting_and_claims(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "dropout", "--explain")
    assert re.search(r"^    \S", text, re.MULTILINE)
    assert "Setting: " in text
    assert "margin" in text.lower()
    assert "설정: " in said(capsys, "dropout", "--explain", "--lang", "ko")


@pytest.mark.slow
def test_a_run_prints_verdicts_and_keeps_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "gates", "--quick", "-o", str(tmp_path / "results"))
    assert "[holds]" in text
    assert "3 seeds" in text
    assert (tmp_path / "results" / "gates.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.slow
def test_too_few_seeds_give_no_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "[open: fewer than 3 seeds]" in said(capsys, "gates", "--quick", "--seeds", "1", "-o", str(tmp_path))


@pytest.mark.slow
def test_what_is_kept_is_not_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = said(capsys, "gates", "--quick", "-o", str(tmp_path))
    monkeypatch.setattr("pynn.lab.runner._run", lambda *arguments: pytest.fail("it ran again"))
    assert said(capsys, "gates", "--quick", "-o", str(tmp_path)) == first
    with pytest.raises(pytest.fail.Exception, match="it ran again"):
        main(["lab", "gates", "--quick", "--again", "-o", str(tmp_path)])


def test_without_the_data_a_single_experiment_says_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYNN_DATA", str(tmp_path))
    monkeypatch.setattr(pynn.datasets, "load", _not_there)
    assert "mnist is not there" in said(capsys, "init-mnist", "--quick", code=2)


def _not_there(name: str, root: str | None) -> None:
    raise FileNotFoundError(f"{name} is not there")


class Page(html.parser.HTMLParser):
    """What the tests look at."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.pictures: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        self.ids += [values["id"] or ""] if "id" in values else []
        self.links += [values.get("href") or ""] if tag == "a" else []
        self.pictures += [values.get("alt") or ""] if tag == "img" else []
        if tag not in ("img", "meta", "link", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "ko"])
def test_all_write_a_page_and_a_table(
    language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chapters = {**FEW, "dropout": ("dropout",)}
    monkeypatch.setattr(contents, "CHAPTERS", chapters)
    monkeypatch.setattr(pynn.datasets, "load", _not_there)
    assert main(["lab", "--all", "--quick", "--lang", language, "-o", str(tmp_path)]) == 0
    assert "dropout" in capsys.readouterr().err  # not run: its data set is not there
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    page = Page(text)
    assert f'<html lang="{language}">' in text
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert {"gates", "batchnorm-identity", "claims"} <= set(page.ids)
    assert "dropout" not in page.ids
    assert len(page.pictures) == 2
    assert all(len(alt) > 40 for alt in page.pictures)
    assert not re.search(r"(src|href)=.?https?://", text)
    with (tmp_path / "claims.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["experiment"] for row in rows} == {"gates", "batchnorm-identity"}
    assert all(
        row[column] for row in rows for column in ("claim", "source", "setting", "measured", "margin", "verdict")
    )
    assert text.count('class="support"') == 2 * len(rows)


@pytest.mark.slow
def test_processes_give_the_same(tmp_path: Path) -> None:
    alone = pynn.lab.run("gates", quick=True)
    together = pynn.lab.run("gates", quick=True, jobs=2)
    assert together.results == alone.results


def test_without_a_package_an_experiment_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pynn.cli.lab.find_spec", lambda name: None)
    assert 'random-vs-grid needs optuna: pip install "pynn-cpu[search]"' in said(capsys, "random-vs-grid", code=2)
    assert 'second-order needs scipy: pip install "pynn-cpu[scipy]"' in said(capsys, "second-order", code=2)


def test_the_list_needs_no_package(tmp_path: Path) -> None:
    """Modules of experiments import the packages of extras only when they run."""
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('optuna', 'scipy', 'sklearn', 'matplotlib')));"
        "from pynn.cli import main; sys.exit(main(['lab']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "random-vs-grid" in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_ends_the_workers_at_once_and_keeps_what_is_done(tmp_path: Path) -> None:
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from pynn.cli import main\n"
        "if __name__ == '__main__': sys.exit(main(['lab', 'gates', 'init-histograms', '--jobs', '2', '-o', 'kept']))\n"
    )
    (tmp_path / "script.py").write_text(code, encoding="utf-8")
    process = subprocess.Popen([sys.executable, "script.py"], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    kept = tmp_path / "kept" / "gates.json"
    deadline = time.monotonic() + 120
    while not kept.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert error.strip().endswith("pynn: interrupted")
    assert "Traceback" not in error
    assert json.loads(kept.read_text(encoding="utf-8"))["runs"]
