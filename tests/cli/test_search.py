"""`pynn search` for data sets: what it prints and writes, how it goes on, spaces, and what it says of wrong input."""

from __future__ import annotations

import html
import json
import os
import pickle
import re
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("optuna")

import pynn
from pynn.cli import main, messages, networks, parser
from pynn.cli.search import command, images, parameters, showing
from pynn.cli.search.options import EPILOG
from pynn.search.space import Space

pytestmark = pytest.mark.usefixtures("alone")
SMALL = ("--layers", "8", "--batch-size", "128", "--no-plot")
SPACE = """
learning_rate = {log_uniform = [1e-3, 1e-1]}
width = {integer = [4, 16], log = true}
depth = {integer = [1, 2]}
optimizer.choice.adam = {}
optimizer.choice.momentum = {momentum = {uniform = [0.5, 0.99]}}
"""


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The options of each network that is made."""
    found: list[Any] = []
    made = networks.made

    def noted(options: Any, *arguments: Any) -> Any:
        found.append(options)
        return made(options, *arguments)

    monkeypatch.setattr(networks, "made", noted)
    return found


@pytest.fixture
def ctrl_c(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Interrupt the training of a network after so many."""
    fit = pynn.Sequential.fit

    def after(count: int) -> None:
        left = iter(range(count))

        def interrupted(self: Any, *arguments: Any, **options: Any) -> Any:
            if next(left, None) is None:
                monkeypatch.setattr(pynn.Sequential, "fit", fit)
                raise KeyboardInterrupt
            return fit(self, *arguments, **options)

        monkeypatch.setattr(pynn.Sequential, "fit", interrupted)

    return after


def trials(path: str = "digits.search.log") -> list[dict[str, Any]]:
    """The parameters and records of a journal that plain Optuna reads."""
    import optuna
    from optuna.storages.journal import JournalFileBackend

    storage = optuna.storages.JournalStorage(JournalFileBackend(path))
    return [
        {**one.params, **json.loads(one.user_attrs["pynn"])}
        for study in storage.get_all_studies()
        for one in storage.get_all_trials(study._study_id)
    ]


@pytest.mark.slow
def test_from_end_to_end(run: Any) -> None:
    pytest.importorskip("matplotlib")
    code, out, err = run("search", "digits", "--trials", 4, "--epochs", 2, *SMALL[:-1])
    assert code == 0, err
    text = "\n".join(out)
    assert out[0].startswith(f"pynn {pynn.__version__}, ")
    assert "digits: 1,438 images to train on and to validate, 359 to test, 8x8x1 pixels" in text
    assert "mlp with layers=8, batch_size=128, and the rest as for pynn train" in text
    assert "4 trials of 2 epochs by random search, kept in digits.search.log" in text
    assert re.search(r"^learning_rate  4e-05 \.\. 0\.04  log scale$", text, re.M)
    assert re.search(r"^dropout        0 \.\. 0\.6$", text, re.M)
    assert "width" not in text
    assert "4 trials: 4 finished" in text
    scores = [float(line.split()[1]) for line in out if re.match(r" +\d +0\.", line)]
    assert len(scores) == 4
    assert scores == sorted(scores, reverse=True)
    assert f"best: val_accuracy {scores[0]:.4g} with learning_rate " in text
    assert out[-2] == "wrote digits.search.safetensors and digits.search.png"
    assert sorted(os.listdir()) == [
        "digits.search.log", "digits.search.log.models", "digits.search.png", "digits.search.safetensors",
    ]  # fmt: skip
    model = pynn.load("digits.search.safetensors")
    measured = model.evaluate(*pynn.datasets.digits().test)["accuracy"]
    assert out[-1] == f"test accuracy {measured:.4f}"
    assert model.notes["search"]["val_accuracy"] == pytest.approx(scores[0], abs=1e-4)
    assert set(model.notes["search"]["params"]) == {"learning_rate", "weight_decay", "dropout"}
    assert run("evaluate", "digits.search.safetensors")[1][-1] == out[-1]
    assert [line for line in err if line.startswith("search: ")][-1].startswith(
        "search: 4/4 trials, best val_accuracy "
    )


