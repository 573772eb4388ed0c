"""Names that come from files are escaped and cut on their way to a terminal; Python returns them as they were read."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn
from pynn import checks, datasets
from pynn.data import tables
from pynn.messages import terminal

CLEAR, TURNED, HALF = "\x1b[2J\x1b]0;title\x07", "\u202egnp.exe", "\ud800"
HOSTILE = [CLEAR, TURNED, HALF, "two\nlines", "\r\x08\x00", "\x9b31m", "\u2028", "x" * 1_000_000]


def harmless(text: str, most: int = 5000) -> bool:
    """Whether a terminal shows just this: no character but line breaks does something."""
    return all(line.isprintable() for line in text.split("\n")) and len(text) < most


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("ä→\\n 'x'", "ä→\\n 'x'"),
        (CLEAR, r"\x1b[2J\x1b]0;title\x07"),
        (TURNED, r"\u202egnp.exe"),
        (HALF, r"\ud800"),
        ("a\nb\tc", r"a\nb\tc"),
        ("\U000e0041", r"\U000e0041"),
        ("soft\u00adhyphen \u2066a \ufeffb", r"soft\xadhyphen \u2066a \ufeffb"),
        ("a\u2028b\u2029c", r"a\u2028b\u2029c"),
        ("\ue000 \u0378", r"\ue000 \u0378"),
        ("Screenshot at 9.41.00\u202fAM.png", "Screenshot at 9.41.00\u202fAM.png"),  # a path to paste
        ("un\u00a0été, \u65e5\u3000\u672c", "un\u00a0été, \u65e5\u3000\u672c"),
        ("\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f468\u200d\U0001f469\u200d\U0001f467"),
        ("\u0915\u094d\u200d\u0937 \u200c\x1b", "\u0915\u094d\u200d\u0937 \u200c\\x1b"),
        ("", ""),
        (7, "7"),
    ],
)
def test_control_characters_are_escaped(text: Any, shown: str) -> None:
    assert terminal.printable(text) == shown


def test_long_texts_lose_their_middle() -> None:
    shown = terminal.printable("a" * 500 + "b" * 10**6 + "c" * 500)
    assert shown == "a" * 500 + " ... " + "c" * 500
    assert terminal.printable("abcdef", 4) == "ab ... ef"
    assert terminal.printable("abcd", 4) == "abcd"
    assert len(terminal.printable("\0" * 10**6)) == len(terminal.printable("a" * 10**6)) == 1005


def test_messages_keep_their_lines() -> None:
    assert terminal.printable("a\n\tb\r\x1b", lines=True) == "a\n\tb\\r\\x1b"


def test_a_line_on_stderr_obeys_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.say(f"one {CLEAR}\ntwo {TURNED}")
    assert capsys.readouterr().err == "one \\x1b[2J\\x1b]0;title\\x07\ntwo \\u202egnp.exe\n"


def test_a_warning_obeys_nothing() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        checks.warn(f"column {CLEAR}")
    assert str(caught[0].message) == "column \\x1b[2J\\x1b]0;title\\x07"


# Layers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_names_of_layers(backend: str, name: str) -> None:
    layer = pynn.Affine(3).named(name)
    model = pynn.Sequential(layer, pynn.ReLU(), pynn.Affine(2))
    model.build((4,))
    for text in (repr(model), str(model.summary() or ""), terminal.called(layer)):
        assert harmless(text)
    with pytest.raises(ValueError, match="cannot be frozen") as caught:
        layer.freeze("nothing")
    assert harmless(str(caught.value))
    with pytest.raises(ValueError, match="learning_rate_factor is -1") as caught:
        layer.learning_rate_factor = -1
    assert harmless(str(caught.value))
    assert layer.name == name
    assert f"{name}.weight" in model.tensors()


@pytest.mark.parametrize("name", [CLEAR, TURNED, "two\nlines", "x" * 100_000], ids=ascii)
def test_hostile_names_come_back_from_a_file_as_they_were(tmp_path: Path, name: str) -> None:
    model = pynn.Sequential(pynn.Affine(3).named(name))
    model.build((4,))
    model.save(tmp_path / "model.safetensors")
    read = pynn.load(tmp_path / "model.safetensors")
    assert read.layers[0].name == name
    assert harmless(repr(read))


# Files --------------------------------------------------------------------------------------------


def weights(path: Path, *names: str) -> None:
    header = {name: {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for name in names}
    text = json.dumps(header, ensure_ascii=False).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text)


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("name", [name for name in HOSTILE if name != HALF], ids=ascii)
def test_names_of_tensors(tmp_path: Path, name: str, strict: bool) -> None:
    weights(tmp_path / "w.safetensors", f"{name}.weight", f"{name}1")
    model = pynn.Sequential(pynn.Affine(3))
    model.build((4,))
    with pytest.raises(ValueError, match=r"w\.safetensors: nothing was loaded") as caught:
        pynn.transfer.load_weights(model, tmp_path / "w.safetensors", strict=strict)
    assert harmless(str(caught.value))


def test_loaded_names_are_printed_harmlessly() -> None:
    model = pynn.Sequential(pynn.Affine(3))
    model.build((4,))
    state = {name: np.zeros(array.shape) for name, array in pynn.transfer.to_torch(model).items()}
    loaded = pynn.transfer.load_weights(model, {**state, CLEAR: np.ones(1)}, strict=False)
    assert loaded.unexpected == (CLEAR,)
    assert str(loaded).endswith("\n\\x1b[2J\\x1b]0;title\\x07 was not used")


@pytest.mark.parametrize("name", [CLEAR, TURNED, "x" * 100_000], ids=ascii)
def test_columns_and_classes_of_tables(tmp_path: Path, name: str) -> None:
    path = tmp_path / "table.csv"

    def refused(target: str, **options: Any) -> str:
        with pytest.raises(ValueError, match=r"table\.csv") as caught:
            datasets.csv(path, target, **options)
        assert harmless(str(caught.value))
        return str(caught.value)

    path.write_text(f"{name},y\n1,{name}\nz,2\n", encoding="utf-8")
    assert "its header has" in refused("t")
    assert "line 3, column" in refused("y")
    path.write_text(f"a,y\n1,{name}\n", encoding="utf-8")
    assert "is not among the 1 classes" in refused("y", classes=["b"])
    assert "expected a finite number" in refused("y", labels=False)
    assert datasets.csv(path, "y").classes == (name,)


@pytest.mark.skipif(sys.platform == "win32", reason="no such names there")
def test_names_of_files(tmp_path: Path) -> None:
    pytest.importorskip("PIL.Image")
    name = "\x1b[2J\n" + TURNED + os.fsdecode(b"\xff")
    (tmp_path / name).mkdir()
    (tmp_path / name / name).write_bytes(b"no picture")
    for call in (
        lambda: datasets.image_folder(tmp_path),
        lambda: datasets.image_folder(tmp_path, classes=["a"]),
        lambda: datasets.csv(tmp_path / name / name, "y"),
        lambda: datasets.read_idx(tmp_path / name / name),
        lambda: pynn.transfer.load_weights(built(), tmp_path / name / name),
    ):
        with pytest.raises(ValueError, match=r"\\x1b\[2J\\n\\u202egnp.exe\\udcff") as caught:
            call()
        assert str(caught.value).isprintable()


def built() -> pynn.Sequential:
    model = pynn.Sequential(pynn.Affine(3))
    model.build((4,))
    return model


def test_reports_of_classes() -> None:
    report = pynn.metrics.classification_report([0, 1], [0, 1], [CLEAR, "x" * 10_000])
    assert harmless(str(report), 1000)
    assert report.classes[0] == CLEAR


# The command --------------------------------------------------------------------------------------


def command(*arguments: str, folder: Path, **environment: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "pynn", *arguments],
        capture_output=True, cwd=folder, env={**os.environ, **environment}, timeout=120, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model whose classes have hostile names, and with pictures."""
    image = pytest.importorskip("PIL.Image")
    path = tmp_path_factory.mktemp("hostile")
    model = pynn.Sequential(pynn.Flatten(), pynn.Affine(len(HOSTILE)))
    model.build((8, 8, 1))
    model.notes["classes"] = HOSTILE
    model.save(path / "model.safetensors")
    image.new("L", (8, 8)).save(path / "good.png")
    return path


