"""Hierarchical softmax: a class is a path of binary decisions down a tree.

A tree of M nodes has C = M + 1 classes. parents (2M+1,): int64, 2·node + code; that of class c at index c, of node i at
C+i. Node 0 is the root (its entry is not read). A node precedes those below it. The decision at a node is code 1 with
probability σ(x · node + bias).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..checks import REQUIRED, Floats, checked

Integers = NDArray[np.int64]


def _check_tree(where: str, parents: Integers, nodes: int) -> None:
    if len(parents) != 2 * nodes + 1:
        raise ValueError(
            f"{where}: parents has shape {parents.shape}, expected ({2 * nodes + 1},): {nodes + 1} classes "
            f"and {nodes} nodes"
        )


def _check_parents(where: str, places: Integers, found: Integers, limits: Integers) -> None:
    """Each parent must be a node before its child; limits: how many nodes there are before it."""
    wrong = (found < 0) | (found >= 2 * limits)
    if wrong.any():
        first = int(np.argmax(wrong))
        raise ValueError(
            f"{where}: parents[{places[first]}] is {found[first]}, expected 0..{2 * limits[first] - 1} "
            "(2 node + code, of a node before it)"
        )


def _refuse(where: str, labels: Integers, parents: Integers, nodes: int, columns: int) -> None:
    """Raise the ValueError of the first sample whose path is wrong."""
    for sample in range(len(labels)):
        place, limit, steps = labels[sample : sample + 1], np.array([nodes]), 0
        while limit[0] > 0:
            found = parents[place]
            _check_parents(where, place, found, limit)
            limit, steps = found >> 1, steps + 1
            place = nodes + 1 + limit
        if steps > columns:
            raise ValueError(f"{where}: slopes has {columns} columns, too few for the path of labels[{sample}]")


def _steps(where: str, labels: Integers, parents: Integers, nodes: int, columns: int) -> tuple[Integers, Integers]:
    """The steps from each label up to the root (N, columns), then -1; and (sample, column) of each step (2, steps)."""
    _check_tree(where, parents, nodes)
    classes = nodes + 1
    outside = (labels < 0) | (labels >= classes)
    if outside.any():
        first = int(np.argmax(outside))
        raise ValueError(f"{where}: labels[{first}] is {labels[first]}, expected 0..{classes - 1} ({classes} classes)")
    steps = np.full((len(labels), columns), -1)
    walking, place, limit = np.arange(len(labels)), labels, np.full(len(labels), nodes)
    for column in range(columns + 1):
        walking, place, limit = walking[limit > 0], place[limit > 0], limit[limit > 0]
        if not walking.size:
            break
        found = parents[place]
        if column == columns or ((found < 0) | (found >= 2 * limit)).any():
            _refuse(where, labels, parents, nodes, columns)
        steps[walking, column] = found
        limit = found >> 1
        place = classes + limit
    return steps, np.argwhere(steps >= 0).T


@checked(
    x="N D",
    labels="int64 N",
    parents="int64 P",
    nodes="M D",
    bias="optional M",
    weights="optional N",
    slopes="optional out N B",
    dx="optional out N D",
)
def hierarchical_softmax(
    x: Floats,
    labels: Integers,
    parents: Integers,
    nodes: Floats,
    bias: Floats | None = None,
    weights: Floats | None = None,
    slopes: Floats | None = None,
    dx: Floats | None = None,
) -> float:
    """Mean over N of -w·log p(label), p the product of the decisions on the label's path; its gradient goes to dx.

    bias (M,) and weights w (N,) may be None (0 and 1). slopes (N, B): the gradients of the decisions' scores, from the
    label up to the root, then 0; B at least the longest path. N must be at least 1. slopes and dx may be None, and are
    not computed then. The weighted sum is divided by N, not by Σ weights.

    Returns
    -------
    float
        The loss.
    """
    where = "hierarchical_softmax"
    if len(x) < 1:
        raise ValueError(f"{where}: x has shape {x.shape}, expected at least one row")
    steps, (sample, place) = _steps(
        where, labels, parents, len(nodes), len(nodes) if slopes is None else slopes.shape[1]
    )
    node, code = steps[sample, place] >> 1, steps[sample, place] & 1
    scores = (x[sample] * nodes[node]).sum(axis=1)
    if bias is not None:
        scores += bias[node]
    share = np.ones(len(sample), x.dtype) if weights is None else weights[sample]
    wrong = np.where(code == 1, -scores, scores)  # large if the decision is wrong
    small = np.exp(-np.abs(wrong))
    losses = np.maximum(wrong, 0) + np.log1p(small)
    slope = np.where(wrong < 0, small, 1) / (1 + small) * share / len(x)
    slope[code == 1] *= -1
    if slopes is not None:
        slopes.fill(0)
        slopes[sample, place] = slope
    if dx is not None:
        dx.fill(0)
        np.add.at(dx, sample, slope[:, None] * nodes[node])
    rows = np.bincount(sample, losses, len(x))
    return float((rows if weights is None else rows * weights).sum()) / len(x)


@checked(x="N D", labels="int64 N", parents="int64 P", slopes="N B", dnodes="out M D", dbias="optional out M")
def hierarchical_softmax_backward(
    x: Floats, labels: Integers, parents: Integers, slopes: Floats, dnodes: Floats, dbias: Floats | None = None
) -> None:
    """dnodes (M, D) = Σ slope · x over the steps at each node; dbias (M,) = Σ slope, or None.

    slopes (N, B) are those of `hierarchical_softmax`. Nodes on no path get 0.
    """
    steps, (sample, place) = _steps("hierarchical_softmax_backward", labels, parents, len(dnodes), slopes.shape[1])
    node, slope = steps[sample, place] >> 1, slopes[sample, place]
    dnodes.fill(0)
    np.add.at(dnodes, node, slope[:, None] * x[sample])
    if dbias is not None:
        dbias.fill(0)
        np.add.at(dbias, node, slope)


def _children(where: str, parents: Integers, nodes: int) -> list[int]:
    """The index below each side of each node (2M): a class, or C plus a node."""
    _check_tree(where, parents, nodes)
    children = [-1] * (2 * nodes)
    for place, parent in enumerate(parents.tolist() if nodes else []):
        if place == nodes + 1:  # the root
            continue
        limit = nodes if place <= nodes else place - nodes - 1
        _check_parents(where, *(np.array([number]) for number in (place, parent, limit)))
        if children[parent] >= 0:
            raise ValueError(
                f"{where}: parents[{place}] is {parent} like parents[{children[parent]}], "
                "expected one child on each side of a node"
            )
        children[parent] = place
    return children


@checked(x="N D", parents="int64 P", nodes="M D", bias="optional M", labels="out int64 N")
def hierarchical_softmax_predict(
    x: Floats,
    parents: Integers,
    nodes: Floats,
    bias: Floats | None = None,
    limit: int = REQUIRED,
    labels: Integers = REQUIRED,
) -> None:
    """labels = argmax_c p(c), int64 (N,): the most probable class, the lowest one of a tie. bias (M,) may be None.

    x (N, D), nodes (M, D) and parents as in `hierarchical_softmax`. The more probable side is searched first, and
    subtrees less probable than the best class so far are skipped; if more than `limit` nodes (at least 1) would be
    read, the label is -1.
    """
    where, classes = "hierarchical_softmax_predict", len(nodes) + 1
    if limit < 1:
        raise ValueError(f"{where}: limit is {limit}, expected at least 1")
    children = _children(where, parents, len(nodes))
    for sample, row in enumerate(x):
        label, best, visits = -1, -np.inf, 0
        rest = [(classes if len(nodes) else 0, 0.0)]
        while rest:
            place, log_p = rest.pop()
            if log_p < best:
                continue
            if place < classes:
                label, best = place if log_p > best else min(place, label), log_p
                continue
            if visits == limit:
                label = -1
                break
            visits += 1
            node = place - classes
            z = float(row @ nodes[node]) + (0.0 if bias is None else float(bias[node]))
            likely, side = -math.log1p(math.exp(-abs(z))), int(z > 0)
            rest.append((children[2 * node + 1 - side], log_p + (likely - abs(z))))
            rest.append((children[2 * node + side], log_p + likely))
        labels[sample] = label


@checked(x="N D", parents="int64 P", nodes="M D", bias="optional M", out="out N C")
def hierarchical_softmax_probabilities(
    x: Floats, parents: Integers, nodes: Floats, bias: Floats | None = None, out: Floats = REQUIRED
) -> None:
    """out (N, C) = p(c), the probability of every class, from the whole tree. bias (M,) may be None.

    x (N, D), nodes (M, D) and parents as in `hierarchical_softmax`.
    """
    where, inner = "hierarchical_softmax_probabilities", len(nodes)
    classes = inner + 1
    _check_tree(where, parents, inner)
    if out.shape[1] != classes:
        raise ValueError(f"{where}: out has {out.shape[1]} columns, expected {classes}, one for each class")
    if not inner:
        out.fill(1)
        return
    places = np.delete(np.arange(2 * inner + 1), classes)
    _check_parents(where, places, parents[places], np.where(places < classes, inner, places - classes))
    scores = x @ nodes.T
    if bias is not None:
        scores += bias
    small = np.exp(-np.abs(scores))
    sides = np.stack([np.where(scores < 0, 1, small), np.where(scores < 0, small, 1)], axis=2) / (1 + small)[..., None]
    reached = sides.reshape(len(x), 2 * inner)
    for node in range(1, inner):  # from the root down: parents come first
        reached[:, 2 * node : 2 * node + 2] *= reached[:, parents[classes + node], None]
    out[...] = reached[:, parents[:classes]]
