"""README.md: its code runs, its commands parse, its names exist, its numbers are those that were measured."""

from __future__ import annotations

import codeop
import contextlib
import json
import os
import pkgutil
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import pynn
from pynn.cli import parser

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROSE = re.sub(r"^```.*?^```$", "", README, flags=re.MULTILINE | re.DOTALL)
INLINE = re.findall(r"`([^`\n]+)`", PROSE)
# A dotted name of a submodule, or a class: a capital, and at its end an argument list or nothing.
PUBLIC_NAME = r"(models|transfer|datasets|plot)\.\w+|[A-Z]\w*[a-z]\w*(?=$|\()"
# What the code leaves behind, told to the test. `assert` would say nothing under PYTHONOPTIMIZE.
REPORT = """
import json, os
same = pynn.Sequential(pynn.Flatten(), pynn.Affine(128), pynn.BatchNorm(), pynn.ReLU(), pynn.Affine(10))
same.fit(x, y, penalty=penalty, optimizer=pynn.Momentum(pynn.CosineDecay(0.05, epochs=5)), epochs=5, batch_size=64)
print("REPORT", json.dumps({
    "tables": shapes, "accuracy": digits_accuracy, "kinds": kinds, "r2": r2, "prices": list(prices.shape),
    "head": model_with_head.layers[-1].units,
    "files": sorted(os.listdir()), "own_loop": model.evaluate(*digits.test)["accuracy"], "debug": __debug__,
    "as_fit": bool((same.parameters == model.parameters).all()),
    "backend": pynn.kernels.backend(),
}))
"""


def blocks(language: str) -> list[str]:
    """The README's code blocks in this language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    """Every command of the README's shell blocks and of `pynn ...` in its text, cut into words."""
    lines = [part for block in blocks("sh") for line in block.splitlines() for part in line.split(" && ")]
    lines += [text for text in INLINE if re.match(r"(pynn|pip) \w", text)]
    return [shlex.split(re.sub(r"^(\w+=\S+ )+", "", line)) for line in lines]  # without variables of the environment


def script() -> str:
    """The README's Python blocks as one script, which keeps what the tests look at."""
    kept = ["digits_accuracy = model.evaluate(*digits.test)['accuracy']",
            "kinds = model.predict([[35, 0], [10, 1], [4, 0]]).tolist(), model.classes.tolist()",
            "r2 = 1 - ((prices - y_test) ** 2).sum() / ((y_test - y_test.mean()) ** 2).sum()",
            "shapes = low.shape, regressor.score(homes[1600:], price[1600:]), classifier.predict(homes[1600:]).shape",
            "model_with_head = model"]  # fmt: skip
    parts = blocks("python")
    for index, line in enumerate(kept):
        parts[index] += line + "\n"
    return "\n".join(parts) + REPORT


def section(title: str) -> str:
    """The text under a heading of the second level."""
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


