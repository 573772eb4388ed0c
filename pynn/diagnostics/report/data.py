"""The data as the run saw them: targets, inputs, some samples; first-layer weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...data import arrays
from ...data.pictures import picture_shape
from ..record import Part, Record
from . import pictures, words
from .predictions import LABELS, Names, limits

CLASSES, COLUMNS, SAMPLES = 20, 12, 12


def html(record: Record) -> str:
    """The section."""
    parts = [targets(record), inputs(record), samples(record)]
    return "".join(filter(None, parts)) or '<p class="hint">Nothing is known of the data.</p>'


def targets(record: Record) -> str:
    """Counts of the classes, or the range of the numbers."""
    train, held = record.facts.get("train"), record.facts.get("validation")
    if not isinstance(train, dict):
        return ""
    shared = record.facts.get("shared")
    facts = [("training rows", words.number(train.get("count")))]
    if isinstance(held, dict):
        facts.append(("validation rows", words.number(held.get("count"))))
    if shared:
        facts.append(("validation rows that are in the training data", f"{100 * shared:.1f} %"))
    if isinstance(train.get("labels"), list):
        return words.pairs(facts) + _classes(record, train, held)
    ranges = [
        [
            name,
            *(words.number(part.get(key)) for key in ("least", "largest")),
            *(_first(part.get(key)) for key in ("mean", "spread")),
        ]
        for name, part in (("training", train), ("validation", held))
        if isinstance(part, dict) and "least" in part
    ]
    table = words.table(["targets", "least", "largest", "mean", "spread"], ranges, kind="numbers") if ranges else ""
    return words.pairs(facts) + table


def _first(numbers: Any) -> str:
    """The first numbers of several outputs."""
    if not isinstance(numbers, list):
        return words.number(numbers)
    return ", ".join(words.number(value, 3) for value in numbers[:3]) + (" …" if len(numbers) > 3 else "")


def _classes(record: Record, train: dict[str, Any], held: Any) -> str:
    counts = np.array(train["labels"], np.float64)
    others = np.array(held["labels"], np.float64) if isinstance(held, dict) and held.get("labels") else None
    chosen, note = np.arange(len(counts)), ""
    if len(counts) > CLASSES:
        order = np.argsort(-counts, kind="stable")
        chosen = np.concatenate([order[: CLASSES // 2], order[-CLASSES // 2 :]])
        others_left = f"{len(counts) - len(chosen):,} others are left out"
        note = f'<p class="note">The most and the least frequent classes; {others_left}.</p>'
    names, rows = Names(record), []
    largest = max(counts.max(initial=0) / max(counts.sum(), 1), 1e-9)
    for place in chosen.tolist():
        share = counts[place] / max(counts.sum(), 1)
        bar = f'<span class="bar" style="--share:{share / largest:.3f}"></span>{100 * share:.1f} %'
        cells = [
            names[place],
            bar,
            f"{int(counts[place]):,}",
        ]
        if others is not None:
            cells.append(f"{int(others[place]):,}" if place < len(others) else "0")
        rows.append(cells)
    head = ["class", "share of training", "training", *(["validation"] if others is not None else [])]
    return "<h3>Classes</h3>" + words.table(head, rows, kind="bars") + note


def inputs(record: Record) -> str:
    """Mean, spread and range of the columns, as the layers take them."""
    if record.train is None or not record.train.x.size:
        return ""
    shape = record.train.x.shape[1:]
    flat = record.train.x.reshape(len(record.train.x), -1)
    held = record.validation
    head = ["inputs", "mean", "spread", "least", "largest"]
    whole = [_row("training", record.train)]
    if held is not None and held.x.size:
        whole.append(_row("validation", held))
    told = f"Shape {' × '.join(map(str, shape)) or '()'}."
    text = f'<h3>Inputs, as the first layer takes them</h3><p class="hint">{told}</p>' + words.table(
        head, whole, kind="numbers"
    )
    if len(shape) != 1 or (picture_shape(shape) is not None and not record.features):
        return text
    with np.errstate(all="ignore"):
        means, spreads = flat.mean(axis=0), flat.std(axis=0)
        strange = np.nan_to_num(np.abs(means) + np.abs(np.log10(np.maximum(spreads, 1e-12))), posinf=1e30)
    chosen, note = np.arange(flat.shape[1]), ""
    if flat.shape[1] > COLUMNS:
        chosen = np.sort(np.argsort(-strange, kind="stable")[:COLUMNS])
        left = f"{flat.shape[1] - COLUMNS:,} others are left out"
        note = f'<p class="note">The columns that are farthest from mean 0 and spread 1; {left}.</p>'
    names = record.features or []
    rows = []
    for place in chosen.tolist():
        column = flat[:, place]
        numbers = (means[place], spreads[place], column.min(), column.max())
        name = words.escaped(names[place], LABELS) if place < len(names) else f"x{place}"
        rows.append([name, *(words.number(float(value)) for value in numbers)])
    return text + words.table(["column", *head[1:]], rows, kind="numbers") + note


def _row(name: str, part: Part) -> list[str]:
    x = part.x
    with np.errstate(all="ignore"):
        numbers = (x.mean(dtype=np.float64), x.std(dtype=np.float64), x.min(), x.max())
    return [name, *(words.number(float(value)) for value in numbers)]


def samples(record: Record) -> str:
    """Some pictures with their targets."""
    part = record.train
    if part is None or not len(part.x) or record.features:
        return ""
    shape = picture_shape(part.x.shape[1:])
    if shape is None:
        return ""
    low, high = limits(part.x)
    names = Names(record)
    cells = []
    for row in arrays.spread(len(part.x), SAMPLES).tolist():
        target = ""
        if part.y.ndim == 1 and part.y.dtype.kind in "iu" and 0 <= part.y[row] < names.count:
            target = names[int(part.y[row])]
        elif part.y[row].size == 1:
            target = words.number(float(part.y[row].reshape(-1)[0]), 3)
        alt = f"row {part.places[row]}" + (f": {target}" if target else "")
        picture = pictures.image(part.x[row].reshape(shape), low, high, alt)
        cells.append(f"<figure>{picture}<figcaption>{target}</figcaption></figure>")
    return f'<h3>Some training samples</h3><div class="samples">{"".join(cells)}</div>'


def weights(record: Record) -> str:
    """First-layer weights as pictures, each from its least to its largest number."""
    found = record.first_weights
    if found is None or not np.isfinite(found).all():
        return ""
    shown = found[:32] if found[0].size > 2000 else found
    cells = []
    for unit, values in enumerate(shown):
        size = float(np.abs(values).max()) or 1.0
        cells.append(pictures.image(values, -size, size, f"weights of unit {unit}"))
    tiny = " tiny" if max(found.shape[1:3]) < 12 else ""
    return (
        '<h3>First-layer weights</h3><p class="hint">'
        f"{words.several(len(shown), 'unit')} of the first layer at the end; "
        "grey is 0. Clear shapes are a good sign, noise all over the picture is not.</p>"
        f'<div class="weights{tiny}">{"".join(cells)}</div>'
    )
