"""Binary trees over classes, as the kernels of hierarchical softmax read them. Knows neither layers nor losses.

`parents` (2C-1,) holds 2·node + code, for class c at index c and for node i at C+i. Node 0 is the root, and each node
comes before its children.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..checks import is_integer
from ..messages.terminal import brief

Parents = NDArray[np.int64]


def balanced(classes: int) -> Parents:
    """Return the tree of a binary heap: every class at depth ⌊log2 C⌋ or ⌈log2 C⌉."""
    nodes = classes - 1
    return np.concatenate([np.arange(nodes - 1, 2 * nodes), np.arange(-1, nodes - 1)])


def huffman(counts: Sequence[float]) -> Parents:
    """Return Huffman's tree, which has the smallest mean depth Σ count·depth: frequent classes are near the root.

    Among equal counts lower labels come first, then nodes in the order of their creation.
    """
    classes = len(counts)
    parents = np.full(2 * classes - 1, -1)
    heap = [(count, label, label) for label, count in enumerate(counts)]
    heapq.heapify(heap)
    for node in range(classes - 2, -1, -1):  # the last node made is the root, node 0
        (less, _, left), (more, _, right) = heapq.heappop(heap), heapq.heappop(heap)
        parents[left], parents[right] = 2 * node, 2 * node + 1
        heapq.heappush(heap, (less + more, 2 * classes - node, classes + node))
    return parents


def from_codes(codes: Sequence[str]) -> Parents:
    """Return the tree in which the decisions codes[c], from the root down, lead to class c.

    Raises ValueError for codes of anything but 0 and 1, a code that is another's prefix, and nodes with one side.
    """
    classes = len(codes)
    below: list[list[int | None]] = [[None, None]]  # children of each node; class c is stored as -1 - c
    for label, code in enumerate(codes):
        if not 0 < len(code) <= 2 * classes or set(code) - {"0", "1"}:
            raise ValueError(
                f"tree[{label}] is {brief(code)}, expected a code of 0s and 1s, less than {classes} of them"
            )
        node = 0
        for side in map(int, code[:-1]):
            child = below[node][side]
            if child is None:
                child = below[node][side] = len(below)
                below.append([None, None])
                if child > 2 * classes:  # stop before a malicious tree fills the memory
                    raise ValueError(f"tree has more than {classes - 1} nodes, expected classes on both sides of each")
            if child < 0:
                raise ValueError(_inside(-1 - child, codes))
            node = child
        last = below[node][int(code[-1])]
        if last is not None:
            raise ValueError(f"the code {code!r} occurs twice in tree" if last < 0 else _inside(label, codes))
        below[node][int(code[-1])] = -1 - label
    for sides in below:
        if None in sides:
            raise ValueError(f"a node of tree has nothing on side {sides.index(None)}, expected classes on both sides")
    parents = np.full(2 * classes - 1, -1)
    for place, child in enumerate(child for sides in below for child in sides if child is not None):
        parents[-1 - child if child < 0 else classes + child] = place  # 2 node + side
    return parents


def _inside(label: int, codes: Sequence[str]) -> str:
    return f"tree[{label}] is {brief(codes[label])}, with which another code begins; expected a leaf for each class"


def codes_of_pairs(tree: Any, classes: int) -> list[str]:
    """Return the codes of a tree of nested pairs of labels: ((0, 2), 1) gives 00 for 0, 1 for 1, 01 for 2.

    Raises ValueError for anything but pairs and labels, and for labels that are missing or occur twice.
    """
    codes: dict[int, str] = {}
    rest: list[tuple[Any, str]] = [(tree, "")]
    while rest:
        part, code = rest.pop()
        if isinstance(part, (list, tuple)) and len(part) == 2:
            rest += [(part[1], f"{code}1"), (part[0], f"{code}0")]
        elif is_integer(part) and 0 <= part < classes:
            if int(part) in codes:
                raise ValueError(f"the label {part} occurs twice in tree, expected each of 0..{classes - 1} once")
            codes[int(part)] = code
        else:
            raise ValueError(f"tree has the part {part!r}, expected a pair or a label of 0..{classes - 1}")
    missing = next((label for label in range(classes) if label not in codes), None)
    if missing is not None:
        raise ValueError(f"the label {missing} is not in tree, expected each of 0..{classes - 1} once")
    return [codes[label] for label in range(classes)]


def depths(parents: Parents) -> NDArray[np.int64]:
    """Return the number of decisions that lead to each class (C,)."""
    classes = (len(parents) + 1) // 2
    node = [0] * (classes - 1)
    above = (parents[classes:] >> 1).tolist()
    for place in range(1, classes - 1):
        node[place] = node[above[place]] + 1
    of_classes: NDArray[np.int64] = np.array(node)[parents[:classes] >> 1] + 1
    return of_classes