TERMINALS = [
    {"PYTHONUTF8": "1"},
    {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"PYTHONIOENCODING": "ascii:strict"},
]


@pytest.mark.slow
@pytest.mark.parametrize("environment", TERMINALS, ids=["UTF-8", "C", "ASCII"])
def test_predict_prints_harmless_names(folder: Path, environment: dict[str, str]) -> None:
    code, out, err = command("predict", "model.safetensors", "good.png", folder=folder, **environment)
    assert (code, err) == (0, "")
    assert out.startswith(r"good.png: \x1b[2J\x1b]0;title\x07  (\x1b[2J\x1b]0;title\x07 0.1250, \u202egnp.exe 0.1250, ")
    assert out.endswith(r"\ud800 0.1250)" + "\n")
    assert out.count("\n") == 1


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no such names there")
def test_predict_prints_harmless_paths(folder: Path) -> None:
    names = ["\x1b[2J.png", "two\nlines.png", TURNED, os.fsdecode(b"\xff.png")]
    for name in names[:2]:
        (folder / name).write_bytes((folder / "good.png").read_bytes())
    code, out, err = command("predict", "model.safetensors", *names, folder=folder)
    assert code == 2
    assert [line.split(":")[0] for line in out.splitlines()] == [r"\x1b[2J.png", r"two\nlines.png"]
    assert err.splitlines() == [
        r"pynn: error: \u202egnp.exe does not exist, expected a picture",
        r"pynn: error: \udcff.png does not exist, expected a picture",
    ]


