"""Pipelines of transformers, and transformers in pipelines and searches of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from transformer_cases import every

import pynn
from pynn.preprocessing import Transformer

# Pipelines ----------------------------------------------------------------------------------------


def test_a_pipeline_does_what_its_steps_do_in_a_row(images: np.ndarray) -> None:
    pipeline = pynn.Pipeline(pynn.Standardization("channel"), pynn.PCA(10), pynn.MinMaxScaling())
    y = images
    for step in (pynn.Standardization("channel"), pynn.PCA(10), pynn.MinMaxScaling()):
        y = step.fit_transform(y)
    np.testing.assert_allclose(pipeline.fit_transform(images), y, atol=1e-12)
    np.testing.assert_allclose(pipeline.transform(images), y, atol=1e-12)
    back = pipeline.inverse_transform(y)
    expected = images
    for step in pipeline:
        expected = step.transform(expected)
    for step in (pipeline[2], pipeline[1], pipeline[0]):
        expected = step.inverse_transform(expected)
    np.testing.assert_allclose(back, expected, atol=1e-12)
    nested = pynn.Pipeline(pynn.Pipeline(pynn.Standardization("channel"), pynn.PCA(10)), pynn.MinMaxScaling())
    np.testing.assert_array_equal(nested.fit_transform(images), pipeline.transform(images))


def test_a_pipeline_is_a_sequence() -> None:
    steps = pynn.MeanSubtraction("all"), pynn.PCA(5), pynn.Standardization()
    pipeline = pynn.Pipeline(*steps)
    assert len(pipeline) == 3
    assert list(pipeline) == list(steps)
    assert (pipeline[0], pipeline[-1]) == (steps[0], steps[2])
    assert type(pipeline[1:]) is pynn.Pipeline
    assert pipeline[1:].steps == steps[1:]
    assert repr(pipeline) == "Pipeline(MeanSubtraction(per='all'), PCA(components=5), Standardization())"
    with pytest.raises(IndexError):
        pipeline[3]


def test_a_pipeline_refuses_invalid_steps(x: np.ndarray) -> None:
    mean = pynn.MeanSubtraction()
    with pytest.raises(ValueError, match="expected at least one transformer"):
        pynn.Pipeline()
    with pytest.raises(TypeError, match=r"one by one; write Pipeline\(\*steps\)"):
        pynn.Pipeline([mean])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"step 1 is .*PCA.*, expected a pynn Transformer; write PCA\(\)"):
        pynn.Pipeline(mean, pynn.PCA)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="occurs twice"):
        pynn.Pipeline(mean, mean)
    pipeline = pynn.Pipeline(mean.fit(x), pynn.PCA(2).fit(x[:, :3]))
    with pytest.raises(ValueError, match=r"step 0 makes samples of shape \(6,\), but step 1 was fitted on \(3,\)"):
        pipeline.transform(x)
    with pytest.raises(ValueError, match="components is 6, but 50 samples of 2 features have only 2"):
        pynn.Pipeline(pynn.PCA(2), pynn.PCA(6)).fit(x)


def test_a_pipeline_of_fitted_steps_is_fitted(x: np.ndarray) -> None:
    mean = pynn.MeanSubtraction().fit(x)
    pca = pynn.PCA(2).fit(mean.transform(x))
    pipeline = pynn.Pipeline(mean, pca)
    np.testing.assert_allclose(pipeline.transform(x), pca.transform(mean.transform(x)))
    assert not pynn.Pipeline(mean, pynn.PCA()).fitted


def test_parameters_of_a_pipeline_go_down_to_its_steps() -> None:
    pipeline = pynn.Pipeline(pynn.MeanSubtraction(), pynn.Pipeline(pynn.PCA(3), pynn.Whitening()))
    params = pipeline.get_params()
    assert params["0__per"] == "feature"
    assert params["1__0__components"] == 3
    assert params["1__1"] is pipeline[1].get_params()["1"]
    assert pipeline.set_params(**{"0__per": "all", "1__0__components": 2}) is pipeline
    text = "Pipeline(MeanSubtraction(per='all'), Pipeline(PCA(components=2), Whitening()))"
    assert repr(pipeline) == text
    pipeline.set_params(**{"1": pynn.PCA(), "1__components": 4})
    assert repr(pipeline[1]) == "PCA(components=4)"
    before = repr(pipeline)
    for wrong in ({"0__per": "all", "1__components": -1}, {"2": pynn.PCA()}, {"0": 3}, {"0__no": 1, "1": pynn.PCA()}):
        with pytest.raises((ValueError, TypeError)):
            pipeline.set_params(**wrong)
        assert repr(pipeline) == before


# In scikit-learn ----------------------------------------------------------------------------------


@every
def test_scikit_learn_clones_it(make: Callable[[], Transformer], x: np.ndarray) -> None:
    sklearn = pytest.importorskip("sklearn.base")
    validation = pytest.importorskip("sklearn.utils.validation")
    transformer = make().fit(x)
    validation.check_is_fitted(transformer)
    twin = sklearn.clone(transformer)
    assert type(twin) is type(transformer)
    assert repr(twin) == repr(transformer)
    assert twin is not transformer
    with pytest.raises(ValueError, match="not fitted yet"):
        validation.check_is_fitted(twin)
    np.testing.assert_array_equal(twin.fit_transform(x), transformer.transform(x))


@every
def test_a_transformer_works_in_a_pipeline_of_scikit_learn(make: Callable[[], Transformer], x: np.ndarray) -> None:
    pipeline = pytest.importorskip("sklearn.pipeline")
    linear = pytest.importorskip("sklearn.linear_model")
    y = (x[:, 3] > 0.5).astype(int)
    alone = make()
    whole = pipeline.Pipeline([("scale", make()), ("ridge", linear.RidgeClassifier())]).fit(x, y)
    expected = linear.RidgeClassifier().fit(alone.fit_transform(x), y).predict(alone.transform(x))
    np.testing.assert_array_equal(whole.predict(x), expected)
    assert type(alone).__name__ in repr(whole)
    assert whole._repr_html_()
    with pytest.raises(ValueError, match="expected finite numbers"):
        whole.predict(np.full((1, 6), np.nan))


def test_a_search_of_scikit_learn_sets_its_parameters(x: np.ndarray) -> None:
    pipeline = pytest.importorskip("sklearn.pipeline")
    linear = pytest.importorskip("sklearn.linear_model")
    selection = pytest.importorskip("sklearn.model_selection")
    steps = [("before", pynn.Pipeline(pynn.Standardization(), pynn.PCA())), ("ridge", linear.Ridge())]
    y = pynn.PCA().fit_transform(pynn.Standardization().fit_transform(x))[:, 4]
    grid = {"before__1__components": [1, 2, 5], "ridge__alpha": [1e-3]}
    search = selection.GridSearchCV(pipeline.Pipeline(steps), grid, cv=3, error_score="raise").fit(x, y)
    assert search.best_params_["before__1__components"] == 5
    assert repr(steps[0][1]) == "Pipeline(Standardization(), PCA())"
    assert not steps[0][1].fitted