@pytest.mark.slow
@pytest.mark.parametrize("optimize", ["", "1"])
def test_the_code_runs_as_pasted(backend: str, optimize: str, tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYNN_", "PYTHONW"))}
    environment |= {"PYNN_BACKEND": backend, "PYTHONOPTIMIZE": optimize, "OPENBLAS_NUM_THREADS": "1"}
    (tmp_path / "script.py").write_text(script(), encoding="utf-8")
    (tmp_path / "work").mkdir()
    command = [sys.executable, "-W", "error", str(tmp_path / "script.py")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path / "work", timeout=300)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    report = json.loads(done.stdout.split("REPORT ")[1])
    assert report["backend"] == backend
    assert report["debug"] is (optimize == "")
    assert report["accuracy"] > 0.95
    assert report["kinds"] == [["wolf", "dog", "cat"], ["cat", "dog", "wolf"]]
    assert report["r2"] > 0.9
    assert report["prices"] == [400]
    assert report["tables"][0] == report["tables"][2] == [400]
    assert report["tables"][1] > 0.9
    assert report["head"] == 5
    assert report["files"] == [
        "digits.safetensors", "first.html", "regressor.safetensors", "run", "run.csv", "runs", "search.html",
        "study.log", "study.log.models",
    ]  # fmt: skip
    assert report["own_loop"] > 0.9
    assert report["as_fit"]


def test_the_code_can_be_pasted_into_an_interpreter() -> None:
    for block in blocks("python"):
        compiler, statement = codeop.CommandCompiler(), ""
        for line in [*block.splitlines(), ""]:  # a blank line ends a statement there, and no line may follow a loop
            statement += line + "\n"
            if compiler(statement.rstrip("\n") if line else statement, "<README>", "single") is not None:
                statement = ""
        assert statement.strip() == "", statement


def test_all_code_blocks_are_looked_at() -> None:
    fences = re.findall(r"^```(\w*)$", README, flags=re.MULTILINE)
    assert set(fences[::2]) == {"python", "sh", "text", "toml"}
    assert set(fences[1::2]) == {""}


def test_its_spaces_are_spaces_of_the_command(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    from pynn.cli.search import parameters
    from pynn.search.space import Space

    for block in blocks("toml"):
        (tmp_path / "space.toml").write_text(block)
        parameters.check(Space.of(tmp_path / "space.toml"), parameters.IMAGES, "README.md")


def test_commands_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = commands()
    assert ["pynn", "train"] in lines
    for program, *words in lines:
        if program == "pynn":
            with contextlib.suppress(SystemExit):  # from --help; an unknown command or option is a ValueError
                parser.build().parse_args(words if len(words) > 1 else [*words, "--help"])
        elif program == "pip":
            assert words[0] == "install"
        else:
            assert [program, *words] == ["pytest"]


def test_campaigns_exist() -> None:
    known = (ROOT / "tests" / "fuzz" / "__main__.py").read_text(encoding="utf-8")
    found = re.findall(r"`python tests/fuzz (\w+)", section("Safety"))
    assert set(found) == set(re.findall(r'^    "(\w+)": "', known, flags=re.MULTILINE))


def test_extras_exist() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    extras = set(re.findall(r"^(\w+) = \[", project.split("[project.optional-dependencies]")[1], flags=re.MULTILINE))
    named = {extra for words in commands() for word in words for extra in re.findall(r"^\.\[(\w+)\]$", word)}
    assert {"plot", "test", "data"} <= named
    assert named <= extras
    rows = set(re.findall(r"^\| `\[(\w+)\]` \|", section("Dependencies"), flags=re.MULTILINE))
    assert rows <= extras


def test_names_exist() -> None:
    dotted = {name for text in INLINE for name in re.findall(r"\bpynn(?:\.\w+)+", text)} - {
        "pynn.NAME",
        "pynn.kernels.NAME",
    }
    assert len(dotted) > 10
    for name in sorted(dotted):
        pkgutil.resolve_name(name)
    listed = re.findall(r"`([^`\n]+)`", section("What is there"))
    public = {found[0] for text in listed if (found := re.match(PUBLIC_NAME, text))}
    assert len(public) > 100
    for name in sorted(public):
        pkgutil.resolve_name(f"pynn.{name}")


def test_every_public_name_is_listed() -> None:
    listed = section("What is there")
    names = [name for name in pynn.__all__ if name[0] != "_" and not isinstance(getattr(pynn, name), ModuleType)]
    assert [name for name in names if not re.search(rf"`(pynn\.)?{name}\b", listed)] == []


def test_the_names_of_pynn_in_the_table_for_newcomers_exist() -> None:
    cells = [row.split(" | ")[-1] for row in section("Coming from PyTorch, Keras or scikit-learn").splitlines()]
    names = {name for cell in cells for text in re.findall(r"`([^`]+)`", cell)
             for name in re.findall(r"^[A-Z][A-Za-z0-9]*(?=\()", text)}  # fmt: skip
    assert {"Affine", "Conv2d", "Nesterov", "Sequential"} <= names
    for name in sorted(names - {"LogisticRegression", "MLPClassifier", "MLPRegressor", "Ridge"}):
        assert hasattr(pynn, name), name


def test_times_are_those_of_the_benchmarks() -> None:
    measured = (ROOT / "bench" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\w+_\w+): .*?; (\d+), \w+ \| (.*) \|$", section("Why"), flags=re.MULTILINE)
    assert [name for name, _, _ in rows] == ["mlp_mnist", "cnn_lenet", "cnn_resnet20"]
    for name, batch, cells in rows:
        line = re.search(rf"^\| {name}(?:: .*?)? \| {batch}[ ,|].*$", measured, flags=re.MULTILINE)
        assert line is not None, name
        numbers = set(re.findall(r"\d+\.\d+", line[0]))
        assert set(re.findall(r"(\d+\.\d+) ms", cells)) <= numbers, name


@pytest.mark.slow
def test_the_command_prints_what_is_shown(native: None, alone: None, tmp_path: Path) -> None:
    shown = blocks("text")[0].splitlines()
    command = [sys.executable, "-m", "pynn", "train"]
    environment = {**os.environ, "PYNN_BACKEND": "native"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=120)
    assert done.returncode == 0, done.stderr
    printed = {without_numbers(line) for line in (done.stdout + done.stderr).splitlines()}
    assert {without_numbers(line) for line in shown if line != "..."} <= printed


def without_numbers(line: str) -> str:
    """The line with its measurements masked: they depend on the machine."""
    if line.startswith(("epoch", "test accuracy", "pynn ")):
        line = re.sub(r"[\d.,]+", "0", line)
    return re.sub(r"instruction set \w+ 0 threads?", "instruction set", line)


# What README says of other libraries and of pynn's formulas


def test_sums_over_outputs_and_halves(backend: str, rng: np.random.Generator) -> None:
    outputs, targets = rng.standard_normal((2, 16, 3)).astype(np.float32)
    assert pynn.SquaredError().forward(outputs, targets) == pytest.approx(
        3 * ((outputs - targets) ** 2).mean(), rel=1e-5
    )
    assert pynn.AbsoluteError().forward(outputs, targets) == pytest.approx(3 * abs(outputs - targets).mean(), rel=1e-5)
    model = pynn.Sequential(pynn.Affine(3, bias_initializer=pynn.Constant(1)))
    model.build((5,))
    assert pynn.L2(2 * 0.1).apply(model) == pytest.approx(0.1 * (model.layers[0].weight ** 2).sum(), rel=1e-5)


def test_shapes_and_defaults(backend: str) -> None:
    model = pynn.Sequential(pynn.Conv2d(4), pynn.Flatten(), pynn.Affine(2))
    model.build((8, 6, 3))
    assert model.layers[0].weight.shape == (3, 3, 3, 4)
    assert model.layers[2].weight.shape == (8 * 6 * 4, 2)
    norm, adam = pynn.BatchNorm(), pynn.Adam()
    assert (norm.momentum, norm.epsilon, pynn.LayerNorm().epsilon) == (0.9, 1e-5, 1e-5)
    assert (adam.learning_rate, adam.epsilon, pynn.AdamW().weight_decay) == (1e-3, 1e-8, 0.01)
    assert (pynn.SGD().learning_rate, pynn.Momentum().learning_rate, pynn.LeakyReLU().slope) == (0.01, 0.01, 0.01)
    assert (pynn.RMSProp().learning_rate, pynn.RMSProp().decay) == (1e-3, 0.9)
    ones = np.ones((1, 8, 8, 1), np.float32)
    pool = pynn.Sequential(pynn.AvgPool2d(3, 2, 1))
    pool.build((8, 8, 1))
    assert (pool.forward(ones) == 1).all()


def test_losses_are_torchs_values_times_the_number_of_outputs(
    backend: str, torch: object, rng: np.random.Generator
) -> None:
    from torch import nn, tensor  # type: ignore[import-not-found, unused-ignore]

    outputs, targets = rng.standard_normal((2, 16, 3)).astype(np.float32)
    shares, labels = (targets > 0).astype(np.float32), np.arange(16) % 3
    for own, other, y, factor in (
        (pynn.SquaredError(), nn.MSELoss(), targets, 3),
        (pynn.AbsoluteError(), nn.L1Loss(), targets, 3),
        (pynn.Huber(), nn.HuberLoss(), targets, 3),
        (pynn.BinaryCrossEntropy(), nn.BCEWithLogitsLoss(), shares, 3),
        (pynn.SoftmaxCrossEntropy(), nn.CrossEntropyLoss(), labels, 1),
    ):
        expected = factor * other(tensor(outputs), tensor(y)).item()
        assert own.forward(outputs, y) == pytest.approx(expected, rel=1e-5), own


def test_running_statistics_follow_torch_with_one_minus_its_momentum(
    backend: str, torch: object, rng: np.random.Generator
) -> None:
    from torch import nn, tensor  # type: ignore[import-not-found, unused-ignore]

    x = rng.standard_normal((16, 5)).astype(np.float32)
    model, other = pynn.Sequential(pynn.BatchNorm(momentum=0.8)), nn.BatchNorm1d(5, momentum=0.2)
    model.build((5,))
    model.forward(x, training=True)
    other(tensor(x))
    np.testing.assert_allclose(model.layers[0].running_var, other.running_var.numpy(), rtol=1e-6)
    np.testing.assert_allclose(model.layers[0].running_mean, other.running_mean.numpy(), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("kind", ["MLPClassifier", "MLPRegressor"])
def test_alpha_of_scikit_learns_networks(kind: str, backend: str, rng: np.random.Generator) -> None:
    """Four epochs of plain SGD from the same weights: `MLPRegressor` has half of pynn's loss, so half of its rate."""
    networks = pytest.importorskip("sklearn.neural_network")
    x, labels, factor = rng.standard_normal((60, 5)), np.arange(60) % 3, 1 if kind == "MLPClassifier" else 2
    y = labels if factor == 1 else x[:, 0] - x[:, 1]
    other = getattr(networks, kind)(
        hidden_layer_sizes=(8,), solver="sgd", momentum=0.0, learning_rate_init=0.1, alpha=0.5, batch_size=20,
        shuffle=False, random_state=0,
    )  # fmt: skip
    other.partial_fit(x[:20], y[:20], **({"classes": range(3)} if factor == 1 else {}))
    model = pynn.Sequential(pynn.Affine(8), pynn.ReLU(), pynn.Affine(3 if factor == 1 else 1), dtype="float64")
    model.build((5,))
    affine = model.layers[0], model.layers[2]
    for layer, weight, bias in zip(affine, other.coefs_, other.intercepts_, strict=True):
        layer.weight[...], layer.bias[...] = weight, bias
    for _ in range(4):
        other.partial_fit(x, y)
    model.fit(
        x, y, loss="softmax_cross_entropy" if factor == 1 else "l2", optimizer=pynn.SGD(0.1 / factor), epochs=4,
        batch_size=20, shuffle=False, penalty=pynn.L2(factor * 0.5 / 20), progress=False,
    )  # fmt: skip
    for layer, weight in zip(affine, other.coefs_, strict=True):
        np.testing.assert_allclose(layer.weight, weight, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", ["Ridge", "LogisticRegression"])
def test_strengths_of_scikit_learns_linear_models(kind: str, backend: str, rng: np.random.Generator) -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    pytest.importorskip("scipy")
    x, labels = rng.standard_normal((60, 5)), rng.integers(0, 3, 60)
    if kind == "Ridge":
        y, other, loss, penalty = x[:, 0] - x[:, 1], linear.Ridge(alpha=3.0), "l2", pynn.L2(2 * 3.0 / 60)
    else:
        y, other = labels, linear.LogisticRegression(C=0.5, tol=1e-10, max_iter=10_000)
        loss, penalty = "softmax_cross_entropy", pynn.L2(1 / (0.5 * 60))
    other.fit(x, y)
    model = pynn.Sequential(pynn.Affine(1 if kind == "Ridge" else 3), dtype="float64")
    pynn.minimize(model, x, y, loss=loss, penalty=penalty, steps=1000, tolerance=1e-10, progress=False)
    np.testing.assert_allclose(model.layers[0].weight, np.atleast_2d(other.coef_).T, rtol=1e-4, atol=1e-6)
