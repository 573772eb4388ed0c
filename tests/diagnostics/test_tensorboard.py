"""TensorBoard: its files are read here record by record, and by TensorBoard's own reader where it is installed."""

from __future__ import annotations

import copy
import os
import pickle
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mpi_processes import mpirun

import pynn

pytest.importorskip("tensorboardX")

from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData


def crc32c(data: bytes) -> int:
    """The checksum of RFC 3720, bit by bit, and rotated as in TensorFlow's records."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def events(path: Path) -> list[Any]:
    """All events of a file, whose checksums must be right."""
    content, place, found = path.read_bytes(), 0, []
    while place < len(content):
        header = content[place : place + 8]
        size = int.from_bytes(header, "little")
        data = content[place + 12 : place + 12 + size]
        assert int.from_bytes(content[place + 8 : place + 12], "little") == crc32c(header)
        if size < 5000:  # bit by bit is slow
            assert int.from_bytes(content[place + 12 + size : place + 16 + size], "little") == crc32c(data)
        found.append(Event.FromString(data))
        place += 16 + size
    assert place == len(content)
    return found


class Seen:
    """What a folder's files say together: a restart hides what older ones hold from its step on."""

    def __init__(self, folder: Path) -> None:
        self.values: dict[str, list[tuple[int, Any]]] = defaultdict(list)
        for path in sorted(folder.iterdir()):
            for event in events(path):
                if event.session_log.status == SessionLog.SessionStatus.Value("START"):
                    for name, pairs in self.values.items():
                        self.values[name] = [pair for pair in pairs if pair[0] < event.step]
                for value in event.summary.value:
                    self.values[value.tag].append((event.step, value))

    def scalars(self, name: str) -> list[tuple[int, float]]:
        return [(step, value.simple_value) for step, value in self.values[name]]


def network() -> pynn.Sequential:
    return pynn.Sequential(
        pynn.Conv2d(3), pynn.BatchNorm(), pynn.ReLU(), pynn.Flatten(), pynn.Affine(8), pynn.Tanh(), pynn.Affine(10)
    )


def fit(folder: Path, digits: Any, epochs: int = 3, model: Any = None, **options: Any) -> Any:
    x, y = digits.train
    model = network() if model is None else model
    callbacks = [pynn.TensorBoard(folder, every=4), *options.pop("callbacks", [])]
    settings = {"validation": (x[200:260], y[200:260]), "batch_size": 20, "optimizer": pynn.Adam(1e-2)}
    return model.fit(x[:200], y[:200], epochs=epochs, callbacks=callbacks, progress=False, **{**settings, **options})


def expect_history(folder: Path, history: Any, first: int = 1) -> None:
    """Every number of the history, under its name; validation in a run of its own."""
    for name, values in history.items():
        run = "validation" if name.startswith("val_") else "train"
        found = Seen(folder / run).scalars(name.removeprefix("val_"))
        assert [step for step, _ in found] == list(range(first, first + len(values)))
        np.testing.assert_allclose([value for _, value in found], values, rtol=1e-6)


def test_the_values_of_history_are_there(backend: str, digits: Any, tmp_path: Path) -> None:
    history = fit(tmp_path, digits, metrics=["accuracy", "top3"], penalty=pynn.L2(1e-3))
    assert {"val_top3", "data_loss", "learning_rate"} <= set(history)
    expect_history(tmp_path, history)


def test_tensorboards_own_reader_finds_them(digits: Any, tmp_path: Path) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    history = fit(tmp_path, digits)
    for name, values in history.items():
        run = "validation" if name.startswith("val_") else "train"
        accumulator = reader.EventAccumulator(str(tmp_path / run))
        accumulator.Reload()
        found = accumulator.Scalars(name.removeprefix("val_"))
        assert [one.step for one in found] == [1, 2, 3]
        np.testing.assert_allclose([one.value for one in found], values, rtol=1e-6)
    accumulator = reader.EventAccumulator(str(tmp_path / "steps"))
    accumulator.Reload()
    tags = accumulator.Tags()
    assert {"samples", "weights/conv2d1"} <= set(tags["images"])
    assert {"parameters/affine1.weight", "gradients/affine1.bias", "outputs/conv2d1"} <= set(tags["histograms"])
    assert tags["tensors"] == ["model/text_summary"]


