"""Files that older commits wrote: they load as they were, and an old run goes on to the bits that the old code gave."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import compatibility
import numpy as np
import pytest

import pynn

safetensors = pytest.importorskip("safetensors.numpy")

ARCHIVES = sorted(Path(__file__).parent.glob("written_by_*.zip"))


@pytest.fixture(params=ARCHIVES, ids=[path.stem for path in ARCHIVES])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The old files, and answers.json: what the old code made of them."""
    with zipfile.ZipFile(request.param) as archive:
        archive.extractall(tmp_path)
    (tmp_path / "answers.json").write_bytes(request.param.with_suffix(".json").read_bytes())
    return tmp_path


def answers(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "answers.json").read_text(encoding="utf-8"))
    return found


def test_fixtures_of_older_code_exist() -> None:
    assert ARCHIVES


def test_a_model_has_the_bits_of_its_file_and_gives_the_same_answers(folder: Path, backend: str) -> None:
    model = pynn.load(folder / "model.safetensors")
    stored = safetensors.load_file(folder / "model.safetensors")
    tensors = model.tensors()
    assert tensors.keys() <= stored.keys()
    for name, array in tensors.items():
        np.testing.assert_array_equal(array, stored[name], strict=True)
    x, _ = compatibility.images(6)
    np.testing.assert_allclose(model.predict_proba(x), answers(folder)["model"], rtol=1e-5)
    assert model.predict(x).tolist() == answers(folder)["labels"]
    assert model.notes == {"ä": [1, None, 0.5]}
    assert next(iter(tensors)) == "first.weight"
    assert repr(model.layers[-1]) == "Affine(units=3, penalty=L2(strength=0.01))"
    assert isinstance(model.preprocessing, pynn.Standardization)
    np.testing.assert_array_equal(model.preprocessing.tensors()["mean"], stored["preprocessing.mean"], strict=True)


def test_an_ensemble_has_the_bits_of_its_file_and_gives_the_same_answers(folder: Path, backend: str) -> None:
    ensemble = pynn.Ensemble.load(folder / "ensemble.safetensors")
    stored = safetensors.load_file(folder / "ensemble.safetensors")
    for place, member in enumerate(ensemble):
        for name, array in member.tensors().items():
            np.testing.assert_array_equal(array, stored[f"{place}.{name}"], strict=True)
    assert ensemble.weights.tolist() == [0.25, 0.75]
    x = compatibility.rows(6)[0].astype(np.float32)
    np.testing.assert_allclose(ensemble.predict(x), answers(folder)["ensemble"], rtol=1e-5, atol=1e-6)


class Begun(pynn.Callback):
    """What a run has before its first step, and how many it takes."""

    def __init__(self) -> None:
        self.tensors: dict[str, np.ndarray] = {}
        self.steps = 0

    def on_train_begin(self, trainer: pynn.Trainer) -> None:
        optimizer = trainer.model.optimizer
        assert optimizer is not None
        self.tensors = {f"state.tensors.{name}": array.copy() for name, array in trainer.model.tensors().items()}
        slots = optimizer.state()["slots"]
        self.tensors |= {f"state.optimizer.slots.{name}": array.copy() for name, array in slots.items()}

    def on_step_end(self, trainer: pynn.Trainer) -> None:
        self.steps += 1


@pytest.mark.parametrize("run", compatibility.RUNS)
def test_an_old_run_goes_on_to_the_bits_of_the_old_code(run: str, folder: Path, backend: str) -> None:
    (path,) = (folder / run).glob("*.safetensors")
    stored, begun, expected = safetensors.load_file(path), Begun(), answers(folder)
    finished = compatibility.result(compatibility.TRAIN[run](folder / run, True, begun))

    assert len(begun.tensors) >= 3
    for name, array in begun.tensors.items():
        np.testing.assert_array_equal(array, stored[name], strict=True)
    assert begun.steps == expected[f"steps left of {run}"]
    for name, values in expected[run].items():
        np.testing.assert_allclose(finished[name], values, rtol=1e-3, atol=1e-4, err_msg=name)
    bits = expected[f"bits of {run}"]
    assert compatibility.digest(finished) == bits.get(compatibility.kernels_in_use(run), compatibility.digest(finished))


def test_a_run_from_its_first_step_has_the_bits_of_the_old_code(tmp_path: Path, backend: str) -> None:
    for archive in ARCHIVES:
        expected = json.loads(archive.with_suffix(".json").read_text(encoding="utf-8"))
        finished = compatibility.result(compatibility.train_exact(tmp_path / archive.stem, False))
        assert compatibility.digest(finished) == expected["bits of exact"]["any"]


def test_the_digest_sees_the_last_bit_of_one_number(tmp_path: Path) -> None:
    finished = compatibility.result(compatibility.train_exact(tmp_path, False))
    before = compatibility.digest(finished)
    weight = next(array for name, array in finished.items() if name.endswith("weight"))
    weight[0, 0] = np.nextafter(weight[0, 0], np.inf)
    assert compatibility.digest(finished) != before
