"""Warnings of one thread are collected, and those of others are shown as before."""

from __future__ import annotations

import threading
import warnings

import pytest

pytest.importorskip("optuna")

from pynn.search.processes.listening import listening
from pynn.search.processes.relayed import Relayed


def test_only_warnings_of_this_thread_are_heard() -> None:
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        with listening() as heard:
            warnings.warn("here", RuntimeWarning, stacklevel=1)
            thread = threading.Thread(target=lambda: warnings.warn("there", UserWarning, stacklevel=1))
            thread.start()
            thread.join()
        warnings.warn("afterwards", UserWarning, stacklevel=1)
    assert [(text, category) for text, category, _, _ in heard] == [("here", "RuntimeWarning")]
    assert [str(one.message) for one in shown] == ["there", "afterwards"]


def test_what_was_heard_is_shown_once() -> None:
    relayed = Relayed()
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("default")
        for category in ("RuntimeWarning", "RuntimeWarning", "OfALibrary"):
            relayed.show("strange", category, "networks.py", 3)
    assert [(one.category, one.filename, one.lineno) for one in shown] == [
        (RuntimeWarning, "networks.py", 3), (UserWarning, "networks.py", 3),
    ]  # fmt: skip
