"""Claim: a thing that one user at a time may have; another thread is refused, not made to wait. Knows no models."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from .locks import register_for_forks

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
