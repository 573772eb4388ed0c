"""Locks of models, and how locks and claims are reset in a forked child. Knows no models.

A child has only the thread that forked. Locks of other threads are released there; a change that another thread was
making would stay half done, so a fork waits until no change is in progress.
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
    "this process was forked while another thread was changing the model, so some of its numbers may be old and some "
    "new; load it from a file, or fork while no thread trains it"
)
COPYING = (
    "this thread copies or saves the model while another thread trains it, so the model can be neither run nor changed "
    "here, such as in a custom __deepcopy__ or __getstate__; do that before or after the copy"
)


class Lock:
    """A reentrant lock for the threads that use a model: only one may at a time, because layers reuse their buffers.

    ``with lock`` is for changes. ``with lock.held()`` is for use without changes, or with changes that `begin` and
    `end` mark one by one.
    """

    def __init__(self) -> None:
        self._lock, self._holders = threading.RLock(), list[int]()
        self.changing = 0  # nesting depth of changes in progress or about to begin; only the holder sets it
        self._begun = False  # the outermost change has begun
        self._waiting = False  # the holder waits to begin a change
        self.waiters: list[int] = []  # threads that need the model between two changes
        self.half_done = False  # this process is a child, forked in the middle of a change

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

    def held(self) -> Held:
        """Hold the lock without changing the model."""
        return Held(self)

    @contextmanager
    def between_changes(self) -> Iterator[None]:
        """Read the model between two changes, while another thread may hold the lock."""
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
            self._leave_queue()

    def begin(self) -> None:
        """Begin a change, after the threads that wait for the end of the previous change. For the holder only."""
        self.changing += 1
        if self.waiters and self.changing == 1:
            self._wait_for_others()
        self._begun = True

    def end(self) -> None:
        """End a change."""
        self.changing -= 1
        self._begun = self.changing > 0

    def _wait_for_others(self) -> None:
        me = threading.get_ident()
        try:
            while any(thread != me for thread in list(self.waiters)):
                self.changing, self._waiting = 0, True
                time.sleep(PAUSE)
                self.changing = 1
        finally:
            self._waiting = False

    def _leave_queue(self) -> None:
        """Remove this thread from the waiters."""
        if (me := threading.get_ident()) in self.waiters:  # a child has no waiters
            self.waiters.remove(me)

    def mine(self) -> bool:
        """Whether this thread holds the lock."""
        return self._holders[-1:] == [threading.get_ident()]

    def elsewhere(self) -> bool:
        """Whether another thread holds the lock."""
        return bool(self._holders) and not self.mine()

    def expect_whole(self) -> None:
        """RuntimeError in a child that was forked in the middle of a change."""
        if self.half_done:
            raise RuntimeError(HALF_DONE)

    def renew(self) -> None:
        """In a forked child, free the lock from the parent's other threads."""
        self.waiters, self._waiting = [], False
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
            self._acquire_between_changes()
        else:
            self._lock.acquire()
        self._holders.append(threading.get_ident())

    def _acquire_between_changes(self) -> None:
        """Acquire; RuntimeError instead of a deadlock if the holder waits for this thread."""
        while not self._lock.acquire(timeout=PAUSE):
            if self._waiting:
                raise RuntimeError(COPYING)

    def _release(self) -> None:
        self._holders.pop()
        self._lock.release()


class Held:
    """The context of `Lock.held`: a class costs a prediction less than a generator."""

    def __init__(self, lock: Lock) -> None:
        self._of = lock

    def __enter__(self) -> None:
        lock = self._of
        lock._acquire()
        self._before = lock.changing, lock._begun

    def __exit__(self, *error: object) -> None:
        lock = self._of
        lock.changing, lock._begun = self._before  # a change that failed has ended too
        lock._release()


# Forks --------------------------------------------------------------------------------------------

_REGISTRY: dict[int, weakref.ref[Any]] = {}  # by identity: custom models may compare equal, or not be hashable
_FORKING: dict[int, list[Lock]] = {}  # forking thread: the locks that it waits for


def register_for_forks(instance: Any) -> None:
    """Call instance._in_child() in forked children; a fork waits for changes under the instance's `lock`, if any."""
    key, forget = id(instance), _REGISTRY.pop
    _REGISTRY[key] = weakref.ref(instance, lambda _: forget(key, None))


def _registered() -> list[Any]:
    return [instance for reference in list(_REGISTRY.values()) if (instance := reference()) is not None]


def _before() -> None:
    every = (getattr(instance, "lock", None) for instance in _registered())
    locks = [lock for lock in every if lock is not None and not lock.mine()]
    _FORKING[threading.get_ident()] = locks
    for lock in locks:
        lock.waiters.append(threading.get_ident())
    end = time.monotonic() + PATIENCE
    while any(lock.changing for lock in locks) and time.monotonic() < end:
        time.sleep(PAUSE)


def _in_parent() -> None:
    for lock in _FORKING.pop(threading.get_ident(), ()):
        lock._leave_queue()


def _in_child() -> None:
    _FORKING.clear()
    for instance in _registered():
        instance._in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)


P = ParamSpec("P")
R = TypeVar("R")


class Claim:
    """Records which threads use an object. refusal: the RuntimeError for another thread at the same time.

    Copies and pickles are new claims without users.
    """

    def __init__(self, refusal: str) -> None:
        self.refusal, self._guard = refusal, threading.Lock()
        self._users: list[tuple[int, int]] = []  # (thread, key) for each `use`
        register_for_forks(self)

    def _in_child(self) -> None:
        """In a forked child, forget the users in other threads."""
        me = threading.get_ident()
        self._guard, self._users = threading.Lock(), [user for user in self._users if user[0] == me]

    def __reduce__(self) -> tuple[Any, ...]:
        return Claim, (self.refusal,)

    def held(self, key: object) -> bool:
        """Whether this thread uses the object, or any thread uses it for this key."""
        me = threading.get_ident()
        return any(thread == me or used_for == id(key) for thread, used_for in self._users)

    @contextmanager
    def use(self, key: object = None) -> Iterator[None]:
        """Use the object within this context, reentrantly; RuntimeError if another thread uses it.

        key: the object for which it is used, if any: threads that use it for the same key do not exclude each other.
        """
        user = threading.get_ident(), 0 if key is None else id(key)
        with self._guard:
            if any(thread != user[0] and (key is None or used_for != user[1]) for thread, used_for in self._users):
                raise RuntimeError(self.refusal)
            self._users.append(user)
        try:
            yield
        finally:
            with self._guard:
                self._users.remove(user)


def one_at_a_time(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function of a model, its first argument: two threads cannot run it for the same model at a time."""

    @functools.wraps(function)
    def claiming(*args: P.args, **kwargs: P.kwargs) -> R:
        model = args[0] if args else kwargs["model"]
        with model.context.training.use():  # type: ignore[attr-defined]
            return function(*args, **kwargs)

    return claiming
