"""Batches that are prepared ahead, on one Python thread beside the loop that uses them. Kernels release the GIL."""

from __future__ import annotations

import contextvars
import os
import queue
import threading
from collections.abc import Generator, Iterable
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")

ITEM, ERROR, END = range(3)
FORKED = (
    "this process was forked while batches were prepared ahead, by a thread that is not here; "
    "fork before, or leave out prefetch"
)


def prefetched(source: Iterable[T], ahead: int) -> Generator[T, None, None]:
    """The items of source, up to `ahead` of them (0: none) taken by a thread before they are asked for.

    Order, items and errors are those of the source; an error comes after the items before it. Whoever does not go to
    the end closes the generator (contextlib.closing): the thread ends with the item it is at, and is waited for.
    Arrays that the source reuses must be ahead + 2 in turn: one in use, `ahead` waiting, one being written.
    """
    if ahead == 0:
        yield from source
        return
    ready: queue.Queue[tuple[int, Any]] = queue.Queue(ahead)
    stop = threading.Event()

    def work() -> None:
        try:
            for item in source:
                ready.put((ITEM, item))
                if stop.is_set():
                    return
            ready.put((END, None))
        except BaseException as error:  # KeyboardInterrupt of a user's iterator too: the loop gets it
            ready.put((ERROR, error))

    thread = threading.Thread(target=contextvars.copy_context().run, args=(work,), name="pynn.prefetch", daemon=True)
    thread.start()
    process = os.getpid()
    try:
        while True:
            if os.getpid() != process:
                raise RuntimeError(FORKED)
            kind, item = ready.get()
            if kind == END:
                return
            if kind == ERROR:
                raise item
            yield item
    finally:
        stop.set()
        while thread.is_alive():  # it may wait for room, more than once when an error follows
            with suppress(queue.Empty):
                ready.get_nowait()
            thread.join(0.01)
