"""The score of a search's trials against each parameter, on its own scale, with the ends at which the best ones sit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .... import searched
from .. import frame, words
from ..frame import SIZE
from ..scales import Scale
from . import axes, reading
from .axes import Axis

FEW = 300  # trials: more are drawn paler
LANE = 0.09  # of the height, beyond the bad end of the axis, for trials without a score
BAR = 0.035  # of the height, for the range of each stage
COLOURS = 6


def html(result: Any, trials: Sequence[Any]) -> str:
    """The section: a chart for each parameter."""
    scores = reading.scale(result, trials)
    bars = BAR * len(result.spaces) if reading.staged(result) else 0.0
    lane = 1 - bars
    if reading.has_scores(trials):
        lane = LANE if _lost(trials) else 0.0
    charts = [
        Points(result, trials, scores, name, axis, (lane, bars)).html(f"parameter-{place}")
        for place, (name, axis) in enumerate(axes.of(result).items())
    ]
    return f'{_legend(result, trials)}<div class="grid">{"".join(charts)}</div>'


class Points:
    """A chart of one parameter.

    scores: the axis of the scores; room: shares of the height that are not for it: for trials without a score, and
    above all for the range of each stage.
    """

    def __init__(
        self, result: Any, trials: Sequence[Any], scores: Scale, name: str, axis: Axis, room: tuple[float, float]
    ) -> None:
        self._result, self._scores, self._name, self._axis = result, scores, name, axis
        self._lane, self._bars = room
        self._below = self._lane if result.mode == "max" else 0.0  # where scores begin
        self._rows = [row for row, one in enumerate(trials) if name in one.params and one.ended != searched.UNFINISHED]
        self._own = [trials[row] for row in self._rows]
        self._x = np.array([axis.of_trial(one.params[name], one.number) for one in self._own])
        self._y = np.array([self._up(one) for one in self._own])

    def _up(self, trial: Any) -> float:
        value = searched.score(trial)
        if math.isfinite(value):
            return self._squeezed(float(self._scores.at([value])[0]))
        return self._lane / 2 + (0 if self._below else 1 - self._bars - self._lane)

    def _squeezed(self, at: float) -> float:
        return self._below + at * (1 - self._bars - self._lane)

    def html(self, name: str) -> str:
        """The chart."""
        ticks = self._scores.ticks(5) if self._lane < 1 - self._bars else []
        ys = [(self._squeezed(at), text) for at, text in frame.marks(self._scores, ticks)]
        xs = self._axis.marks()
        grid = frame.grid([] if self._axis.named else [at for at, _ in xs], [at for at, _ in ys])
        sentences, shades = self._edges()
        drawn = frame.square(f"{shades}{grid}{self._lanes()}{self._dots()}{self._ranges()}")
        drawn += self._crosses() + self._best()
        flat = "" if ticks else " flat"
        good = np.isfinite(self._x)
        places = [(1000 * each[good]).round().astype(int).tolist() for each in (self._x, self._y)]
        rows = [row for row, known in zip(self._rows, good.tolist(), strict=True) if known]
        log = " (log scale)" if self._axis.log and not self._axis.named else ""
        named = f" named{' many' if len(self._axis.values) > 4 else ''}" if self._axis.named else ""
        return frame.figure(
            name, self._name, self._told(), ys, xs, drawn, f"{self._name}{log}",
            up=self._result.metric if ticks else "", kind=f"of-trials points{named}{flat}",
            data=words.data({"x": places[0], "y": places[1], "rows": rows}),
            notes=[*(f'<span class="warned">{one}</span>' for one in sentences), self._absent()],
        )  # fmt: skip

    def _told(self) -> str:
        best = ""
        if self._result.ranked and self._name in self._result.ranked[0].params:
            best = f"; the best has {reading.plain(self._result.ranked[0].params[self._name])}"
        trials = words.several(len(self._own), "trial")
        return f"{self._result.metric} against {self._name} of {trials}{best}. Arrow keys read the trials."

    def _absent(self) -> str:
        count, trials = sum(self._name in one.params for one in self._result.trials), len(self._result.trials)
        only = "It is the only choice. " if len(self._axis.values) == 1 else ""
        return only + (f"{count:,} of {trials:,} trials have it." if count < trials else "")

    # Drawing --------------------------------------------------------------------------------------

    def _dots(self) -> str:
        parts = []
        pale = "" if len(self._own) <= FEW else " pale"
        kinds = [self._kind(one) for one in self._own]
        for kind in sorted({*kinds} - {""}):  # "early" before "finished", which thereby are on top
            chosen = [place for place, each in enumerate(kinds) if each == kind]
            path = frame.dots(self._x[chosen], self._y[chosen])
            parts.append(f'<path class="dots {kind}{pale}" d="{path}"/>')
            if kind.startswith("early"):
                parts.append(f'<path class="dots hollow" d="{path}"/>')
        return "".join(parts)

    def _kind(self, trial: Any) -> str:
        if not math.isfinite(searched.score(trial)):
            return ""
        return f"{'finished' if trial.ended == searched.FINISHED else 'early'} {colour(trial.stage)}"

    def _lanes(self) -> str:
        """The ground behind trials without a score."""
        if not self._lane:
            return ""
        top = self._up_end()
        return f'<rect class="lane" x="0" width="{SIZE}" y="{frame.down(top)}" height="{self._lane * SIZE:.1f}"/>'

    def _up_end(self) -> float:
        return self._lane if self._below else 1 - self._bars

    def _crosses(self) -> str:
        """A cross for each trial without a score. In the square, which is stretched, it would be askew."""
        lost = [x for x, one in zip(self._x, self._own, strict=True) if not self._kind(one) and math.isfinite(x)]
        crosses = "".join(f'<i style="left:{frame.percent(x)}">×</i>' for x in lost)
        up = frame.percent(self._up_end() - self._lane / 2)
        return f'<div class="crosses" style="bottom:{up}" aria-hidden="true">{crosses}</div>' if lost else ""

    def _best(self) -> str:
        """A star at the best trial."""
        if not self._result.ranked or self._name not in (best := self._result.ranked[0]).params:
            return ""
        x, y = self._axis.of_trial(best.params[self._name], best.number), self._up(best)
        return (
            f'<span class="star" style="left:{frame.percent(x)};bottom:{frame.percent(y)}" aria-hidden="true">★</span>'
        )

    def _ranges(self) -> str:
        """Of several stages a bar for the range of each, above all."""
        parts = []
        for stage, space in enumerate(self._result.spaces, 1) if self._bars else ():
            height = 1 - BAR * (stage - 0.4)
            for part in space.flat().get(self._name, ()):
                for low, high in self._spans(part):
                    d = f"M{frame.right(low)} {frame.down(height)}H{frame.right(high)}"
                    parts.append(f'<path class="range {colour(stage)}" d="{d}"/>')
        return "".join(parts)

    def _spans(self, part: Any) -> list[tuple[float, float]]:
        if hasattr(part, "options"):
            half = 0.4 / max(len(self._axis.values), 1)
            return [(self._axis.at(value) - half, self._axis.at(value) + half) for value, _ in part.options]
        return [] if self._axis.named else [(self._axis.at(part.low), self._axis.at(part.high))]

    def _edges(self) -> tuple[list[str], str]:
        """The ends at which the best trials sit: in words, and as shades."""
        sentences, shades = [], []
        for stage, edges in enumerate(self._result.edges, 1):
            end = edges.get(self._name)
            if end is None or self._axis.named:
                continue
            best = next(one for one in self._result.ranked if one.stage == stage)
            part = self._result.spaces[stage - 1].active(best.params)[self._name]
            low, high = map(self._axis.at, part.edge(end))
            shades.append(
                f'<rect class="warned" x="{frame.right(low)}" width="{(high - low) * SIZE:.1f}" y="0" height="{SIZE}"/>'
            )
            of_stage = f" of stage {stage}" if reading.staged(self._result) else ""
            where = "below" if end == "lower" else "above"
            sentences.append(f"The best{of_stage} sit at the {end} end: better values may lie {where} it.")
        return sentences, "".join(shades)


def colour(stage: int) -> str:
    """The class of a stage's colour."""
    return f"stage{(stage - 1) % COLOURS}"


