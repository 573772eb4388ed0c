"""Rules on the curves of a history alone, where no Monitor watched."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ...typing import Array
from .. import thresholds as at
from ..verdicts import Verdict, Verdicts

WATCH = "Train with callbacks=[pynn.Monitor()] to see why"


def judge_curves(epochs: Sequence[Mapping[str, float]], stopped: str | None) -> Verdicts:
    """Verdicts on the measurements of the epochs; stopped: why the run ended early."""
    curves = {
        name: np.array([epoch.get(name, math.nan) for epoch in epochs]) for name in (epochs[-1] if epochs else ())
    }
    return Verdicts(_found(curves, stopped or ""))


def _found(curves: Mapping[str, Array], stopped: str) -> Iterator[Verdict]:
    loss = curves.get("loss", np.array([]))
    if "NaN" in stopped or "nan" in stopped or not np.isfinite(loss).all():
        yield Verdict("learning_rate_too_large", "error", "", f"the loss is not finite: {stopped}", f"{WATCH}.")
        return
    if len(loss) < 4:
        return
    start, end, least = float(loss[0]), float(loss[-1]), float(loss.min())
    if end > at.RISE * max(least, 1e-12) and end > 0.5 * start:
        yield Verdict(
            "learning_rate_too_large", "warning", "", f"the loss fell to {least:.3g} and rose to {end:.3g}",
            f"Divide the rate by 10. {WATCH}.",
        )  # fmt: skip
    elif start - end < 0.01 * abs(start) and not curves.get("accuracy", np.zeros(1))[-1] > 0.8:
        yield Verdict(
            "learning_rate_too_small", "warning", "",
            f"the loss went from {start:.4g} to {end:.4g} in {len(loss)} epochs", f"Multiply the rate by 10. {WATCH}.",
        )  # fmt: skip
    held = curves.get("val_loss", np.array([]))
    held = held[np.isfinite(held)]
    if len(held) >= 4:
        best, last = int(held.argmin()), float(held[-1])
        if (
            best < at.BEST_BEFORE * len(held)
            and last > at.OVERFITTED * float(held[best]) + 1e-12
            and end < float(loss[best])
        ):
            yield Verdict(
                "overfitting", "warning", "",
                f"val_loss was lowest in epoch {best + 1} ({held[best]:.3g}) and ended at {last:.3g}",
                "Stop there (pynn.EarlyStopping()), and regularize: dropout, a penalty, augmentation, or more data.",
            )  # fmt: skip
