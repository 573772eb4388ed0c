"""What a search has found, read from its storage: the same as it returned, and nothing is written."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("optuna")

import optuna
from search_cases import SPACE, build, search

import pynn
from pynn.saving import filelocks
from pynn.search import Search, choice, load, log_uniform, uniform
from pynn.search.loading import grouped
from pynn.search.storage import records
from pynn.search.storage.stored import STARTS
from pynn.search.trials.trial import Outcome

Points = tuple[np.ndarray, np.ndarray]
pytestmark = pytest.mark.filterwarnings("ignore:the best .* trials sit at")


def seen(trial: Any) -> dict[str, Any]:
    return vars(trial)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_result_of_stages_is_read_as_it_was(points: Points, tmp_path: Path) -> None:
    storage = tmp_path / "study.log"
    job = Search(build, SPACE, *points, storage=storage, name="a", progress=False, metric="val_loss")
    result = job.coarse_to_fine([(12, 4), (8, 6), (3, 8)], go_on=True)
    before = contents(tmp_path)
    found = load(storage)
    assert list(map(seen, found.trials)) == list(map(seen, result.trials))
    assert [one.data() for one in found.spaces] == [one.data() for one in result.spaces]
    assert found.stages == result.stages
    assert "on from the weights of trial" in found.stages[1]
    assert " became " in found.stages[0]
    for name in ("name", "metric", "mode", "edges", "settings", "best_params", "best_score"):
        assert getattr(found, name) == getattr(result, name)
    assert found.table() == result.table()
    assert found.importance() == pytest.approx(result.importance())
    assert (found.best_model.predict_proba(points[0]) == result.best_model.predict_proba(points[0])).all()
    assert contents(tmp_path) == before


@pytest.mark.filterwarnings("ignore:Some regimes for parameter")
def test_values_have_the_types_of_the_run(points: Points, tmp_path: Path) -> None:
    """Also nested ones, and those that bring parameters; `build` is given the same."""
    given = []

    def made(params: dict[str, Any]) -> Any:
        given.append(params)
        return build({"learning_rate": 0.01})

    space = {
        "units": choice([[4], [4, [4, 2]]]),
        "kernel": choice({(3, 3): {"padding": uniform(0, 1)}, (5,): {}, "none": {}}),
    }
    path = tmp_path / "study.log"
    result = Search(made, space, *points, storage=path, progress=False, seed=2).run(trials=9, epochs=1)
    found = load(path)
    assert [one.params for one in found.trials] == [one.params for one in result.trials]
    assert all(one.params in given for one in found.trials)
    assert {one.params["units"] for one in found.trials} == {(4,), (4, (4, 2))}
    assert {one.params["kernel"] for one in found.trials} == {(3, 3), (5,), "none"}
    assert repr(found.spaces) == repr(result.spaces)
    found.report(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert re.findall(r"[^<>]*cannot be drawn[^<>]*", page) == []


def test_a_search_of_one_stage_has_its_name(points: Points, tmp_path: Path) -> None:
    storage = tmp_path / "study.log"
    job = search(*points, storage=storage, name="a")
    assert job.coarse_to_fine([(9, 1)]).name == "a"
    assert load(storage).name == "a"
    assert job.run(trials=2, epochs=1).name == "a"
    assert {load(storage, name).name for name in ("a", "a stage 1")} == {"a"}


def test_the_trial_that_others_went_on_from_is_remembered(points: Points, tmp_path: Path) -> None:
    """Also if another process adds a better one to its stage later, and further trials begin with that."""
    storage = tmp_path / "study.log"
    result = search(*points, storage=storage).coarse_to_fine([(8, 2), (2, 1)], go_on=True)
    first = next(one for one in result.ranked if one.stage == 1).number
    study, largest = result.studies[0], result.mode == "max"
    values = {"ended": "finished", "score": 2.0 if largest else -1.0, "folds": [2.0], "best_epochs": [1]}
    attributes = {"pynn": json.dumps(values)}
    last = study.trials[0]
    study.add_trial(optuna.trial.create_trial(
        params=last.params, distributions=last.distributions, value=values["score"], user_attrs=attributes,
    ))  # fmt: skip
    found = load(storage)
    assert found.best_trial.number == 8
    assert f"on from the weights of trial {first}" in found.stages[1]
    found.studies[1].set_user_attr(STARTS, [first, 8])
    assert f"on from the weights of trials {first} and 8" in load(storage).stages[1]


def test_a_database_by_its_url(points: Points, tmp_path: Path) -> None:
    url, folder = f"sqlite:///{tmp_path / 'study.db'}", tmp_path / "models"
    result = search(*points, storage=url, folder=folder).run(trials=3, epochs=2)
    before = contents(tmp_path)
    found = load(url, folder=folder)
    assert list(map(seen, found.trials)) == list(map(seen, result.trials))
    assert found.best_model.evaluate(*points) == result.best_model.evaluate(*points)
    assert contents(tmp_path) == before
    with pytest.raises(LookupError, match=r"had no folder for it"):
        _ = load(url).best_model
    with pytest.raises(ValueError, match=r"study\.db is a database; write sqlite:///.*study\.db$"):
        load(tmp_path / "study.db")


def test_a_storage_of_optuna(points: Points) -> None:
    storage = optuna.storages.InMemoryStorage()
    result = search(*points, storage=storage).run(trials=2, epochs=1)
    assert load(storage).best_params == result.best_params


def test_values_that_a_file_has_as_text_are_what_they_were(points: Points, tmp_path: Path) -> None:
    inner = {"a": uniform(0, 1)}
    space = {
        "kind": choice({True: inner, None: {"b": choice([(1, 2), (3,)])}, 3: inner, "x": {}}),
        "units": choice([(4,), (4, (5, 6))]),
        "learning_rate": log_uniform(1e-4, 1e-2),
    }

    def of(params: dict[str, Any]) -> Any:
        return build({"units": 4, "learning_rate": params["learning_rate"]})

    result = Search(of, space, *points, storage=tmp_path / "s.log", progress=False).run(trials=30, epochs=1)
    found = load(tmp_path / "s.log")
    assert [one.params for one in found.trials] == [one.params for one in result.trials]
    assert {type(one.params["kind"]) for one in found.trials} == {bool, type(None), int, str}
    assert repr(found.spaces[0]) == repr(result.spaces[0])
    assert found.edges == result.edges


@pytest.mark.parametrize("outcome", [
    Outcome(curves=[{"loss": np.random.default_rng(0).random(9000).tolist()}] * 2), Outcome(why='"\\\n' * 50_000),
])  # fmt: skip
def test_no_attribute_is_longer_than_a_database_takes(outcome: Outcome) -> None:
    """64 kB in MySQL, to which Optuna writes JSON."""
    attributes = records.packed(outcome)
    assert max(len(json.dumps(value).encode()) for value in attributes.values()) < 1 << 16
    assert len(attributes) > 4
    assert list(attributes)[-1] == "pynn"  # the parts of a trial without it are of no account
    found = records.unpacked({**attributes, "pynn.99": "of an earlier process"})
    assert found.get("why", "") == outcome.why
    assert [len(fold["loss"]) for fold in found.get("curves", ())] == [9000] * len(outcome.curves)


def test_long_records_are_read_from_a_database(points: Points, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "PART", 500)
    url = f"sqlite:///{tmp_path / 'study.db'}"
    result = search(*points, storage=url, folds=3, metric="val_loss").run(trials=2, epochs=4)
    assert "pynn.2" in result.studies[0].trials[1].user_attrs
    assert list(map(seen, load(url).trials)) == list(map(seen, result.trials))
    assert [len(one.curves[2]["loss"]) for one in load(url).trials] == [4, 4]


PARENT = {"process": os.getppid(), "begun": filelocks._begun(os.getppid())}
OTHERS = json.dumps({**filelocks.signature(), **PARENT, "host": "here"})


def test_trials_that_have_not_ended_say_why(points: Points, tmp_path: Path) -> None:
    storage = tmp_path / "study.log"
    job = search(*points, storage=storage)
    job.run(trials=2, epochs=1)
    study = job.result.studies[0]
    study.ask().set_user_attr("pynn_process", "")  # released by a process that had no time
    study.ask().set_user_attr("pynn_process", OTHERS)
    found = load(storage)
    assert [one.ended for one in found.trials] == ["finished", "finished", "unfinished", "unfinished"]
    assert [one.why for one in found.trials[2:]] == [
        "left by a run that has ended; the next run takes it up", f"running in process {os.getppid()} on here",
    ]  # fmt: skip


def test_studies_are_grouped_to_searches() -> None:
    assert grouped(["b stage 2", "b", "a stage 1", "b stage 1", "a stage 3", "a stage 2", "c stage 7"]) == {
        "a": ["a stage 1", "a stage 2", "a stage 3"],
        "b": ["b"],
        "b stage 1": ["b stage 1", "b stage 2"],
        "c stage 7": ["c stage 7"],
    }
    assert grouped(["a stage 1", "a stage 3"]) == {"a": ["a stage 1"]}


@pytest.mark.filterwarnings("ignore:stage 1. the ranges stay")
def test_one_of_several_searches_is_named(points: Points, tmp_path: Path) -> None:
    storage = tmp_path / "study.log"
    for name in ("a", "b"):
        search(*points, storage=storage, name=name).run(trials=1, epochs=1)
    search(*points, storage=storage, name="b").coarse_to_fine([(2, 1), (1, 1)])
    with pytest.raises(
        ValueError,
        match=r"study\.log holds 3 searches, 'a', 'b', 'b stage 1': choose one by name='a', in a terminal by --name$",
    ):
        load(storage)
    with pytest.raises(ValueError, match=r"study\.log holds no search 'c', but 'a', 'b', 'b stage 1'$"):
        load(storage, "c")
    assert [len(load(storage, name).spaces) for name in ("a", "b", "b stage 1")] == [1, 1, 2]
    assert load(storage, "b stage 1").name == "b"


def test_what_holds_no_search(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no\.log does not exist, expected the file in which a search keeps"):
        load(tmp_path / "no.log")
    with pytest.raises(FileNotFoundError, match=r"no\.db does not exist"):
        load(f"sqlite:///{tmp_path / 'no.db'}")
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(ValueError, match=r"notes\.txt is no journal of Optuna; expected the file in which"):
        load(tmp_path / "notes.txt")
    (tmp_path / "empty.log").touch()
    with pytest.raises(ValueError, match=r"empty\.log holds no search yet"):
        load(tmp_path / "empty.log")
    with pytest.raises(IsADirectoryError):
        load(tmp_path)
    with pytest.raises(TypeError, match="storage is 3, expected a file, a URL, or a storage of Optuna"):
        load(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^foo://u:\*\*\*@x/y cannot be read"):
        load("foo://u:secret@x/y")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.log", "notes.txt"]


def test_studies_of_other_programs(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'other.db'}"
    storage = optuna.storages.RDBStorage(url)
    storage.create_new_study([optuna.study.StudyDirection.MINIMIZE], "foreign")
    with pytest.raises(
        ValueError, match=r"other\.db holds no search of pynn; its studies are of other programs: 'foreign'$"
    ):
        load(url)


def test_settings_of_another_version(points: Points) -> None:
    storage = optuna.storages.InMemoryStorage()
    job = search(*points, storage=storage)
    job.run(trials=1, epochs=1)
    plain = job.result.studies[0].user_attrs["pynn_study"]
    job.result.studies[0].set_user_attr("pynn_study", {**plain, "future": 1})
    with pytest.raises(ValueError, match=r"the study 'search' was written by another version of pynn: .*future"):
        load(storage)


def test_a_model_with_layers_of_the_users_own_needs_the_search(points: Points, tmp_path: Path) -> None:
    class Twice(pynn.Layer):
        def build(self, input_shape: Any) -> Any:
            return input_shape

        def forward(self, x: Any, training: bool) -> Any:
            return 2 * x

        def backward(self, dy: Any) -> Any:
            return 2 * dy

    def custom(params: Any) -> Any:
        return pynn.Sequential(Twice(), pynn.Affine(3)), {"optimizer": pynn.Adam(params["learning_rate"])}

    space = {"learning_rate": SPACE["learning_rate"]}
    Search(custom, space, *points, storage=tmp_path / "s.log", progress=False).run(2, 1)
    with pytest.raises(ValueError, match="Twice"):
        _ = load(tmp_path / "s.log").best_model
