"""The models of the best trials: in a folder or in memory, one search beside another."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("optuna")

import optuna
from search_cases import SPACE, build, search

import pynn
from pynn.search import Result, Search, load
from pynn.search.storage import keeping
from pynn.search.storage.keeping import Keeper

Points = tuple[np.ndarray, np.ndarray]


@pytest.fixture(autouse=True)
def _no_edges() -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the best .* trials sit at")
        yield


def test_models_in_memory() -> None:
    keeper = Keeper(None)
    keeper.keep("a-trial-1-00000000", [b"one"])
    keeper.keep("a-trial-2-00000000", [b"two", b"three"])
    keeper.keep("a-trial-1-00000001", [b"four"])
    keeper.drop({"a-trial-0-00000000", "a-trial-1-00000000"})
    assert keeper.models("a-trial-2-00000000", 2) == [b"two", b"three"]
    assert keeper.models("a-trial-1-00000001", 1) == [b"four"]
    with pytest.raises(LookupError, match=r"had no folder for it: pass Search\(..., folder=...\)"):
        keeper.models("a-trial-1-00000000", 1)
    assert keeper.checkpoint("a-trial-1-00000000") is None


def test_models_in_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "models"
    keeper = Keeper(folder)
    keeper.drop({"a-trial-2-00000000"})
    for name, models in {"a-trial-1-00000000": [b"one"], "a-trial-1-00000001": [b"two", b"three"]}.items():
        keeper.keep(name, models)
    others = {"mine.safetensors", "a-trial-1.safetensors", "a-trial-1-00000000.txt"}
    for name in others:
        (folder / name).touch()
    keeper.drop({"a-trial-1-00000000", "a-trial-1", "mine"})
    models = {f"a-trial-1-00000001-fold-{fold}.safetensors" for fold in (1, 2)}
    assert set(os.listdir(folder)) == others | models
    again = Keeper(folder)
    assert again.models("a-trial-1-00000001", 2) == [b"two", b"three"]
    with pytest.raises(LookupError, match=r"a-trial-1-00000000.safetensors is not there: it was removed, or written"):
        again.models("a-trial-1-00000000", 1)
    assert again.checkpoint("a-trial-7-00000000") == str(folder / "a-trial-7-00000000.checkpoint")
    again.drop({"a-trial-1-00000001"})
    assert set(os.listdir(folder)) == others


def test_checkpoints_of_trials_that_have_ended_are_dropped(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path)
    for name in ("a-trial-1-00000000", "a-trial-1-00000001", "a-trial-12-00000002"):
        (tmp_path / f"{name}.checkpoint" / "0").mkdir(parents=True)
    (tmp_path / "a-trial-1-00000000.txt").touch()
    keeper.drop_checkpoints({"a-trial-1-00000000", "a-trial-12-00000002", "a-trial-2-00000003"})
    assert sorted(os.listdir(tmp_path)) == ["a-trial-1-00000000.txt", "a-trial-1-00000001.checkpoint"]
    Keeper(None).drop_checkpoints({"a-trial-1-00000001"})
    Keeper(tmp_path / "absent").drop_checkpoints({"a-trial-1-00000001"})


@pytest.mark.parametrize("letter", ["a", "é", "網"])
def test_long_names_of_studies_keep_their_stage(letter: str) -> None:
    assert keeping.begin(f"wide net/{letter} stage 2") == f"wide-net-{letter} stage 2".replace(" ", "-")
    long = keeping.begin(f"{letter * 300} stage 12")
    assert long.startswith(letter * 30)
    assert long.endswith(f"{letter}-stage-12")
    assert len(long.encode()) <= 109


# Searches beside each other


def has_its_own_model(result: Result, points: Points) -> bool:
    """Whether the best model is that of the best trial."""
    affine = result.best_model.layers[0]
    assert isinstance(affine, pynn.Affine)
    held = search(*points, seed=result.settings[0]["seed"]).data.part(0).validation
    same = result.best_model.evaluate(*held)["loss"] == pytest.approx(result.best_score, rel=1e-5)
    return affine.units == result.best_params["units"] and same


def storages(folder: Path) -> list[dict[str, Any]]:
    shared = folder / "models"
    url = {"storage": f"sqlite:///{folder}/a.db", "folder": shared}
    memory = optuna.storages.InMemoryStorage
    return [
        {"storage": folder / "study.log"}, {"storage": folder / "study.db"}, {"storage": folder / "study"}, url,
        {"storage": memory(), "folder": shared}, {"storage": memory(), "folder": shared},
        {"storage": folder / "names.log", "name": "wide net"}, {"storage": folder / "names.log", "name": "wide-net"},
        {"storage": folder / "names.log", "name": f"{'long ' * 40}a"},
        {"storage": folder / "names.log", "name": f"{'long ' * 40}b"},
    ]  # fmt: skip


@pytest.mark.parametrize("seeds", [range(10), [0] * 10])
def test_no_search_replaces_or_removes_the_model_of_another(points: Points, tmp_path: Path, seeds: Any) -> None:
    """Though some have the same folder, and some even the same settings."""
    pytest.importorskip("sqlalchemy")
    jobs = [
        search(*points, metric="val_loss", seed=seed, **where)
        for seed, where in zip(seeds, storages(tmp_path), strict=True)
    ]
    results = [job.run(trials=trials, epochs=2) for trials, job in enumerate(jobs, 1)]
    assert all(has_its_own_model(result, points) for result in results)
    again = [job.run(trials=trials, epochs=2) for trials, job in enumerate(jobs, 1)]
    assert all(has_its_own_model(result, points) for result in again)
    assert has_its_own_model(load(tmp_path / "names.log", "wide net"), points)


@pytest.mark.filterwarnings("ignore:stage 1. the ranges stay")
def test_stages_of_a_long_name_keep_a_model_each(points: Points, tmp_path: Path) -> None:
    name = "houses price regression drop=" + "a_long_column_name," * 8
    for seed in range(3):
        job = search(*points, metric="val_loss", storage=tmp_path / "study.log", name=f"{name}{seed}", seed=seed)
        result = job.coarse_to_fine([(6, 4), (6, 1)])
        assert has_its_own_model(result, points)
    assert len(os.listdir(tmp_path / "study.log.models")) == 6


def test_trials_of_two_searches_under_way_have_checkpoints_of_their_own(points: Points, tmp_path: Path) -> None:
    """Both have the same name, settings and folder."""
    found, others = [], []

    def look(trainer: Any) -> None:
        if not others:
            others.append(Search(looking, SPACE, *points, **settings))
            others[0].run(trials=2, epochs=3)
        found.append([name for name in os.listdir(tmp_path) if name.endswith(".checkpoint")])

    def looking(params: Any) -> Any:
        model, fit = build(params)
        return model, {**fit, "callbacks": look}

    settings: dict[str, Any] = {"metric": "val_loss", "folder": tmp_path, "progress": False}
    Search(looking, SPACE, *points, **settings).run(trials=2, epochs=3)
    assert max(map(len, found)) == 2


def test_a_study_that_moves_with_its_models_has_them(points: Points, tmp_path: Path) -> None:
    model = search(*points, metric="val_loss", storage=tmp_path / "study.log").run(trials=3, epochs=2).best_model
    (tmp_path / "elsewhere").mkdir()
    for name in ("study.log", "study.log.models"):
        (tmp_path / name).rename(tmp_path / "elsewhere" / name)
    assert load(tmp_path / "elsewhere" / "study.log").best_model.to_bytes() == model.to_bytes()
