"""scikit-learn estimators: pynn's networks for pipelines, grid searches and cross-validation (extra `sklearn`).

`MLPClassifier` and `MLPRegressor` take the arguments of scikit-learn's classes of these names and give the same
results several times faster; besides, dropout, batch normalization, class weights, other losses, own layers, own
validation data and callbacks.

`TabularClassifier` and `TabularRegressor` take a data frame as it is, with text, categories, dates and gaps, and train
RealMLP, a network that is good with its defaults.

`WarmStart` makes searches by halving go on from the weights of the last rung.

>>> from pynn.sklearn import MLPClassifier
>>> classifier = MLPClassifier((64,), dropout=0.2, early_stopping=True, random_state=0).fit(X, y)
>>> classifier.predict(X), classifier.score(X, y), classifier.model_.save("model.safetensors")
"""

from __future__ import annotations

try:
    import sklearn
except ModuleNotFoundError as cause:
    if cause.name != "sklearn":
        raise
    raise ImportError('pynn.sklearn needs scikit-learn: pip install "pynn-cpu[sklearn]"') from cause

if tuple(int(part) for part in sklearn.__version__.split(".")[:2]) < (1, 6):
    raise ImportError(
        f'pynn.sklearn needs scikit-learn 1.6 or newer, this is {sklearn.__version__}: pip install "pynn-cpu[sklearn]"'
    )

from .classifier import MLPClassifier
from .regressor import MLPRegressor
from .tabular_classifier import TabularClassifier
from .tabular_regressor import TabularRegressor
from .warm_start import WarmStart

__all__ = ["MLPClassifier", "MLPRegressor", "TabularClassifier", "TabularRegressor", "WarmStart"]
