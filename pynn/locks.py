"""Locks of models, and what becomes of locks and claims in a forked child. Knows no models.

A child has no thread but the one that forked. What the others held is free there; what they were in the middle of
changing would stay half done, so a fork waits until no such change is under way.
"""

from __future__ import annotations

import functools
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

PATIENCE = 5.0  # seconds that a fork waits for changes to end
PAUSE = 0.0002
HALF_DONE = (
    "this process was forked while another thread was changing the model, so its numbers may be half old and half new "
    "here; load it from a file, or fork when no thread trains it"
)
IN_THE_MIDDLE = (
    "the model is being copied or saved by this thread while another one trains it, so it can be neither run nor "
    "changed here, such as in an own __deepcopy__ or __getstate__; do that before or after it is copied or saved"
)


class Lock:
    """One thread at a time uses a model, since layers reuse their buffers, and again within that use.

    `with lock` is for changes, `with lock.held()` for what leaves the model as it is, or marks each change by itself
    with `begin` and `end`.
    """

    def __init__(self) -> None:
        self._lock, self._holders = threading.RLock(), list[int]()
        self.changing = 0  # changes under way or about to begin, one inside the other; the holder's alone to set
        self._begun = False  # the first of them has begun
        self._asked = False  # the holder waits to begin a change
        self.waiters: list[int] = []  # the threads that need the model between two changes
        self.half_done = False  # in a child

    def __enter__(self) -> None:
        self._acquire()
        try:
            self.begin()
        except BaseException:  # Ctrl-C while it waits
            self._release()
            raise

    def __exit__(self, *error: object) -> None:
        self.end()
        self._release()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold it without changing the model."""
        self._acquire()
        before = self.changing, self._begun
        try:
            yield
        finally:
            self.changing, self._begun = before  # a change that failed has ended too
            self._release()

    @contextmanager
    def between_changes(self) -> Iterator[None]:
        """See the model between two changes, while another thread may hold the lock."""
        self.expect_whole()
        if self.mine():
            yield
            return
        self.waiters.append(threading.get_ident())
        try:
            while self.changing:
                time.sleep(PAUSE)
            yield
        finally:
            self._go_on()

    def begin(self) -> None:
        """The holder begins a change, after those who wait for the end of the last one."""
        self.changing += 1
        if self.waiters and self.changing == 1:
            self._wait_for_others()
        self._begun = True

    def end(self) -> None:
        """It is done."""
        self.changing -= 1
        self._begun = self.changing > 0

    def _wait_for_others(self) -> None:
        me = threading.get_ident()
        try:
            while any(thread != me for thread in list(self.waiters)):
                self.changing, self._asked = 0, True
                time.sleep(PAUSE)
                self.changing = 1
        finally:
            self._asked = False

    def _go_on(self) -> None:
        """One thread less waits, or looks at the model."""
        if (me := threading.get_ident()) in self.waiters:  # not in a child, which has begun anew
            self.waiters.remove(me)

    def mine(self) -> bool:
        """Whether this thread holds it."""
        return self._holders[-1:] == [threading.get_ident()]

    def elsewhere(self) -> bool:
        """Whether another thread holds it."""
        return bool(self._holders) and not self.mine()

    def expect_whole(self) -> None:
        """RuntimeError in a child that has half of a change."""
        if self.half_done:
            raise RuntimeError(HALF_DONE)

    def renew(self) -> None:
        """In a forked child: nobody else holds it."""
        self.waiters, self._asked = [], False
        if self.elsewhere():
            self.half_done = self.half_done or self._begun
            self.changing, self._begun, self._holders = 0, False, []
        if not self._lock.acquire(blocking=False):
            self._lock = threading.RLock()
        else:
            self._lock.release()

    def _acquire(self) -> None:
        self.expect_whole()
        if threading.get_ident() in self.waiters:
            self._acquire_in_between()
        else:
            self._lock.acquire()
        self._holders.append(threading.get_ident())

    def _acquire_in_between(self) -> None:
        """RuntimeError where its holder waits for this very thread: each would wait for the other for ever."""
        while not self._lock.acquire(timeout=PAUSE):
            if self._asked:
                raise RuntimeError(IN_THE_MIDDLE)

    def _release(self) -> None:
        self._holders.pop()
        self._lock.release()


# Forks --------------------------------------------------------------------------------------------

_KNOWN: dict[int, weakref.ref[Any]] = {}  # by identity: own models may compare equal, or have no hash
_FORKING: dict[int, list[Lock]] = {}  # the locks that a thread waits for which is about to fork


def register_for_forks(thing: Any) -> None:
    """In a forked child thing._in_child() is called; a fork waits until the changes under its `lock`, if any, end."""
    key, forget = id(thing), _KNOWN.pop
    _KNOWN[key] = weakref.ref(thing, lambda _: forget(key, None))


def _known() -> list[Any]:
    return [thing for one in list(_KNOWN.values()) if (thing := one()) is not None]


def _before() -> None:
    locks = [lock for thing in _known() if (lock := getattr(thing, "lock", None)) is not None and not lock.mine()]
    _FORKING[threading.get_ident()] = locks
    for lock in locks:
        lock.waiters.append(threading.get_ident())
    end = time.monotonic() + PATIENCE
    while any(lock.changing for lock in locks) and time.monotonic() < end:
        time.sleep(PAUSE)


def _in_parent() -> None:
    for lock in _FORKING.pop(threading.get_ident(), ()):
        lock._go_on()


def _in_child() -> None:
    _FORKING.clear()
    for thing in _known():
        thing._in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)


P = ParamSpec("P")
R = TypeVar("R")


class Claim:
    """Who uses a thing just now. refusal: what a RuntimeError tells another thread that wants it meanwhile.

    Copies and pickles are new claims, which nobody holds.
    """

    def __init__(self, refusal: str) -> None:
        self.refusal, self._guard = refusal, threading.Lock()
        self._users: list[tuple[int, int]] = []  # thread and key, once for each `use`
        register_for_forks(self)

    def _in_child(self) -> None:
        """In a forked child: it has none of the other threads that may have had the thing."""
        me = threading.get_ident()
        self._guard, self._users = threading.Lock(), [user for user in self._users if user[0] == me]

    def __reduce__(self) -> tuple[Any, ...]:
        return Claim, (self.refusal,)

    def held(self, key: object) -> bool:
        """Whether this thread has it, or somebody for this key."""
        me = threading.get_ident()
        return any(thread == me or mine == id(key) for thread, mine in self._users)

    @contextmanager
    def use(self, key: object = None) -> Iterator[None]:
        """Have the thing meanwhile, again and again in one thread; RuntimeError where another thread has it.

        key: the object that it is used for, if any: threads that use it for the same one do not disturb each other.
        """
        user = threading.get_ident(), 0 if key is None else id(key)
        with self._guard:
            if any(thread != user[0] and (key is None or mine != user[1]) for thread, mine in self._users):
                raise RuntimeError(self.refusal)
            self._users.append(user)
        try:
            yield
        finally:
            with self._guard:
                self._users.remove(user)


def one_at_a_time(function: Callable[P, R]) -> Callable[P, R]:
    """The function of a model (its first argument), which two threads cannot run for one model at the same time."""

    @functools.wraps(function)
    def claiming(*args: P.args, **kwargs: P.kwargs) -> R:
        model = args[0] if args else kwargs["model"]
        with model.context.training.use():  # type: ignore[attr-defined]
            return function(*args, **kwargs)

    return claiming