def test_steps_have_loss_rate_histograms_and_update_ratios(backend: str, digits: Any, tmp_path: Path) -> None:
    losses: list[float] = []

    class Losses(pynn.Callback):
        def on_step_end(self, trainer: Any) -> None:
            losses.append(trainer.batch_loss)

    model = network()
    history = fit(
        tmp_path, digits, model=model, callbacks=[Losses()], optimizer=pynn.Adam(pynn.StepDecay(0.01, every=1))
    )
    seen = Seen(tmp_path / "steps")
    found = seen.scalars("step/loss")
    assert [step for step, _ in found] == [1, *range(4, 31, 4)]
    np.testing.assert_allclose([value for _, value in found], [losses[step - 1] for step, _ in found], rtol=1e-6)
    rates = dict(seen.scalars("step/learning_rate"))
    assert rates[4] == pytest.approx(0.01)
    assert rates[28] == pytest.approx(history["learning_rate"][-1])
    last = seen.values["parameters/affine1.weight"][-1]
    assert last[0] == 30
    assert last[1].histo.max == pytest.approx(float(model.layer("affine1").weight.max()))
    assert last[1].histo.num == model.layer("affine1").weight.size
    assert [step for step, _ in seen.values["gradients/affine1.weight"]][:4] == [1, 2, 4, 8]
    snapshots = history.record.snapshots
    ratios = [(one.step, one.layers["affine1"].ratio) for one in snapshots if one.layers["affine1"].ratio is not None]
    np.testing.assert_allclose(seen.scalars("update_ratio/affine1"), ratios, rtol=1e-6)
    assert [step for step, _ in seen.values["outputs/affine1"]] == [one.step for one in snapshots]
    assert seen.scalars("dead/batchnorm1")
    assert seen.scalars("saturated/affine1")


