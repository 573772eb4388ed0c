"""Pictures of a training run, its layers and its data. Needs matplotlib (extra `plot`).

| function | draws |
|---|---|
| history | curves of the loss and other measurements over the epochs |
| update_ratios | size of a step beside that of the weights, for each layer |
| activations | mean, spread, dead and saturated units of each layer over the steps; feature maps |
| histograms | distributions of outputs, gradients or weights of each layer |
| weights | the weights of the first layer as pictures |
| confusion | which classes are taken for which |
| importance | which columns of a table a model goes by |
| predicted | predicted against true numbers |
| learning_rate_range | the curve of a range test |
| schedule | a learning rate over the epochs |
| trials | the curves of a search's best trials |
| parameters | the score of a search's trials against each parameter |
| parallel_coordinates | a search's trials as lines through their parameters |
| search_report | the last three in one picture |
| table_report | the training, the test and the columns of a model for tables |
| misread, report | misclassified samples, without and with the curves |
| whitening | images, components, whitened images |
| save | writes a figure to a file |

The first nine, and the first three of a search, take axes, ``ax``, and return the axes they drew into: one, or an array
of them. Without ax they make a figure, which is ``.figure`` of what they return. Figures are independent: no pyplot, no
window, no global state.
What the layers did is known for runs with a `pynn.Monitor`.
"""

from __future__ import annotations

try:
    import matplotlib as _matplotlib  # noqa: F401 (an extra: say so before a submodule fails)
except ModuleNotFoundError as cause:
    raise ImportError('pictures need matplotlib: pip install "pynn-cpu[plot]"') from cause

from .classes import confusion
from .curves import history, learning_rate_range, schedule
from .distributions import histograms
from .figures import save
from .mosaics import weights, whitening
from .samples import misread, report
from .search import parallel_coordinates, parameters, search_report, trials
from .tables import importance, predicted, table_report
from .watched import activations, update_ratios

__all__ = [
    "activations",
    "confusion",
    "histograms",
    "history",
    "importance",
    "learning_rate_range",
    "misread",
    "parallel_coordinates",
    "parameters",
    "predicted",
    "report",
    "save",
    "schedule",
    "search_report",
    "table_report",
    "trials",
    "update_ratios",
    "weights",
    "whitening",
]
