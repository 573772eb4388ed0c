"""Link: the connection to a Dask cluster. It sends values and calls to workers, and hears of them. Knows no trials."""

from __future__ import annotations

import asyncio
import queue
import uuid
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from typing import Any

from ...messages.terminal import brief

INSTALL = 'a Dask cluster needs distributed: pip install "pynn-cpu[dask]"'
# What the link says; after the kind comes the key of a call, then values.
ENDED, ERROR, KILLED, DROPPED, REPORT = "ended", "error", "killed", "dropped", "report"


def distributed() -> Any:
    """The module of this name; ImportError says what to install."""
    try:
        import distributed
    except ModuleNotFoundError as cause:
        raise ImportError(INSTALL) from cause
    return distributed


def pickled(build: Callable[..., Any]) -> bytes:
    """Build in Dask's own pickling, which takes lambdas and functions of notebooks; TypeError if it cannot."""
    distributed()
    from distributed.protocol.pickle import dumps

    try:
        content: bytes = dumps(build)
    except Exception as cause:
        raise TypeError(
            f"Search: build is {brief(build)}, which cannot be sent to a Dask cluster, as it holds something that "
            f"cannot be pickled ({cause}); make that in build itself"
        ) from cause
    return content


class Link:
    """A connection to a Dask cluster.

    Parameters
    ----------
    jobs : Client or str
        The user's, or the address of a scheduler.

    Attributes
    ----------
    topic : str
        Where workers report.
    """

    def __init__(self, jobs: Any) -> None:
        self._own = isinstance(jobs, str)
        self._client = _connected(jobs) if self._own else jobs
        self._address = self._client.scheduler.address if self._client.scheduler is not None else "its address"
        self._inbox: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
        self._futures: dict[str, Any] = {}  # of calls, by key
        self._sent: dict[int, tuple[Any, Any]] = {}  # values, and their futures
        self.topic = f"pynn-search-{uuid.uuid4().hex}"
        self._expect_open()
        put = self._inbox.put
        self._client.subscribe_topic(self.topic, lambda event: put((REPORT, *event[1])))

    def _expect_open(self) -> None:
        if self._client.status != "running":
            raise self._lost()

    def _lost(self) -> ConnectionError:
        return ConnectionError(
            f"the connection to Dask's scheduler at {self._address} is lost. All trials that ended are kept: "
            "search.result has them, and with a storage a new search goes on"
        )

    # Workers --------------------------------------------------------------------------------------

    def workers(self) -> set[str]:
        """The addresses of all workers that there are now; ConnectionError without a scheduler."""
        self._expect_open()
        try:
            return set(self._client.nthreads())
        except (OSError, asyncio.TimeoutError) as cause:
            raise self._lost() from cause

    def dismissed(self, address: str) -> bool:
        """Whether a worker that is gone was told to go, by a cluster that shrinks."""
        with suppress(OSError, asyncio.TimeoutError):
            events = [event for _, event in self._client.get_events(address)]
            return any(event.get("action") == "retired" for event in events)
        return False

    # Calls ----------------------------------------------------------------------------------------

    def sent(self, value: Any, workers: Collection[str]) -> Any:
        """A value that is sent to these workers at once, and once to each that is given it later."""
        _, future = self._sent.get(id(value), (None, None))
        if future is None or future.status != "finished":  # all workers that had it are gone
            [future] = self._client.scatter([value], workers=list(workers), broadcast=True, hash=False)
            self._sent[id(value)] = value, future
        return future

    def call(self, address: str, function: Callable[..., Any], *args: Any) -> str:
        """Call a function in this worker only; return the key by which it is heard of."""
        key = f"pynn_{function.__name__}-{uuid.uuid4().hex}"
        future = self._futures[key] = self._client.submit(
            function, *args, key=key, workers=[address], allow_other_workers=False, pure=False
        )
        self._client.loop.add_callback(self._follow, future)
        return key

    async def _follow(self, future: Any) -> None:
        """Hear of the end of a call, in the thread of the client."""
        try:
            value = await self._client.gather(future, asynchronous=True)
        except (asyncio.CancelledError, distributed().CancelledError):
            self._inbox.put((DROPPED, future.key))
        except Exception as error:
            kind = KILLED if isinstance(error, distributed().KilledWorker) else ERROR
            self._inbox.put((kind, future.key, error))
        else:
            self._inbox.put((ENDED, future.key, value))

    def heard(self, seconds: float) -> tuple[Any, ...] | None:
        """What is heard next; None if there is nothing within some seconds."""
        try:
            message = self._inbox.get(timeout=seconds)
        except queue.Empty:
            return None
        if message[0] == DROPPED:
            self._expect_open()
        if message[0] != REPORT and (future := self._futures.pop(message[1], None)) is not None:
            future.release()  # now: the traceback of an error may keep it for long
        return message

    def tell(self, addresses: Iterable[str], function: Callable[..., Any], *args: Any) -> None:
        """Call a function in these workers beside what they do, and wait for it."""
        with suppress(OSError, asyncio.TimeoutError):  # that they are gone is noticed elsewhere
            self._client.run(function, *args, workers=list(addresses), on_error="ignore")

    def cancel(self, keys: Iterable[str]) -> None:
        """Cancel calls."""
        for key in keys:
            if (future := self._futures.pop(key, None)) is not None and self._client.status == "running":
                future.cancel()

    def close(self) -> None:
        """Cancel all calls, and free what was sent."""
        self.cancel(list(self._futures))
        self._sent.clear()
        if self._client.status == "running":
            self._client.unsubscribe_topic(self.topic)
        if self._own:
            self._client.close()


def _connected(address: str) -> Any:
    """A client of the scheduler at this address."""
    try:
        return distributed().Client(address, set_as_default=False)
    except (OSError, ValueError) as cause:
        raise ConnectionError(
            f"no scheduler of Dask answers at {address}: {cause}. Start one with: dask scheduler"
        ) from cause
