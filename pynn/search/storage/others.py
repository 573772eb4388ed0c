"""Which trials of a study are under way in other runs, and which are left over from runs that are gone."""

from __future__ import annotations

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from . import claims
from .beats import Beats
from .claims import PROCESS, Claim


class Others:
    """The runs of a study, as one of them sees the others.

    Parameters
    ----------
    storage : BaseStorage
        Where the study is.
    study : int
        The study there.

    Attributes
    ----------
    claim : Claim
        Of this run.
    running : list of FrozenTrial
        Trials of other runs that were under way when `look` saw them.
    """

    def __init__(self, storage: BaseStorage, study: int) -> None:
        self._storage, self._study = storage, study
        self.claim = Claim()
        self._beats = Beats(storage, study, self.claim.run)
        self.running: list[FrozenTrial] = []
        self._left: list[int] = []  # numbers of trials of runs that are gone

    def begin(self) -> None:
        """This run begins."""
        self.claim.begin()
        self._beats.start()

    def end(self) -> None:
        """This run has ended."""
        self._beats.stop()
        self.claim.end()

    def look(self, states: tuple[TrialState, ...] | None = None) -> list[FrozenTrial]:
        """The trials of these states; find out which of those under way are left over, and which others do."""
        frozen, unsigned = claims.settled(
            lambda: self._storage.get_all_trials(self._study, deepcopy=False, states=states)
        )
        signed = [
            one for one in frozen
            if one.state == TrialState.RUNNING and PROCESS in one.user_attrs and one.number not in self.claim.numbers
        ]  # fmt: skip
        self._beats.look([claims.run(one) for one in signed if claims.lives(one) is None])
        self._left = sorted(unsigned | {one.number for one in signed if self._is_left(one)})
        self.running = [one for one in signed if not self._is_left(one) and not self._is_outer(one)]
        return frozen

    def look_again(self) -> bool:
        """Whether there are trials of runs that are gone now."""
        self.look((TrialState.RUNNING,))
        return bool(self._left)

    def left_over(self) -> int | None:
        """The key of a trial whose run is gone, and that no other has taken up."""
        while self._left:
            key = self._storage.get_trial_id_from_study_id_trial_number(self._study, self._left.pop(0))
            frozen = self._storage.get_trial(key)
            if frozen.state == TrialState.RUNNING and self._is_left(frozen):
                return key
        return None

    def unheard(self) -> list[FrozenTrial]:
        """Those that are under way in processes that cannot be seen from here, and were not heard of yet."""
        return [one for one in self.running if claims.lives(one) is None and not self._beats.heard(claims.run(one))]

    def _is_left(self, trial: FrozenTrial) -> bool:
        """Whether the run that has signed a trial is gone."""
        lives = claims.lives(trial)
        return self._beats.gone(claims.run(trial)) if lives is None else not lives

    def _is_outer(self, trial: FrozenTrial) -> bool:
        """Whether this run was started from within the trial: it cannot end before."""
        theirs = claims.claim(claims.holder(trial))
        return theirs is not None and theirs.thread == self.claim.thread
