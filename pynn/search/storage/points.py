"""The points of the grid that the trials of a study do: trial by trial in the order of their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from ...checks import warn
from ..space import Space
from ..space.grid import Grid, Point, expect_room

FINENESS = "pynn_grid"  # name of the attribute: the fineness of the grid to which a trial belongs


class Points:
    """What a study has of its grid. Processes that share it agree on the points, since trials are numbered once.

    Parameters
    ----------
    storage : BaseStorage
        Where the study is kept.
    study : int
        Its key there.
    space : Space
        What is chosen from.
    trials : int
        How many the study is to have.
    frozen : list of FrozenTrial
        Those that it has.
    """

    def __init__(
        self, storage: BaseStorage, study: int, space: Space, trials: int, frozen: Sequence[FrozenTrial]
    ) -> None:
        self._storage, self._study = storage, study
        self._grid = Grid(space)
        self._points: dict[int, Point | None] = {}  # of trials that have not ended
        self.seen = 0  # trials whose points are known
        for one in sorted(frozen, key=lambda one: one.number):
            self._see(one)
        room = trials - sum(FINENESS not in one.user_attrs for one in frozen)
        if not self._grid.fineness:
            expect_room(space, room)
        self.fineness, finest = self._grid.finest(room), Grid(space).finest(room)
        if not self.left and finest > self.fineness:
            size = space.grid_size(2 * self.fineness - 1)
            warn(f"all points of the grid are done; the next finer one that contains them has {size}: raise trials")

    @property
    def left(self) -> int:
        """How many points no trial does."""
        return self._grid.left(self.fineness)

    def _see(self, frozen: FrozenTrial) -> None:
        self.seen = frozen.number + 1
        if FINENESS in frozen.user_attrs:
            point = self._grid.take(frozen.user_attrs[FINENESS])
            if not frozen.state.is_finished():
                self._points[frozen.number] = point

    def look(self) -> None:
        """See the trials that this process and others have begun in the meantime."""
        with suppress(KeyError):  # there is no trial of the next number
            while True:
                key = self._storage.get_trial_id_from_study_id_trial_number(self._study, self.seen)
                self._see(self._storage.get_trial(key))

    def give(self, key: int, number: int) -> bool:
        """Fix the parameters of a trial, as `enqueue_trial` does; False if there was no point left for it."""
        if number >= self.seen:  # another process began it, and is gone
            self.look()
        if number not in self._points:  # another sampler's
            return True
        point = self._points.pop(number)
        if point is not None:
            self._storage.set_trial_system_attr(key, "fixed_params", point)
        return point is not None
