"""What a search shows while it runs: a bar with the best score on a terminal, elsewhere lines if they are wanted."""

from __future__ import annotations

import re
import sys
from typing import Any

from ..callbacks import progress as progresses
from ..messages import terminal

LINES = 10  # of a search whose stderr is no terminal
SHORTEST = 5  # characters of the bar


class Shown:
    """The trials that have ended.

    Parameters
    ----------
    study : str
        The study's name.
    total, ended : int
        Trials in all, and those that have ended before.
    metric : str
        What the score is.
    progress : bool or str
        As for `Search`.
    """

    def __init__(self, study: str, total: int, ended: int, metric: str, progress: bool | str) -> None:
        stage = re.search(r"stage \d+$", study)
        self._title, self._total, self._ended, self._metric = stage[0] if stage else "search", total, ended, metric
        self._lines = progress is True and not terminal.is_terminal(sys.stderr)
        self._bar: Any = progresses.bar(self._title, total, False if self._lines else progress)
        self._bar.update(ended)

    def show(self, ended: int, best: tuple[float, int] | None) -> None:
        """Show that so many have ended; best: the score and the trial."""
        before, self._ended = self._ended, ended
        texts = ["", ""]
        if best is not None:
            texts = [f"best {self._metric} {best[0]:.4g} (trial {best[1]})", f"best {best[0]:.4g}"]
        if self._lines:
            if ended * LINES // self._total > before * LINES // self._total:
                terminal.say(f"{self._title}: {ended}/{self._total} trials{', ' if best else ''}{texts[0]}")
            return
        self._bar.set_postfix_str(self._fitted(texts), refresh=False)
        self._bar.update(ended - self._bar.n)

    def _fitted(self, texts: list[str]) -> str:
        """The first text if it fits into the terminal beside a bar, which becomes shorter; else the second."""
        self._bar.ncols = width = terminal.width(sys.stderr)
        if width is None:
            return texts[0]
        others = len(f"{self._title} 100%|| {self._total}/{self._total} [00:00<00:00, ]") + 1
        text = texts[0] if others + len(texts[0]) + SHORTEST <= width else texts[1]
        self._bar.bar_format = progresses.LAYOUT.format(
            bar=min(progresses.BAR, max(SHORTEST, width - others - len(text)))
        )
        return text

    def close(self) -> None:
        """Remove the bar."""
        self._bar.close()
