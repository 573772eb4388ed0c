"""Search for hyperparameters, with Optuna (extra `search`): many trials, in one stage or from coarse to fine.

>>> from pynn.search import Search, choice, log_uniform
>>> def build(params):
...     model = pynn.Sequential(pynn.Affine(params["units"]), pynn.ReLU(), pynn.Affine(10))
...     return model, {"optimizer": pynn.Adam(params["learning_rate"])}
>>> search = Search(build, {"units": choice([32, 64]), "learning_rate": log_uniform(1e-5, 1e-1)}, x, y)
>>> result = search.run(trials=60, epochs=10)
>>> print(result), result.best_params, result.best_model

A trial whose loss runs away, and one that is behind the others with a bad diagnosis, ends early. Trials are kept in a
storage (``Search(..., storage="study.log")``), and a search that was killed goes on from there; ``load("study.log")``
reads what it has found. ``jobs=2`` does two trials at a time, in processes, and ``jobs=Client(...)`` those of a Dask
cluster (extra `dask`).
"""

from __future__ import annotations

try:
    import optuna
except ModuleNotFoundError as cause:
    if cause.name != "optuna":
        raise
    raise ImportError('pynn.search needs Optuna: pip install "pynn-cpu[search]"') from cause

if int(optuna.__version__.split(".")[0]) < 5:
    raise ImportError(
        f'pynn.search needs Optuna 5 or newer, this is {optuna.__version__}: pip install "pynn-cpu[search]"'
    )

from .loading import load
from .result import Result
from .search import Search
from .space import choice, integer, log_uniform, uniform
from .storage.records import Trial

__all__ = ["Result", "Search", "Trial", "choice", "integer", "load", "log_uniform", "uniform"]