def test_the_same_command_does_nothing_twice_and_more_trials_go_on(run: Any, models: list[Any]) -> None:
    options = ("search", "--epochs", 1, *SMALL, "--quiet")
    code, out, err = run(*options, "--trials", 3)
    assert (code, len(out), err) == (0, 1, [])
    before, done = trials(), len(models)
    assert run(*options, "--trials", 3)[1] == out
    assert trials() == before
    trained = len(models) - done
    assert run(*options, "--trials", 5)[0] == 0
    assert trials()[:3] == before
    assert len(trials()) == 5
    assert len(models) - done - trained == trained + 2  # beside what each command makes to look at it


def test_ctrl_c_keeps_everything_and_the_same_command_goes_on(run: Any, ctrl_c: Any) -> None:
    options = ("search", "--epochs", 1, "--trials", 5, *SMALL)
    ctrl_c(3)
    code, out, err = run(*options)
    best = re.fullmatch(
        r"pynn: interrupted; 3 trials are in digits\.search\.log, the best with val_accuracy 0\.\d+ \(trial \d\); "
        r"the same command goes on", err[-1],
    )  # fmt: skip
    assert (code, best is not None) == (130, True), err
    assert not any(line.startswith(("wrote", "test")) for line in out)
    assert not Path("digits.search.safetensors").exists()
    code, out, _ = run(*options)
    assert code == 0
    interrupted = trials()
    run(*options, "--storage", "whole.log")
    for one, other in zip(interrupted, trials("whole.log"), strict=True):
        one.pop("seconds")
        other.pop("seconds")
        assert one == other


def test_ctrl_c_in_the_first_trial(run: Any, ctrl_c: Any) -> None:
    ctrl_c(0)
    assert run("search", *SMALL)[::2] == (
        130, ["pynn: interrupted; 0 trials are in digits.search.log; the same command goes on"],
    )  # fmt: skip


