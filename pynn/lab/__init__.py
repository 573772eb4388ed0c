"""The lab: the claims of a course on training networks, each run over several seeds and judged.

>>> pynn.lab.names()
>>> outcome = pynn.lab.run("dropout")
>>> for verdict in outcome.verdicts: print(verdict.claim.text, verdict.holds, verdict.figures)

`pynn lab` on the command line lists the experiments, runs them and writes a page with all pictures. Each is a short
module in `pynn/lab/experiments`, to be read as the example of its technique.

| module | what it knows |
|---|---|
| contents | the experiments in the order of the course |
| experiment | claims, margins, and what an experiment consists of |
| outcome | verdicts from the figures of the seeds |
| runner | processes, and `run` |
| store | results in files |
| texts | explanations, in English and Korean |
| wording | figures, margins and verdicts as text |
| drawing | the style of the pictures |
| page | the page with all of them |
"""

from __future__ import annotations

from .contents import names
from .experiment import Claim, Experiment
from .outcome import Outcome, Verdict
from .runner import run

__all__ = ["Claim", "Experiment", "Outcome", "Verdict", "names", "run"]
