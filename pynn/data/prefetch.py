"""Prefetching: a Python thread prepares batches while a loop uses earlier ones. Kernels release the GIL."""

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
    "this process was forked while a thread prepared batches in advance, and a fork copies no other threads; "
    "fork before the loop, or use prefetch=0"
)


def prefetched(source: Iterable[T], ahead: int) -> Generator[T, None, None]:
    """Yield the items of source; a thread takes up to `ahead` of them in advance (0: no thread).

    Order, items and errors are those of the source; an error is raised after the items before it. A consumer that stops
    early must close the generator (contextlib.closing), which waits until the thread has finished its current item. If
    the source reuses arrays, it needs ahead + 2 of them: one in use, `ahead` waiting, one being written.
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
        except BaseException as error:  # pass on KeyboardInterrupt too
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
        while thread.is_alive():  # it may wait for space in the queue, twice if an error follows
            with suppress(queue.Empty):
                ready.get_nowait()
            thread.join(0.01)