def test_ctrl_c_while_the_model_is_saved(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    save = command.writing.save

    def interrupted(*arguments: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        save(*arguments)

    monkeypatch.setattr(command.writing, "save", interrupted)
    code, _, err = run("search", "--trials", 2, "--epochs", 1, *SMALL)
    signal.signal(signal.SIGINT, before)
    assert code == 130
    assert re.fullmatch(
        r"pynn: interrupted; the best model \(test accuracy 0\.\d+\) is in digits\.search\.safetensors", err[-1]
    )
    assert pynn.load("digits.search.safetensors").notes["test_accuracy"] > 0


def test_a_space_of_the_users_own(run: Any, models: list[Any]) -> None:
    Path("space.toml").write_text(SPACE)
    code, out, err = run(
        *("search", "--space", "space.toml", "--trials", 8, "--epochs", 1, "--batch-size", 256, "--no-plot"),
        *("--storage", "study.log", "--output", "best.safetensors"),
    )
    assert code == 0, err
    assert "  momentum (momentum)  0.5 .. 0.99" in out
    assert sorted(path for path in os.listdir()) == ["best.safetensors", "space.toml", "study.log", "study.log.models"]
    model = pynn.load("best.safetensors")
    params = model.notes["search"]["params"]
    affine = [layer for layer in model.layers if isinstance(layer, pynn.Affine)]
    assert [layer.units for layer in affine] == [params["width"]] * params["depth"] + [10]
    assert {one.batch_size for one in models} == {256}
    assert {one.optimizer for one in models} == {"adam", "momentum"}
    assert {len(one.layers) for one in models} == {1, 2}
    assert {one["optimizer"]: "optimizer=momentum/momentum" in one for one in trials("study.log")} == {
        "adam": False, "momentum": True,
    }  # fmt: skip


def test_momentum_reaches_the_optimizer() -> None:
    options = parser.build().read(["search", "--dtype", "float64"])
    command._fill(options)
    build = images.Build(options, "digits", ["a", "b"], (8, 8, 1))
    made, settings = build({"optimizer": "Momentum", "momentum": 0.7, "layers": [5, 6], "augment": "flip"}, 3)
    assert (settings["optimizer"].momentum, type(settings["optimizer"])) == (0.7, pynn.Momentum)
    assert [layer.units for layer in made.layers if isinstance(layer, pynn.Affine)] == [5, 6, 2]
    assert [type(one) for one in settings["augmentation"]] == [pynn.Flip]
    assert made.dtype == np.float64
    again = pickle.loads(pickle.dumps(build))  # for other processes
    assert repr(again({"width": 7}, 1)[0]) == repr(build({"width": 7}, 1)[0])


def test_stages(run: Any) -> None:
    code, out, err = run("search", "--stages", "8x1,3x2", "--go-on", *SMALL)
    assert code == 0, err
    text = "\n".join(out)
    assert "8 trials of 1 epoch, then 3 trials of 2 epochs by random search" in text
    assert re.search(r"^stage 1: 8 trials of 1 epoch; .*log_uniform\(.*\) became ", text, re.M)
    assert re.search(r"^stage 2: 3 trials of 2 epochs, \d of them on from the weights of trial \d", text, re.M)
    assert len(trials()) == 11
    assert run("search", "--stages", "8x1,3x2", "--go-on", *SMALL)[1][-1] == out[-1]


@pytest.mark.slow
def test_jobs_end_with_the_same_trials(run: Any) -> None:
    options = ("search", "--trials", 5, "--epochs", 1, *SMALL, "--pruner", "median")
    for jobs in (1, 2):
        code, out, err = run(*options, "--jobs", jobs, "--storage", f"{jobs}.log", "--output", f"{jobs}.safetensors")
        assert code == 0, err
        assert any(", 2 at a time, kept in " in line for line in out) is (jobs == 2)
    one, two = ([{**each, "seconds": 0} for each in trials(f"{jobs}.log")] for jobs in (1, 2))
    assert one == two
    assert Path("1.safetensors").read_bytes() == Path("2.safetensors").read_bytes()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_dask_cluster_ends_with_the_same_trials(run: Any) -> None:
    distributed = pytest.importorskip("distributed")
    options = ("search", "--trials", 5, "--epochs", 1, *SMALL)
    with distributed.LocalCluster(n_workers=1, processes=False, protocol="tcp", dashboard_address=":0") as made:
        for where in ((), ("--dask", made.scheduler_address)):
            files = ("--storage", f"{len(where)}.log", "--output", f"{len(where)}.safetensors")
            code, out, err = run(*options, *where, *files)
            assert code == 0, err
            assert any("in the Dask cluster at" in line for line in out) is bool(where)
    one, two = ([{**each, "seconds": 0} for each in trials(f"{count}.log")] for count in (0, 2))
    assert one == two
    assert Path("0.safetensors").read_bytes() == Path("2.safetensors").read_bytes()


def test_a_dask_cluster_that_is_not_there(fails: Any) -> None:
    assert "--dask: expected an address with a port" in fails("search", "--dask", "10.0.0.1")
    assert "leave out --jobs" in fails("search", "--dask", "tcp://10.0.0.1:8786", "--jobs", 2)


def test_folds_and_another_metric(run: Any) -> None:
    code, out, _ = run("search", "--trials", 2, "--epochs", 1, "--folds", 3, "--metric", "val_loss", *SMALL)
    assert code == 0
    assert any(line.startswith("best: val_loss ") for line in out)
    assert "the model is that of the best of 3 folds" in " ".join(out)
    assert [len(one["folds"]) for one in trials()] == [3, 3]


def test_the_best_at_the_end_of_a_range_is_said_once(run: Any) -> None:
    Path("space.toml").write_text("learning_rate = {log_uniform = [1e-4, 2e-3]}")
    options = (
        *("search", "--space", "space.toml", "--trials", 9, "--epochs", 4, "--metric", "val_loss", "--no-plot"),
        *("--layers", 32, "--batch-size", 32, "--dropout", 0),
    )
    err = run(*options)[2]
    (line,) = (line for line in err if "sit at" in line)
    assert re.fullmatch(
        r"pynn: the best 3 of 9 trials sit at the upper end of learning_rate, log_uniform\(0\.0001, 0\.002\): better "
        r"values may lie above it; move the range in --space, or use --stages", line,
    )  # fmt: skip
    assert run(*options, "--quiet")[2] == []


def test_networks_for_images(run: Any, fake_mnist: Path) -> None:
    Path("space.toml").write_text("model.choice.lenet5 = {}\nmodel.choice.mlp = {width = {integer = [4, 8]}}")
    code, out, err = run(
        *("search", "mnist", "--data", fake_mnist, "--space", "space.toml", "--trials", 4, "--epochs", 1, "--no-plot"),
        *("--batch-size", 32, "--augment", "crop:1"),
    )
    assert code == 0, err
    assert {one["model"] for one in trials("mnist.search.log")} == {"lenet5", "mlp"}
    assert any("augment=crop:1" in line for line in out)


def test_the_command_that_trains_it_again(run: Any) -> None:
    Path("space.toml").write_text(
        "learning_rate = {log_uniform = [1e-3, 1e-1]}\nwidth = {integer = [4, 16]}\nbatchnorm = {choice = [false]}\n"
        "optimizer = {choice = ['adamw']}\naugment = {choice = ['none']}"
    )
    _, out, _ = run("search", "--space", "space.toml", "--trials", 1, "--epochs", 3, "--no-plot", "--dropout", 0.25)
    line = next(line for line in out if line.startswith("train it again: pynn "))
    options = parser.build().read(line.removeprefix("train it again: pynn ").split())
    best = pynn.load("digits.search.safetensors").notes["search"]["params"]
    assert options.layers == (best["width"], best["width"])
    assert options.learning_rate == pytest.approx(best["learning_rate"], rel=1e-3)
    found = (options.dropout, options.batchnorm, options.optimizer, options.augment, options.epochs, options.l2)
    assert found == (0.25, False, "adamw", (), 3, None)
    result = pynn.search.load("digits.search.log")
    assert options.seed == result.best_trial.seed
    result.report("page.html")
    page = Path("page.html").read_text("utf-8")
    assert html.escape(line.removeprefix("train it again: ")) in page
    assert "build(" not in page


def test_other_fixed_options_are_another_study(run: Any) -> None:
    options = ("search", "--trials", 2, "--epochs", 1, *SMALL, "--quiet", "--storage", "study.log")
    for more in ((), ("--optimizer", "adamw"), ("--learning-rate", 0.01)):
        assert run(*options, *more)[0] == 0
    assert len(trials("study.log")) == 6


def test_other_settings_are_an_error_that_names_them(run: Any, fails: Any) -> None:
    run("search", "--trials", 1, "--epochs", 1, *SMALL, "--quiet")
    assert fails("search", "--trials", 1, "--epochs", 2, *SMALL, "--quiet") == (
        "digits.search.log holds the search 'digits mlp layers=8 batch_size=128' with other settings: epochs was 1, "
        "now it is 2; go on with the same, or choose another --storage"
    )


def test_trials_that_all_diverge(run: Any) -> None:
    Path("space.toml").write_text("learning_rate = {uniform = [1e30, 1e31]}")
    code, out, err = run("search", "--space", "space.toml", "--trials", 3, "--epochs", 1, *SMALL, "--optimizer", "sgd",
                         "--no-batchnorm")  # fmt: skip
    assert code == 1
    assert err[-1].startswith("pynn: error: no trial has finished, 3 trials: 3 diverged; trial 0 diverged: the loss is")
    assert err[-1].endswith("; nothing was written. Lower the range of the learning rate")
    assert not Path("digits.search.safetensors").exists()
    assert not any(line.startswith("test") for line in out)


def test_trials_that_fail(run: Any, fails: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fit, calls = pynn.Sequential.fit, iter(range(1000))

    def failing(self: Any, *arguments: Any, **options: Any) -> Any:
        if next(calls) % 2:
            raise ValueError("no such luck")
        return fit(self, *arguments, **options)

    monkeypatch.setattr(pynn.Sequential, "fit", failing)
    code, out, _ = run("search", "--trials", 4, "--epochs", 1, *SMALL)
    assert code == 0
    assert "4 trials: 2 finished, 2 failed; trial 1 failed: ValueError: no such luck" in out
    monkeypatch.setattr(pynn.Sequential, "fit", lambda *_, **__: 1 / 0)
    message = fails("search", "--trials", 4, "--epochs", 1, *SMALL, "--storage", "b.log", "--quiet")
    assert message.startswith("the first 3 trials failed: ZeroDivisionError: division by zero (trial 0, of {")
    assert message.endswith("Run it again to count such trials as failed, and go on")


def test_a_time_budget(run: Any, fails: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10**6, 10))
    monkeypatch.setattr("time.time", lambda: float(next(clock)))
    message = fails("search", "--trials", 3, "--time-budget", 1, "--epochs", 1, *SMALL, "--quiet")
    assert message == "--time-budget: the time was too short for a trial; raise it, and the same command goes on"
    monkeypatch.undo()


def test_a_model_that_was_removed(run: Any, fails: Any) -> None:
    options = ("search", "--trials", 1, "--epochs", 1, *SMALL, "--quiet")
    run(*options)
    for path in Path("digits.search.log.models").iterdir():
        path.unlink()
    assert re.search(r"the model of trial 0 is not there: .*it was removed", fails(*options))


@pytest.mark.slow
def test_databases_have_a_folder_for_models_too(run: Any) -> None:
    pytest.importorskip("sqlalchemy")
    options = ("search", "--trials", 2, "--epochs", 1, *SMALL, "--quiet", "--storage", "sqlite:///a.db")
    out = run(*options)[1]
    assert Path("digits.search.safetensors.models").is_dir()
    assert run(*options)[1] == out


def test_without_optuna_it_says_what_to_install(fails: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("pynn.search")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(pynn, "search", raising=False)
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert fails("search") == 'pynn.search needs Optuna: pip install "pynn-cpu[search]"'


def test_a_narrow_terminal_gets_a_list(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "width", lambda: 50)
    _, out, _ = run("search", "--trials", 3, "--epochs", 1, *SMALL)
    assert max(map(len, out)) <= 50
    assert [line.split(":")[0] for line in out if re.match(r"\d\. ", line)] == [
        line.split(":")[0] for line in out if re.match(r"\d\. val_accuracy 0\.\d+ \(trial \d\):", line)
    ]
    assert sum(bool(re.match(r"\d\. val_accuracy", line)) for line in out) == 3
    assert "3 trials: 3 finished" in out


def test_a_space_as_text() -> None:
    space = Space.of({"layers": {"choice": [[], [5, 6]]}, "dropout": {"uniform": [0, 0.5]}})
    assert showing.space(space).splitlines() == ["layers   none, 5,6", "dropout  0 .. 0.5"]


@pytest.mark.parametrize("model", ["mlp", "vgg_small", "resnet20"])
def test_the_default_space_follows_the_network(model: str) -> None:
    options = parser.build().read(["search", "--model", model])
    found = parameters.for_images(options, 10_000)
    assert list(found) == ["learning_rate", "weight_decay", *(["width"] if model == "mlp" else []),
                           *(["dropout"] if model != "resnet20" else []), "batch_size"]  # fmt: skip
    options = parser.build().read(["search", "--model", model, "--learning-rate", "0.1", "--batch-size", "8"])
    assert not {"learning_rate", "batch_size"} & set(parameters.for_images(options, 10_000))


def test_batches_are_no_larger_than_a_quarter_of_the_samples() -> None:
    assert parameters.batches((32, 64, 128), 256) == [32, 64]
    assert parameters.batches((32, 64), 5) == [32]


ONE = "learning_rate = {log_uniform = [1e-4, 1]}"


@pytest.mark.parametrize(
    ("space", "options", "message"),
    [
        ("lr = {log_uniform = [1e-4, 1]}", "", "space.toml: 'lr' is no parameter; did you mean learning_rate?"),
        ("units = {integer = [1, 9]}", "", "'units' is no parameter; did you mean width?"),
        ("num_layers = {integer = [1, 9]}", "", "did you mean depth?"),
        ("zzz = {integer = [1, 9]}", "", "'zzz' is no parameter (there are learning_rate, weight_decay, width,"),
        ("learning_rate = {uniform = [-1, 1]}", "", "learning_rate: expected a number above 0; got '-1.0'"),
        ("learning_rate = {log_uniform = [0, 1]}", "", "a logarithmic scale has no 0"),
        ("width = {uniform = [1, 9]}", "", "width: expected a whole number of at least 1; got '1.0' (use integer)"),
        ("optimizer = {choice = ['adma']}", "", "optimizer: invalid choice: 'adma'; did you mean adam?"),
        ("batchnorm = {choice = [1]}", "", "batchnorm: expected true or false; got 1"),
        ("layers = {choice = [[3, 0]]}", "", "layers: expected a whole number of at least 1; got '0'"),
        ("layers = {choice = ['3']}\nwidth = {integer = [1, 9]}", "", "layers says what width says, too"),
        ("momentum = {uniform = [0, 0.9]}", "", "momentum has no effect on the optimizer adam; leave it out"),
        ("model.choice.mlp = {}\nmodel.choice.resnet20 = {}\ndropout = {uniform = [0, 0.5]}", "",
         "model resnet20; leave it out, or let it exist for others only: model.choice.mlp = {dropout = ...}"),
        ("width = {integer = [1, 9]}", "--model lenet5", "width has no effect on the model lenet5"),
        ("learning_rate = 3", "", "learning_rate is 3, expected {log_uniform = [low, high]}, {uniform = [low, high]},"),
        ("learning_rate = {log_unifrom = [1, 2]}", "", "expected {log_uniform = [low, high]}"),
        ("learning_rate = [1,", "", "space.toml is no file of TOML: "),
        ("", "", "space.toml is empty, expected ranges and choices: learning_rate = {log_uniform = "),
        ("model = {choice = ['lenet5']}", "", "lenet5 cannot take the 8x8x1 pixels of digits: layer 3 (Conv2d)"),
        (ONE, "--learning-rate 0.1", "space.toml has learning_rate, and --learning-rate is given, too"),
        ("depth = {integer = [1, 2]}", "--layers 5", "space.toml has depth, and --layers is given, too"),
        (ONE, "--stages 3x2 --trials 4", "--stages says the trials of each stage; leave out --trials"),
        (ONE, "--stages 3x2 --epochs 4", "--stages says the epochs of each stage; leave out --epochs"),
        (ONE, "--go-on", "--go-on is for --stages"),
        (ONE, "--folds 3 --validation 0.1", "--folds and --validation are two ways to score a trial"),
        (ONE, "--stages 3", "argument --stages: expected trials x epochs of each stage, separated by commas"),
        (ONE, "--stages 3x0", "got '3x0'"),
        (ONE, "--sampler bayes", "invalid choice: 'bayes' (choose from random, grid, tpe)"),
        (ONE, "--storage nowhere/a.log", "cannot write nowhere/a.log: the folder nowhere does not exist"),
        (ONE, "--storage space.toml", "space.toml is no journal of Optuna"),
        (ONE, "--output a.txt", "--output: expected a name that ends in .safetensors, got 'a.txt'"),
        (ONE, "--space nowhere.toml", "space is nowhere.toml, a file that does not exist"),
        (ONE, "--target y", "--target is for tables, such as data.csv, and digits is not one; leave it out: the data"),
        (f"{ONE}\ndropout = {{uniform = [0, 0.5]}}", "--sampler grid --trials 3", "has 4 points, more than the 3 tr"),
    ],
)  # fmt: skip
def test_what_is_wrong(fails: Any, space: str, options: str, message: str) -> None:
    Path("space.toml").write_text(space)
    words = [] if "--space" in options else ["--space", "space.toml"]
    assert message in fails("search", "--quiet", *words, *options.split())
    assert set(os.listdir()) <= {"space.toml", "digits.search.log"}


def test_options_that_fix_everything(fails: Any) -> None:
    fixed = ["--learning-rate", "1", "--weight-decay", "0", "--layers", "3", "--dropout", "0", "--batch-size", "3"]
    assert fails("search", *fixed).startswith("the options fix all that is searched by default; leave one out")


def test_help_needs_no_optuna(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert main(["search", "--help"]) == 0
    assert "  learning_rate = {log_uniform = [1e-4, 1e-1]}" in capsys.readouterr().out


def test_the_space_in_the_help_is_one() -> None:
    shown = EPILOG.partition("hold:\n")[2].partition("\n\n")[0]
    Path("space.toml").write_text(shown)
    space = Space.of("space.toml")
    parameters.check(space, parameters.IMAGES, "the help")
    assert len(space.parts) == 5


def test_large_numbers_of_a_space_are_told_apart() -> None:
    space = Space({"seed": {"integer": [1_000_000, 1_000_400]}, "rate": {"log_uniform": [1e-5, 0.1]}})
    assert showing.space(space).splitlines() == ["seed  1000000 .. 1000400", "rate  1e-05 .. 0.1        log scale"]
