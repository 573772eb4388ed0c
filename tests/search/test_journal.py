"""The journal file: plain Optuna reads and writes it, a line that a kill cut off does no harm, nor does its lock."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("optuna")

import optuna
from optuna.storages import InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy.exc import OperationalError

from pynn.search.storage import journal, urls
from pynn.search.storage.journal import Journal, opened


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def fill(storage: Any, count: int) -> Any:
    study = optuna.create_study(study_name="s", storage=storage, load_if_exists=True)
    for _ in range(count):
        trial = study.ask()
        study.tell(trial, trial.suggest_float("a", 0, 1))
    return study


def test_plain_optuna_reads_and_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "study.log"
    fill(opened(path), 3)
    fill(JournalStorage(JournalFileBackend(str(path))), 2)
    study = fill(opened(str(path)), 1)
    assert [trial.number for trial in study.trials] == list(range(6))
    assert len({trial.value for trial in study.trials}) == 6
    assert os.listdir(tmp_path) == ["study.log"]


@pytest.mark.parametrize("rest", [b'{"op_code": 6, "trial', b"x" * 10_000])
def test_a_line_that_was_cut_off_is_removed(tmp_path: Path, rest: bytes) -> None:
    path = tmp_path / "study.log"
    fill(opened(path), 2)
    whole = path.read_bytes()
    path.write_bytes(whole + rest)
    study = fill(opened(path), 1)
    assert len(study.trials) == 3
    assert path.read_bytes().startswith(whole + b" " * len(rest) + b"{")
    assert all(json.loads(line) for line in path.read_bytes().splitlines())
    assert len(fill(JournalStorage(JournalFileBackend(str(path))), 0).trials) == 3


def test_a_file_without_any_whole_line_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "study.log"
    path.write_bytes(b'{"op_code": 0')
    assert len(fill(opened(path), 1).trials) == 1
    assert len(fill(opened(path), 1).trials) == 2


def taken_over(path: Path, step: str, patch: pytest.MonkeyPatch, holds: bool) -> None:
    """Have the next `append_logs` stand still before it returns from a step, until others have taken over its lock."""
    real = getattr(journal, step)

    def still(*args: Any) -> Any:
        found = real(*args) if step == "_broken" else None
        patch.setattr(journal, step, real)
        os.unlink(f"{path}.lock")
        for number in range(3):
            Journal(path).append_logs([{"op_code": 6, "number": number}])
        if holds:
            threading.Timer(0.1, os.unlink, [f"{path}.lock"]).start()
            Journal(path)._lock.acquire()
        return found if step == "_broken" else real(*args)

    patch.setattr(journal, step, still)


@pytest.mark.parametrize(("step", "rest"), [("_broken", b""), ("_broken", b"{"), ("_blank", b"{"), ("_append", b"{")])
@pytest.mark.parametrize("holds", [False, True])
def test_a_process_that_stood_still_with_the_lock_loses_no_lines_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rest: bytes, step: str, holds: bool
) -> None:
    path = tmp_path / "study.log"
    backend = Journal(path)
    backend.append_logs([{"op_code": 0}])
    path.write_bytes(path.read_bytes() + rest)
    taken_over(path, step, monkeypatch, holds)
    backend.append_logs([{"op_code": 6, "number": 3}])
    found = [line.get("number") for line in Journal(path).read_logs(0)]
    assert found == [None, 0, 1, 2, 3]
    if not holds:
        assert os.listdir(tmp_path) == ["study.log"]


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files")
def test_a_line_for_which_the_disk_has_no_room_is_an_error_and_does_no_harm(tmp_path: Path) -> None:
    import resource

    path = tmp_path / "study.log"
    backend = Journal(path)
    backend.append_logs([{"op_code": 0}])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            backend.append_logs([{"op_code": 6, "state": 1}])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    backend.append_logs([{"op_code": 7}])
    assert [line["op_code"] for line in Journal(path).read_logs(0)] == [0, 7]


def test_a_journal_that_was_removed_does_not_begin_anew_in_the_middle(tmp_path: Path) -> None:
    backend = Journal(tmp_path / "study.log")
    os.unlink(tmp_path / "study.log")
    with pytest.raises(FileNotFoundError):
        backend.append_logs([{"op_code": 6}])
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
def test_the_lock_of_a_killed_process_is_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "study.log"
    fill(opened(path), 1)
    monkeypatch.setattr(journal, "GRACE", 3)
    backend = Journal(path)
    assert backend._lock.acquire()
    done = threading.Thread(target=fill, args=(opened(path), 1))
    done.start()
    done.join(timeout=0.2)
    assert done.is_alive()
    done.join(timeout=20)
    assert not done.is_alive()
    assert len(fill(opened(path), 0).trials) == 2


@pytest.mark.slow
def test_what_a_storage_may_be(tmp_path: Path) -> None:
    assert isinstance(opened(None), InMemoryStorage)
    storage = InMemoryStorage()
    assert opened(storage) is storage
    assert len(fill(opened(f"sqlite:///{tmp_path}/study.db"), 1).trials) == 1
    with pytest.raises(TypeError, match="storage is 3, expected a file, a URL, or a storage of Optuna"):
        opened(3)
    with pytest.raises(FileNotFoundError, match=r"the folder .*absent does not exist"):
        opened(tmp_path / "absent" / "study.log")
    with pytest.raises(IsADirectoryError):
        opened(tmp_path)


def test_several_may_make_the_tables_of_a_database_at_once(tmp_path: Path) -> None:
    together, found = threading.Barrier(4), list[Any]()

    def make() -> None:
        together.wait()
        try:
            found.append(opened(f"sqlite:///{tmp_path}/study.db").get_all_studies())
        except Exception as error:
            found.append(error)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[]] * 4


def test_a_database_that_cannot_be_opened_is_an_error_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal.time, "sleep", lambda seconds: pytest.fail("tried again"))
    (tmp_path / "study.db").mkdir()
    with pytest.raises(
        ValueError, match=r"^sqlite:///.*study.db cannot be opened: unable to open database file; is it"
    ):
        opened(f"sqlite:///{tmp_path}/study.db")


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        ("sqlite:///absent/study.db", FileNotFoundError, "^sqlite:///absent/study.db: the folder absent does not ex"),
        ("sqlite://study.db", ValueError, "^sqlite://study.db is no URL of a database; a file has three slashes: sq"),
        ("postgresql+pg8000://u:se@cret@h/x", ImportError, r"^postgresql\+pg8000://u:\*\*\*@h/x .*: pip install pg80"),
        ("foo://u:secret@h/x?password=secret", ValueError, r"^foo://u:\*\*\*@h/x\?password=\*\*\* .* knows no such"),
        ("mysql://u:secret@h:port/x", ValueError, r"^mysql://u:\*\*\*@h:port/x is no URL of a database; expected"),
        ("redis://u:secret@h/1", ValueError, r"^redis://u:\*\*\*@h/1 is no URL of a database; expected a URL such as"),
    ],
)  # fmt: skip
def test_a_url_is_refused_in_one_sentence_without_its_password(url: str, error: type, message: str) -> None:
    with pytest.raises(error, match=message) as raised:
        opened(url)
    assert "cret" not in str(raised.value)


def test_what_a_server_says_is_told_without_the_password() -> None:
    url = "mysql://u:secret@h/x"
    cause = OperationalError("SELECT 1", {}, Exception("no user u with secret\nat line 3"))
    assert str(urls.refused(url, cause)) == (
        "mysql://u:***@h/x cannot be opened: no user u with ***; does the server run, and are its name, the user and "
        "the password right?"
    )
    assert urls.refused(url, other := RuntimeError("of Optuna")) is other


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a folder that takes no files")
def test_a_file_that_cannot_be_made_is_refused_in_one_sentence() -> None:
    with pytest.raises(
        FileNotFoundError, match=r"^/proc/study.log cannot be opened: No such file or directory; take a"
    ):
        opened("/proc/study.log")


@pytest.mark.parametrize(
    "content", [b"a,b\n1,2\n", b"{}\n", b"[1]\n", b'{"op_code": 99}\n', b"\xff\xfe\n1\n", b"a = 1", b'{"a":1}']
)
def test_another_file_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"table.csv is no journal of Optuna; use another file"):
        opened(path)
    assert path.read_bytes() == content
