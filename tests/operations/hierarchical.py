"""Hierarchical softmax."""

from __future__ import annotations

from typing import Any

import numpy as np

from .table import Arguments, Operation, Sizes, nan


def random_tree(classes: int, rng: np.random.Generator) -> np.ndarray:
    """parents of a tree whose groups of classes are split at random places."""
    parents = np.zeros(2 * classes - 1, np.int64)
    open_groups, nodes = [(rng.permutation(classes), 0)], 0
    while open_groups:
        group, above = open_groups.pop(int(rng.integers(len(open_groups))))
        if len(group) == 1:
            parents[group[0]] = above
            continue
        parents[classes + nodes] = above
        cut = int(rng.integers(1, len(group)))
        open_groups += [(group[:cut], 2 * nodes), (group[cut:], 2 * nodes + 1)]
        nodes += 1
    return parents


def paths(parents: np.ndarray) -> list[list[tuple[int, int]]]:
    """The (node, code) of every class, from the class up to the root."""
    classes = (len(parents) + 1) // 2
    found = []
    for label in range(classes):
        path, place = [], label
        while place != classes and classes > 1:
            node, code = divmod(int(parents[place]), 2)
            path.append((node, code))
            place = classes + node
        found.append(path)
    return found


def make(sizes: Sizes, rng: np.random.Generator, with_bias: bool, weighted: bool) -> Arguments:
    n, d, c = sizes
    parents = random_tree(c, rng)
    longest = max(map(len, paths(parents)))
    weights = rng.random(n) * 2
    weights[::3] = 0
    return {
        "x": rng.standard_normal((n, d)), "labels": rng.integers(0, c, n), "parents": parents,
        "nodes": rng.standard_normal((c - 1, d)) / d**0.5, "bias": rng.standard_normal(c - 1) if with_bias else None,
        "weights": weights if weighted else None, "slopes": nan(n, longest + 2), "dx": nan(n, d),
    }  # fmt: skip


def answer(a: Arguments) -> dict[str, Any]:
    """Sample by sample and step by step, with tanh in place of exp."""
    x, nodes, tree = a["x"], a["nodes"], paths(a["parents"])
    n = len(x)
    total, slopes, dx = 0.0, np.zeros(a["slopes"].shape), np.zeros(x.shape)
    for i, label in enumerate(a["labels"]):
        weight = (1.0 if a["weights"] is None else a["weights"][i]) / n
        for k, (node, code) in enumerate(tree[label]):
            z = float(np.dot(x[i], nodes[node])) + (0.0 if a["bias"] is None else a["bias"][node])
            total += weight * float(np.logaddexp(0, z) - code * z)
            slopes[i, k] = weight * ((1 + np.tanh(z / 2)) / 2 - code)
            dx[i] += slopes[i, k] * nodes[node]
    return {"return": total, "slopes": slopes, "dx": dx}


def loss(a: Arguments, kernels: Any) -> float:
    return float(
        kernels.hierarchical_softmax(**{**a, "slopes": np.empty_like(a["slopes"]), "dx": np.empty_like(a["x"])})
    )


def backward_make(sizes: Sizes, rng: np.random.Generator, with_bias: bool) -> Arguments:
    forward = make(sizes, rng, with_bias, True)
    m, d = forward["nodes"].shape
    return {
        "x": forward["x"], "labels": forward["labels"], "parents": forward["parents"],
        "slopes": answer(forward)["slopes"], "dnodes": nan(m, d), "dbias": nan(m) if with_bias else None,
        "#nodes": forward["nodes"], "#bias": forward["bias"], "#weights": forward["weights"],
    }  # fmt: skip


def backward_answer(a: Arguments) -> dict[str, Any]:
    tree = paths(a["parents"])
    dnodes = np.zeros(a["dnodes"].shape)
    dbias = np.zeros(len(dnodes))
    for i, label in enumerate(a["labels"]):
        for k, (node, _) in enumerate(tree[label]):
            dnodes[node] += a["slopes"][i, k] * a["x"][i]
            dbias[node] += a["slopes"][i, k]
    return {"dnodes": dnodes} | ({} if a["dbias"] is None else {"dbias": dbias})


def backward_loss(a: Arguments, kernels: Any) -> float:
    return float(
        kernels.hierarchical_softmax(
            a["x"], a["labels"], a["parents"], a["#nodes"], a["#bias"], a["#weights"],
            np.empty_like(a["slopes"]), np.empty_like(a["x"]),
        )
    )  # fmt: skip


def probabilities_make(sizes: Sizes, rng: np.random.Generator, with_bias: bool) -> Arguments:
    forward = make(sizes, rng, with_bias, False)
    return {name: forward[name] for name in ("x", "parents", "nodes", "bias")} | {"out": nan(sizes[0], sizes[2])}


def probabilities_answer(a: Arguments) -> dict[str, Any]:
    right = (1 + np.tanh((a["x"] @ a["nodes"].T + (0 if a["bias"] is None else a["bias"])) / 2)) / 2
    columns = [
        np.prod(
            [right[:, node] if code else 1 - right[:, node] for node, code in path] or [np.ones(len(right))], axis=0
        )
        for path in paths(a["parents"])
    ]
    return {"out": np.stack(columns, axis=1)}


def predict_make(sizes: Sizes, rng: np.random.Generator, with_bias: bool) -> Arguments:
    forward = make(sizes, rng, with_bias, False)
    shared = {name: forward[name] for name in ("x", "parents", "nodes", "bias")}
    return shared | {"limit": sizes[2], "labels": np.full(sizes[0], -9)}


def predict_answer(a: Arguments) -> dict[str, Any]:
    return {"labels": probabilities_answer(a)["out"].argmax(axis=1)}


SIZES: tuple[Sizes, ...] = (
    (1, 1, 1), (1, 1, 2), (4, 3, 5), (2, 16, 3), (5, 17, 8), (33, 15, 40), (3, 128, 100), (130, 20, 17), (7, 70, 300),
)  # fmt: skip


def rows() -> list[Operation]:
    return [
        *(
            Operation("hierarchical_softmax", options, SIZES,
                      lambda s, r, b=with_bias, w=weighted: make(s, r, b, w), answer, tolerance=32, loss=loss,
                      gradients={"x": "dx"}, bench=(128, 128, 10_000))
            for options, with_bias, weighted in (("", False, False), ("bias-weights", True, True))
        ),
        *(
            Operation("hierarchical_softmax_backward", options, SIZES, lambda s, r, b=with_bias: backward_make(s, r, b),
                      backward_answer, tolerance=32, loss=backward_loss,
                      gradients={"#nodes": "dnodes"} | ({"#bias": "dbias"} if with_bias else {}),
                      bench=(128, 128, 10_000))
            for options, with_bias in (("", False), ("bias", True))
        ),
        *(
            Operation("hierarchical_softmax_predict", options, ((0, 3, 4), *SIZES),
                      lambda s, r, b=with_bias: predict_make(s, r, b), predict_answer, bench=(128, 128, 10_000))
            for options, with_bias in (("", False), ("bias", True))
        ),
        *(
            Operation("hierarchical_softmax_probabilities", options, ((0, 3, 4), *SIZES),
                      lambda s, r, b=with_bias: probabilities_make(s, r, b), probabilities_answer, tolerance=32,
                      bench=(128, 128, 10_000))
            for options, with_bias in (("", False), ("bias", True))
        ),
    ]  # fmt: skip
