"""The filters of warnings belong to the whole process: threads that read files leave them as they were."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from pynn import datasets
from pynn.datasets import common, unpickle

ESCAPES = {  # that Python warns of
    b"S'\\d'\n.": "the instruction STRING",
    b"P\\d\n.": "the instruction PERSID",
    b"c\\d\nx\n.": r"\d.x, which could run code",
}


@pytest.fixture(autouse=True)
def _quick_switches() -> Iterator[None]:
    """Threads take turns often."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_pictures_read_by_threads_leave_the_filters(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(10):
            image.fromarray(np.full((4, 4, 3), number, np.uint8)).save(tmp_path / name / f"{number}.png")
    before = list(warnings.filters)
    with ThreadPoolExecutor(4) as pool:
        for samples in pool.map(lambda _: datasets.image_folder(tmp_path), range(12)):
            assert len(samples.x) == 20
    assert warnings.filters == before


def test_two_threads_do_not_put_back_each_others_filters() -> None:
    """If the first left while the second is inside, the second would put the filters of the first back, for good."""
    before = list(warnings.filters)
    inside, left = threading.Event(), threading.Event()

    def first() -> None:
        with common.caught_warnings():
            inside.set()
            left.wait(0.2)  # in vain: the second one waits
        left.set()

    def second() -> None:
        inside.wait()
        with common.caught_warnings():
            left.wait()

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(first), pool.submit(second)]:
            done.result()
    assert warnings.filters == before


@pytest.mark.parametrize("content", ESCAPES)
def test_pickles_are_read_without_any_filter(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(content)
    with warnings.catch_warnings(), monkeypatch.context() as patch:
        warnings.simplefilter("error")
        patch.setattr(warnings, "catch_warnings", None)
        with pytest.raises(ValueError, match=re.escape(f"refused: it asks for {ESCAPES[content]}")):
            unpickle.read(tmp_path / "file")


FORKS = """
import os, signal, threading, warnings
from pynn.datasets import common

before, inside, end = list(warnings.filters), threading.Event(), threading.Event()

def reads():
    with common.caught_warnings():
        inside.set()
        end.wait(0.2)

thread = threading.Thread(target=reads)
thread.start()
inside.wait()
child = os.fork()
if child == 0:
    signal.alarm(20)
    with common.caught_warnings():
        pass
    os._exit(warnings.filters != before)
end.set()
thread.join()
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert warnings.filters == before
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_that_is_forked_meanwhile_has_the_filters_of_before() -> None:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKS]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=tempfile.gettempdir())
    assert done.returncode == 0, done.stderr