def test_a_monitor_that_is_there_measures_for_both(
    digits: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pynn.diagnostics.measuring import Twin

    made: list[Twin] = []
    original = Twin.__init__

    def counted(self: Twin, *arguments: Any) -> None:
        made.append(self)
        original(self, *arguments)

    monkeypatch.setattr(Twin, "__init__", counted)
    for before in (False, True):
        made.clear()
        folder, monitor = tmp_path / str(before), pynn.Monitor(interval=7)
        x, y = digits.train
        board = pynn.TensorBoard(folder)
        callbacks = [monitor, board] if before else [board, monitor]
        network().fit(x[:200], y[:200], epochs=3, batch_size=20, callbacks=callbacks, progress=False)
        assert len(made) == 1
        found = Seen(folder / "steps").values["outputs/affine1"]
        measured = [one.step for one in monitor.record.snapshots]
        # A Monitor that is listed first measures the end of the run after TensorBoard has closed its files.
        assert [step for step, _ in found] == (measured[:-1] if before else measured)


def test_training_gives_the_same_bits_with_it(backend: str, digits: Any, tmp_path: Path) -> None:
    models = [network(), network()]
    fit(tmp_path, digits, model=models[0])
    x, y = digits.train
    models[1].fit(
        x[:200], y[:200], validation=(x[200:260], y[200:260]), batch_size=20, optimizer=pynn.Adam(1e-2), epochs=3,
        progress=False,
    )  # fmt: skip
    assert models[0].parameters.tobytes() == models[1].parameters.tobytes()


def test_hyperparameters_and_the_end_of_the_run(digits: Any, tmp_path: Path) -> None:
    history = fit(tmp_path, digits)
    seen = Seen(tmp_path / "hparams")
    (_, begun), (_, ended) = (seen.values[f"_hparams_/session_{end}_info"][0] for end in ("start", "end"))
    start = HParamsPluginData.FromString(begun.metadata.plugin_data.content).session_start_info
    given = {name: value.string_value or value.number_value for name, value in start.hparams.items()}
    assert given["optimizer"] == "Adam"
    assert given["learning_rate"] == pytest.approx(0.01)
    assert (given["batch_size"], given["epochs"]) == (20, 3)
    assert HParamsPluginData.FromString(ended.metadata.plugin_data.content).session_end_info.status == 1
    for name, values in history.items():
        assert seen.scalars(f"final/{name}")[-1] == (3, pytest.approx(values[-1]))
    failed = tmp_path / "failed"
    with pytest.raises(ZeroDivisionError):
        fit(failed, digits, callbacks=[lambda trainer: 1 / 0])
    info = Seen(failed / "hparams").values["_hparams_/session_end_info"][0][1].metadata.plugin_data.content
    assert HParamsPluginData.FromString(info).session_end_info.status == 2


def test_pictures_and_the_summary(digits: Any, tmp_path: Path, points: Any) -> None:
    model = network()
    fit(tmp_path, digits, model=model)
    seen = Seen(tmp_path / "steps")
    text = seen.values["model/text_summary"][0][1].tensor.string_val[0].decode()
    assert text == "\n".join(f"    {line}" for line in model.summary().splitlines())
    ((step, samples),) = seen.values["samples"]
    assert (step, samples.image.height, samples.image.width) == (0, 99, 99)
    assert samples.image.encoded_image_string.startswith(b"\x89PNG")
    assert [step for step, _ in seen.values["weights/conv2d1"]] == [10, 20, 30]
    table = pynn.Sequential(pynn.Affine(3))
    table.fit(*points, callbacks=[pynn.TensorBoard(tmp_path / "table")], progress=False)
    assert not any(
        one.image.height for values in Seen(tmp_path / "table" / "steps").values.values() for _, one in values
    )


def test_further_fits_go_on_and_a_new_model_begins_again(digits: Any, tmp_path: Path) -> None:
    model = network()
    first = fit(tmp_path, digits, epochs=2, model=model)
    second = fit(tmp_path, digits, epochs=2, model=model)
    values = [*first["val_loss"], *second["val_loss"]]
    assert Seen(tmp_path / "validation").scalars("loss") == [(k + 1, pytest.approx(v)) for k, v in enumerate(values)]
    assert [step for step, _ in Seen(tmp_path / "steps").scalars("step/loss")] == [
        1,
        *range(4, 21, 4),
        21,
        *range(24, 41, 4),
    ]
    assert sorted(path.name for path in tmp_path.iterdir())[:2] == ["hparams", "hparams from epoch 3"]
    third = fit(tmp_path, digits, epochs=1)
    expect_history(tmp_path, third)
    assert [step for step, _ in Seen(tmp_path / "steps").scalars("step/loss")] == [1, 4, 8]


def test_a_resumed_run_goes_on(digits: Any, tmp_path: Path) -> None:
    class Crash(pynn.Callback):
        def on_step_end(self, trainer: Any) -> None:
            if trainer.step == 27:
                raise KeyError("power cut")

    board, folder = tmp_path / "board", tmp_path / "run"
    with pytest.raises(KeyError):
        fit(board, digits, epochs=4, checkpoint=folder, resume=True, callbacks=[Crash()])
    history = fit(board, digits, epochs=4, checkpoint=folder, resume=True)
    for name in ("loss", "val_loss", "val_accuracy"):
        run = "validation" if name.startswith("val_") else "train"
        found = Seen(board / run).scalars(name.removeprefix("val_"))
        assert found == [(place + 1, pytest.approx(value)) for place, value in enumerate(history[name])]
    steps = [step for step, _ in Seen(board / "steps").scalars("step/loss")]
    assert steps == sorted(set(steps))
    assert steps[-1] == 40


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="sends SIGKILL")
def test_a_killed_run_leaves_readable_files(tmp_path: Path) -> None:
    code = f"""
import pynn
x, y = pynn.datasets.digits().train
model = pynn.Sequential(pynn.Flatten(), pynn.Affine(8), pynn.ReLU(), pynn.Affine(10))
model.fit(x, y, validation=0.1, epochs=100000, callbacks=[pynn.TensorBoard({str(tmp_path)!r}, every=5)], progress=False)
"""
    process = subprocess.Popen([sys.executable, "-c", code], cwd=Path(pynn.__file__).parents[1])
    try:
        until = time.monotonic() + 60
        while not list(tmp_path.glob("validation/*")) and time.monotonic() < until and process.poll() is None:
            time.sleep(0.05)
        time.sleep(0.3)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    train, validation, steps = (Seen(tmp_path / run) for run in ("train", "validation", "steps"))
    assert len(train.scalars("loss")) - len(validation.scalars("loss")) in (0, 1)
    assert validation.scalars("accuracy")
    assert steps.scalars("step/loss")[-1][0] >= 5
    assert Seen(tmp_path / "hparams").scalars("final/val_loss")