def _lost(trials: Sequence[Any]) -> bool:
    """Whether a trial has ended without a score."""
    return any(one.ended != searched.UNFINISHED and not math.isfinite(searched.score(one)) for one in trials)


def _legend(result: Any, trials: Sequence[Any]) -> str:
    """The marks that occur."""
    ended = {one.ended for one in trials}
    keys = []
    if reading.staged(result):
        keys += [words.key(f"dot {colour(stage)}", f"stage {stage}") for stage in range(1, len(result.spaces) + 1)]
    elif searched.FINISHED in ended:
        keys.append(words.key(f"dot {colour(1)}", "finished"))
    if ended & set(searched.EARLY):
        keys.append(words.key("dot open", "stopped or pruned"))
    if _lost(trials):
        keys.append('<span class="key"><b class="cross">×</b>diverged or failed</span>')
    if result.ranked:
        keys.append('<span class="key"><b class="star">★</b>the best</span>')
    bars = " Bars above are the ranges of the stages." if reading.staged(result) else ""
    told = f"{words.escaped(result.metric, 60)} against each parameter, on its own scale.{bars}"
    if not reading.has_scores(trials):
        told = f"No trial has a score to draw: only the values of each parameter that were tried are shown.{bars}"
    return f'<p class="hint">{told}</p><div class="legend">{"".join(keys)}</div>'
