"""Schedules of dropout and weight decay that have ended before a run: a second run would train without them."""

from __future__ import annotations

from collections.abc import Iterator

from .. import checks
from ..messages.terminal import called
from ..optimizers import Optimizer
from ..schedules import Schedule
from .trainable import Trainable

WITHIN = (0.25, 0.5, 0.75)  # of an epoch: a rate that is 0 for a moment is not there
LOOKED_AT = 1000  # epochs of a run: a schedule of one's own may come back
SHOWN = 3  # names in the warning


def warn_of_ended(model: Trainable, optimizer: Optimizer, first_epoch: int, epochs: int) -> None:
    """Warn of what a run of these epochs of the model does without, though a run before had it.

    A schedule may well end within a run. Of a learning rate that has ended the trainer warns: then nothing is trained.
    """
    begun = optimizer.epochs_at(first_epoch)
    if not begun or not epochs or (optimizer.schedule is not None and optimizer.schedule._ended(begun)):
        return
    ended = [
        (what, schedule)
        for what, schedule in _scheduled(model, optimizer)
        if schedule._ended(begun)
        and not any(schedule(begun + epoch + share) for epoch in range(min(epochs, LOOKED_AT)) for share in WITHIN)
    ]
    if not ended:
        return
    names = [what for what, _ in ended[:SHOWN]] + ([f"{len(ended) - SHOWN} more"] if len(ended) > SHOWN else [])
    whole = " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
    checks.warn(
        f"{whole} {'is' if len(ended) == 1 else 'are'} 0 in this run: {ended[0][1]!r} has ended; its epochs count from "
        "the optimizer's first run. If the run should have it, pass a new optimizer, with which all schedules begin "
        "anew, or choose a longer schedule"
    )


def _scheduled(model: Trainable, optimizer: Optimizer) -> Iterator[tuple[str, Schedule]]:
    """What follows a schedule besides the learning rate."""
    if optimizer.weight_decay_schedule is not None:
        yield "the weight decay", optimizer.weight_decay_schedule
    for layer in model.walk():
        if isinstance(rate := getattr(layer, "rate", None), Schedule):
            yield f"the rate of {called(layer)}", rate
