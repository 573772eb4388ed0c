"""Small models of many kinds of layers, and ensembles: what valid files hold."""

from __future__ import annotations

from typing import Any

import numpy as np

import pynn
from pynn import Sequential


def _numbers(*shape: int) -> Any:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def models() -> list[Sequential]:
    """Built models; together they have nearly all kinds of layers, losses, initializers and transformers."""
    vector = Sequential(
        pynn.Affine(3, penalty=pynn.L2(0.1), initializer=pynn.Glorot(), constraint=pynn.MaxNorm(2.0)),
        *(pynn.BatchNorm(), pynn.ReLU(), pynn.Dropout(0.3), pynn.GaussianNoise(0.1), pynn.Maxout(3), pynn.PReLU()),
        *(pynn.Scale(), pynn.Affine(3, parametrization="ntk"), pynn.PSELU(), pynn.PMish()),
        *(pynn.DropConnect(3, 0.5), pynn.LayerNorm(), pynn.GELU(), pynn.Affine(2, penalty=pynn.ElasticNet(0.1, 0.2))),
        seed=7,
    )
    vector.build((4,))
    vector.notes.update(classes=["cat", "dog"], more=[1, {"a": 2.5}])
    vector.freeze("affine1")
    table = Sequential(
        pynn.Parallel(
            *(None, pynn.Embedding([3, 5], units=2), [pynn.PeriodicEmbedding(3), pynn.Affine(4)]),
            columns=[[0], slice(2, 4), range(1, -1, -1)],
        ),
        *(pynn.ReLU(), pynn.Affine(2)),
    )
    table.build((4,))
    image = Sequential(
        *(pynn.Conv2d(2, 3, stride=2), pynn.GroupNorm(2), pynn.ELU(0.5), pynn.SpatialDropout(0.2)),
        pynn.Residual(pynn.Conv2d(2, initializer=pynn.He(uniform=True)), pynn.BatchNorm(), survival=0.8),
        *(pynn.Upsample(2), pynn.MaxPool2d(2, padding=1), pynn.FractionalMaxPool2d(1.4), pynn.AvgPool2d(2, 1)),
        *(pynn.Flatten(), pynn.Affine(3, initializer=pynn.Orthogonal(), bias_initializer=pynn.Constant(0.1))),
    )
    image.build((6, 5, 1))
    sequence = Sequential(
        *(pynn.Conv1d(2, 3, dilation=2), pynn.SiLU(), pynn.MaxPool1d(2), pynn.AvgPool1d(2, 1), pynn.Softplus()),
        *(pynn.GlobalAvgPool1d(), pynn.Reshape(1, 2), pynn.Affine(2, initializer=pynn.Sparse(1)), pynn.Tanh()),
        *(pynn.Flatten(), pynn.Affine(2), pynn.Softmax()),
        dtype="float64",
    )
    sequence.build((8, 1))
    tree = Sequential(
        pynn.Affine(2, initializer=pynn.RandomWalk()), pynn.SELU(), pynn.HierarchicalSoftmax(5, counts=[1, 2, 3, 4, 5])
    )
    tree.build((3,))
    return [vector, table, image, sequence, tree, *_fitted()]


def _fitted() -> list[Sequential]:
    """Models with transformers, losses and targets of their own."""
    quiet: dict[str, Any] = {"epochs": 1, "progress": False, "batch_size": 8}
    x = _numbers(16, 4)
    regression = Sequential(pynn.Affine(2), pynn.Sigmoid(), pynn.Affine(1))
    steps = pynn.Pipeline(pynn.MinMaxScaling((0, 1)), pynn.PCA(3))
    regression.fit(
        x, 5 * x[:, 0], loss=pynn.Huber(2.0), preprocessing=steps, target_preprocessing=pynn.Standardization(), **quiet
    )
    chain = Sequential(pynn.Affine(3, initializer=pynn.Uniform(0.1)), pynn.Transitions(3))
    chain.fit(
        _numbers(8, 4, 2), np.arange(32).reshape(8, 4) % 3, loss=pynn.StructuredHinge(pynn.ViterbiChain()), **quiet
    )
    several = Sequential(pynn.Affine(2, initializer=pynn.Normal(0.1)), pynn.LeakyReLU(0.2), pynn.Affine(3))
    several.fit(
        x, (x[:, :3] > 0).astype(float), loss=pynn.BinaryCrossEntropy(), preprocessing=pynn.Whitening(), **quiet
    )
    named = Sequential(pynn.Affine(4, penalty=pynn.L1(0.01)))
    labels, steps = np.array(["ant", "bee", "cow", "dog"] * 4), pynn.MeanSubtraction()
    named.fit(x, labels, loss=pynn.Focal(1.5), preprocessing=steps, **quiet)
    table = Sequential(pynn.Affine(3), pynn.ReLU(), pynn.Affine(2))
    columns = {"age": [*range(15), None], "city": ["a", "b", "c", None] * 4, "flag": [True, False] * 8}
    scaling = pynn.Pipeline(pynn.RobustScaling(), pynn.SmoothClip())
    encoder = pynn.TableEncoder(embedding=False, numbers=scaling)
    table.fit(columns, np.arange(16) % 2, preprocessing=encoder, **quiet)
    return [regression, chain, several, named, table]


def ensembles() -> list[pynn.Ensemble]:
    """One of several models, and one of snapshots of a model."""
    members = []
    for seed in range(2):
        model = Sequential(pynn.Affine(2), pynn.ReLU(), pynn.Affine(3), seed=seed)
        model.build((4,))
        members.append(model)
    moments = [{name: array + shift for name, array in members[0].tensors().items()} for shift in (0, 1)]
    return [pynn.Ensemble(members, weights=[1, 3]), pynn.Ensemble.of_snapshots(members[0], moments)]