@pytest.mark.slow
def test_pictures_that_are_made_to_harm_get_a_line_each(folder: Path) -> None:
    huge = b"II*\0\x08\0\0\0\x04\0" + b"".join(
        struct.pack("<HHII", tag, 4, 1, value) for tag, value in ((256, 9400), (257, 9400), (259, 1), (273, 8))
    )
    contents = {
        "huge.tiff": huge + bytes(4),
        "empty.png": b"",
        "text.png": b"\x1b[2J",
        "cut.gif": b"GIF89a" + b"\xff" * 7,
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    code, out, err = command("predict", "model.safetensors", "good.png", *contents, folder=folder)
    assert (code, out.count("\n")) == (2, 1)
    lines = err.splitlines()
    assert [line.split(":")[2].strip() for line in lines] == list(contents)
    assert all(line.startswith("pynn: error: ") and line.isprintable() for line in lines)
    assert "has more than 16 million pixels" in lines[0]


@pytest.mark.slow
@pytest.mark.parametrize("content", [b"\x1b[2J", b"\xff" * 100, struct.pack("<Q", 2) + b"{}"], ids=ascii)
def test_files_that_are_no_models_get_one_line(folder: Path, content: bytes) -> None:
    (folder / "bad.safetensors").write_bytes(content)
    for arguments in (("predict", "bad.safetensors", "good.png"), ("evaluate", "bad.safetensors", "digits")):
        code, out, err = command(*arguments, folder=folder)
        assert (code, out) == (2, "")
        assert err.count("\n") == 1
        assert err.startswith("pynn: error: bad.safetensors")


def test_the_table_of_evaluate_obeys_nothing() -> None:
    from pynn.cli.confusion import table

    names = [CLEAR, TURNED, "x" * 1_000_000]
    for width in (None, 80, 30):
        assert harmless(table(np.eye(3, dtype=int), names, width), 2000)


@pytest.mark.slow
def test_a_model_of_huge_pictures_is_no_reason_to_make_one(folder: Path) -> None:
    model = pynn.Sequential(pynn.GlobalAvgPool2d(), pynn.Affine(2))
    model.build((100_000, 100_000, 3))
    model.save(folder / "huge.safetensors")
    code, out, err = command("predict", "huge.safetensors", "good.png", folder=folder)
    assert (code, out) == (2, "")
    assert err.startswith("pynn: error: the model reads pictures of 100000x100000 pixels, expected at most 16,000,000")


def test_pictures_of_mistakes_are_drawn(tmp_path: Path, digits: datasets.Dataset) -> None:
    pytest.importorskip("matplotlib")
    from pynn import plot

    x, y = digits.test[0][:8], digits.test[1][:8]
    plot.save(plot.misread(x, y, (y + 1) % 10, [HALF, "$\\frac{", CLEAR, *"3456789"]), tmp_path / "wrong.png")
    assert (tmp_path / "wrong.png").stat().st_size > 1000


# Tables in memory ---------------------------------------------------------------------------------


class Frame:
    """As much of a data frame as pynn asks for."""

    def __init__(self, columns: list[str], rows: int = 1) -> None:
        self.columns, self.dtypes, self.rows = columns, None, rows

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, name: Any) -> Any:
        return Frame(name, self.rows) if isinstance(name, list) else np.zeros(self.rows)


def test_forty_thousand_columns_are_compared_at_once() -> None:
    names = [f"gene{place}" for place in range(40_000)]
    began = time.process_time()
    assert tables.ordered(Frame(names[::-1]), names, "x").columns == names
    with pytest.raises(ValueError, match=r"no column 'gene39999': .* columns 'gene0', .*'gene19' and 39980 more$"):
        tables.ordered(Frame(names[:-1]), names, "x")
    with pytest.raises(ValueError, match="x has two columns named 'gene39999'"):
        tables.plain(Frame([*names, names[-1]]), "x")
    assert time.process_time() - began < 2


def test_long_names_of_columns_are_cut() -> None:
    with pytest.raises(ValueError, match="x has no column") as caught:
        tables.ordered(Frame(["a"]), ["x" * 1_000_000, CLEAR], "x")
    assert harmless(str(caught.value), 500)