def test_a_full_disk_ends_no_run_and_leaves_whole_records(
    digits: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(events: Any) -> Any:
        """A file whose disk takes half of what is written."""
        file = events._file

        class Full:
            def write(self, content: bytes) -> int:
                return int(file.write(content[: len(content) // 2]))

            def __getattr__(self, name: str) -> Any:
                return getattr(file, name)

        return Full()

    kept: dict[int, Any] = {}

    class Disk(pynn.Callback):
        def on_epoch_begin(self, trainer: Any) -> None:
            board = trainer.callbacks[0]
            for name, one in board._events.items():
                if trainer.epoch == 1:
                    kept[name] = one._file
                    one._file = full(one)
                elif trainer.epoch == 2:
                    one._file = kept.get(name, one._file)

    with pytest.warns(RuntimeWarning, match=r"events of step 1\d could not be written .*; training continues") as seen:
        history = fit(tmp_path, digits, epochs=4, callbacks=[Disk()])
    assert len(seen) == 1
    expect_history(tmp_path, history)


def test_a_folder_that_cannot_be_written_to_is_told_before_training(digits: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    model = network()
    with pytest.raises(OSError, match="file"):
        fit(tmp_path / "file", digits, model=model)
    assert model.epoch == 0


def test_iterables_of_batches_and_regression(tmp_path: Path, rng: np.random.Generator) -> None:
    batches = [(rng.standard_normal((8, 5)), rng.standard_normal(8)) for _ in range(6)]
    model = pynn.Sequential(pynn.Affine(4), pynn.ReLU(), pynn.Affine(1))
    history = model.fit(batches, loss="l2", epochs=2, callbacks=[pynn.TensorBoard(tmp_path)], progress=False)
    expect_history(tmp_path, history)
    assert not (tmp_path / "validation").exists()
    assert Seen(tmp_path / "steps").values["parameters/affine1.weight"]


def test_options(digits: Any, tmp_path: Path) -> None:
    x, y = digits.train
    model = network()
    board = pynn.TensorBoard(tmp_path, histograms=0, images=False)
    history = model.fit(x[:100], y[:100], epochs=2, callbacks=[board], progress=False)
    seen = Seen(tmp_path / "steps")
    assert set(seen.values) == {"step/loss", "step/learning_rate", "model/text_summary"}
    assert history.record is None
    for copied in (copy.deepcopy(board), pickle.loads(pickle.dumps(board))):
        copied.folder = str(tmp_path / "copy")
        network().fit(x[:100], y[:100], epochs=1, callbacks=[copied], progress=False)
    for wrong in ({"every": 0}, {"histograms": -1}, {"images": 1.5}):
        with pytest.raises((TypeError, ValueError), match=next(iter(wrong))):
            pynn.TensorBoard(tmp_path, **wrong)


@pytest.mark.slow
def test_the_first_of_two_processes_writes(tmp_path: Path) -> None:
    """Without a Monitor no outputs: a forward pass of one process would wait for the others."""
    code = """
import sys, pynn
x, y = pynn.datasets.digits().train
for name, more in (("alone", []), ("watched", [pynn.Monitor(interval=5)])):
    model = pynn.Sequential(pynn.Flatten(), pynn.Affine(8), pynn.BatchNorm(), pynn.ReLU(), pynn.Affine(10))
    model.fit(x[:400], y[:400], validation=(x[400:500], y[400:500]), epochs=2, batch_size=40, distributed=True,
              callbacks=[pynn.TensorBoard(name), *more], progress=False)
"""
    done = mpirun(2, ["-c", code], tmp_path)
    assert done.returncode == 0, done.stderr
    for name in ("alone", "watched"):
        folder = tmp_path / name
        assert [len(list(run.iterdir())) for run in folder.iterdir()] == [1] * 4
        assert [step for step, _ in Seen(folder / "validation").scalars("loss")] == [1, 2]
        steps = Seen(folder / "steps").values
        assert steps["parameters/affine1.weight"]
        assert bool(steps.get("outputs/affine1")) == (name == "watched")


def test_without_tensorboardx_the_extra_is_named() -> None:
    code = "import sys; sys.modules['tensorboardX'] = None; import pynn; pynn.TensorBoard('runs')"
    elsewhere = Path(pynn.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=elsewhere, capture_output=True, text=True, timeout=120)
    assert done.stderr.splitlines()[-1] == (
        'ImportError: TensorBoard needs tensorboardX: pip install "pynn-cpu[tensorboard]"'
    )
