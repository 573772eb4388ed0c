"""What the model says of the kept rows: confusion matrix, predicted against true, the most confident mistakes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...data.pictures import picture_shape
from ...typing import Array
from ..record import Part, Record
from . import pictures, words
from .charts import scatter

CLASSES, CONFUSIONS, SAMPLES, COLUMNS = 20, 12, 24, 8  # at most of each
LABELS = 24  # characters of a class's name


class Names:
    """The names of the classes by their places: given ones, or else their numbers."""

    def __init__(self, record: Record, usual: tuple[str, ...] = ()) -> None:
        given = record.settings.get("labels") or usual
        self.count = max(int(record.settings.get("classes") or 2), 1)
        self._given = [words.escaped(name, LABELS) for name in given]

    def __getitem__(self, place: int) -> str:
        """The name as HTML."""
        return self._given[place] if place < len(self._given) else str(place)


@dataclass(frozen=True, eq=False)
class Answers:
    """What a model of labels said: true and predicted classes, how sure it was, and the rows that they are of."""

    true: Array
    predicted: Array
    sure: Array
    share: bool  # whether `sure` is a probability
    rows: Array
    names: Names


def html(record: Record) -> str:
    """The section."""
    part, name = (record.validation, "validation") if record.validation is not None else (record.train, "training")
    if part is None or not part.x.size or not part.y.size:
        return '<p class="hint">No rows were kept.</p>'
    if part.outputs is None:
        return '<p class="hint">The model\'s answers are kept when a run ends: this one has not, or not yet.</p>'
    if not np.isfinite(part.outputs).any():
        return '<p class="hint">The model gave no finite number.</p>'
    kept = f"{len(part.x):,} of {part.count:,}" if len(part.x) < part.count else f"all {part.count:,}"
    told = f'<p class="hint">On {kept} rows of the {name} data, as the model predicts at the end.</p>'
    if (answers := of_labels(record, part)) is not None:
        return told + confusion(answers) + mistakes(record, part, answers)
    if record.settings.get("family") == "answers" and part.outputs.shape == part.y.shape:
        return told + several_answers(part)
    if part.y.dtype.kind == "f" and part.outputs.size == part.y.size:
        return told.replace("at the end.", "at the end; numbers as the loss takes them.") + numbers(record, part)
    return ""


def of_labels(record: Record, part: Part) -> Answers | None:
    """The answers of a model that chooses a class, or says yes or no; None of any other."""
    found = record.choices(part)
    if found is None or part.outputs is None:
        return None
    true, predicted = found
    rows = np.repeat(np.arange(len(part.y)), max(int(np.prod(part.y.shape[1:])), 1))
    classes, name = record.settings.get("classes"), record.settings["loss"]
    if classes is None:
        score, share = np.abs(part.outputs.reshape(-1).astype(np.float64)), name == "BinaryCrossEntropy"
        sure = 1 / (1 + np.exp(-score)) if share else score
        return Answers(true, predicted, sure, share, rows, Names(record, ("no", "yes")))
    scores, share = part.outputs.reshape(-1, classes).astype(np.float64), name == "SoftmaxCrossEntropy"
    best = scores[np.arange(len(scores)), predicted]
    with np.errstate(all="ignore"):
        if share:
            sure = 1 / np.exp(scores - best[:, None]).sum(axis=1)
        else:
            sure = best - np.partition(scores, -2, axis=1)[:, -2] if classes > 1 else best
    return Answers(true, predicted, np.nan_to_num(sure), share, rows, Names(record))


# Classes --------------------------------------------------------------------------------------------


def confusion(answers: Answers) -> str:
    """The matrix of counts, true classes down, predicted across; of many classes those with the most mistakes."""
    count, names = answers.names.count, answers.names
    right = answers.true == answers.predicted
    wrong = sum(np.bincount(one[~right], minlength=count) for one in (answers.true, answers.predicted))
    chosen, note = np.arange(count), ""
    if count > CLASSES:
        chosen = np.sort(np.argsort(-wrong, kind="stable")[:CONFUSIONS])
        left = f"{count - CONFUSIONS:,} others are left out"
        note = f'<p class="note">The {CONFUSIONS} classes with the most mistakes; {left}.</p>'
    totals = np.bincount(answers.true, minlength=count)
    counts = np.array([[np.sum((answers.true == i) & (answers.predicted == j)) for j in chosen] for i in chosen])
    heads = [names[place] for place in chosen.tolist()]
    rows = []
    for row, (place, head) in enumerate(zip(chosen.tolist(), heads, strict=True)):
        total = int(totals[place])
        cells = "".join(_cell(int(number), total, row == column) for column, number in enumerate(counts[row]))
        recall = f"{100 * counts[row, row] / total:.0f} %" if total else "–"
        rows.append(f'<tr><th scope="row">{head}</th>{cells}<td class="recall">{recall}</td></tr>')
    columns = "".join(f'<th scope="col"><span>{head}</span></th>' for head in heads)
    long = " long" if max(map(len, heads), default=0) > 3 else ""
    grid = (
        f'<p class="hint">Rows are true classes, columns predicted ones; accuracy {100 * right.mean():.1f} %.</p>'
        f'<div class="scroll" tabindex="0"><table class="confusion{long}" aria-label="Confusion matrix: rows are true '
        f'classes, columns predicted ones"><thead><tr><td></td>{columns}'
        f'<th scope="col" class="recall">recall</th></tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )
    frequent = _confusions(answers, totals)
    return f'<div class="beside"><div><h3>Confusion matrix</h3>{grid}{note}</div>{frequent}</div>'


def _cell(count: int, total: int, right: bool) -> str:
    if not count:
        return '<td class="none">·</td>'
    share = count / total if total else 0.0
    mix = 12 + 80 * share  # of the colour with the page's; text turns where it would be hard to read
    kind = ("right" if right else "wrong") + (" strong" if mix > 75 else " half" if mix > 58 else "")
    return f'<td class="{kind}" style="--mix:{mix:.0f}%">{count}</td>'


def _confusions(answers: Answers, totals: Array) -> str:
    """What is taken for what, most frequent first."""
    wrong = answers.true != answers.predicted
    both = np.stack([answers.true[wrong], answers.predicted[wrong]], axis=1)
    if not len(both):
        return "<div><h3>Mistakes</h3><p>None among these rows.</p></div>"
    found, counts = np.unique(both, axis=0, return_counts=True)
    rows = []
    for place in np.argsort(-counts, kind="stable")[:8].tolist():
        true, predicted = found[place].tolist()
        share = f"{100 * counts[place] / totals[true]:.0f} %"
        rows.append([answers.names[true], answers.names[predicted], f"{counts[place]:,}", share])
    return (
        f"<div><h3>Most frequent mistakes</h3>{words.table(['true', 'taken for', 'rows', 'of the class'], rows)}</div>"
    )


def mistakes(record: Record, part: Part, answers: Answers) -> str:
    """The rows on which the model is wrong, the surest first."""
    wrong = np.flatnonzero(answers.true != answers.predicted)
    if not len(wrong):
        return ""
    order = wrong[np.argsort(-answers.sure[wrong], kind="stable")][:SAMPLES]
    unit = "" if answers.share else " by a margin of"
    items = []
    for place in order.tolist():
        true, predicted = (
            words.escaped(answers.names[one[place]], LABELS) for one in (answers.true, answers.predicted)
        )
        sure = f"{100 * answers.sure[place]:.1f} %" if answers.share else words.number(float(answers.sure[place]), 3)
        items.append((int(answers.rows[place]), true, predicted, f"{unit} {sure}".strip()))
    return "<h3>Most confident mistakes</h3>" + _shown(record, part, items)


def _shown(record: Record, part: Part, items: list[tuple[int, str, str, str]], last: str = "sure") -> str:
    """Rows with what is true and what was said: as pictures if they are, else as a table."""
    shape = None if record.features else picture_shape(part.x.shape[1:])
    if shape is not None:
        low, high = limits(part.x)
        cells = []
        for row, true, predicted, sure in items:
            alt = f"row {part.places[row]}: true {true}, predicted {predicted}"
            picture = pictures.image(part.x[row].reshape(shape), low, high, alt)
            cells.append(
                f"<figure>{picture}<figcaption><b>{predicted}</b> {sure}<br>true: {true}</figcaption></figure>"
            )
        return f'<div class="samples">{"".join(cells)}</div>'
    flat = part.x.reshape(len(part.x), -1)
    chosen = (
        np.argsort(-np.nan_to_num(flat[:, :1000].std(axis=0)), kind="stable")[:COLUMNS]
        if flat.shape[1] > COLUMNS
        else np.arange(flat.shape[1])
    )
    chosen = np.sort(chosen)
    names = record.features or []
    heads = [words.escaped(names[place], LABELS) if place < len(names) else f"x{place}" for place in chosen.tolist()]
    rows = [
        [
            f"{part.places[row]:,}",
            true,
            f"<b>{predicted}</b>",
            sure,
            *(words.number(value, 3) for value in flat[row, chosen].tolist()),
        ]
        for row, true, predicted, sure in items
    ]
    left = flat.shape[1] - len(chosen)
    note = f'<p class="note">{words.several(left, "column")} left out.</p>' if left else ""
    return words.table(["row", "true", "predicted", last, *heads], rows, kind="numbers rows") + note


def limits(x: Array) -> tuple[float, float]:
    """Numbers that pictures show as black and white."""
    some = x.reshape(-1)[:: max(1, x.size // 100_000)]
    some = some[np.isfinite(some)]
    return (float(some.min()), float(some.max())) if len(some) else (0.0, 1.0)


# Numbers and several answers ------------------------------------------------------------------------


def several_answers(part: Part) -> str:
    """Recall and precision of each of several answers of yes or no."""
    assert part.outputs is not None
    true = part.y.reshape(len(part.y), -1) > (0.5 if part.y.min() >= 0 else 0.0)
    said = part.outputs.reshape(len(part.y), -1) > 0
    rows = []
    for place in range(min(true.shape[1], CLASSES)):
        yes, both = int(true[:, place].sum()), int((true & said)[:, place].sum())
        given = int(said[:, place].sum())
        right = float(np.mean(true[:, place] == said[:, place]))
        shares = (f"{100 * both / whole:.0f} %" if whole else "–" for whole in (yes, given))
        rows.append([str(place), f"{yes:,}", f"{100 * right:.1f} %", *shares])
    left = true.shape[1] - len(rows)
    note = f'<p class="note">{words.several(left, "other")} left out.</p>' if left > 0 else ""
    return "<h3>Answers</h3>" + words.table(["answer", "yes", "right", "recall", "precision"], rows) + note


def numbers(record: Record, part: Part) -> str:
    """Predicted against true numbers, and the rows with the largest errors."""
    assert part.outputs is not None
    true, said = (one.reshape(len(part.y), -1).astype(np.float64) for one in (part.y, part.outputs))
    columns = true.shape[1]
    drawn = []
    for place in range(min(columns, 4)):
        title = "Predicted against true" + (f", output {place}" if columns > 1 else "")
        drawn.append(scatter(f"scatter-{place}", title, true[:, place], said[:, place], "true", "predicted"))
    note = f'<p class="note">{words.several(columns - 4, "other output")} left out.</p>' if columns > 4 else ""
    errors = np.abs(true - said).max(axis=1)
    order = np.argsort(-np.nan_to_num(errors, nan=np.inf), kind="stable")[:12]
    worst = np.abs(true - said).argmax(axis=1)
    items = [
        (
            row,
            words.number(true[row, worst[row]]),
            words.number(said[row, worst[row]]),
            f"{words.number(float(errors[row]), 3)}",
        )
        for row in order.tolist()
    ]
    return f'<div class="grid">{"".join(drawn)}</div>{note}<h3>Largest errors</h3>' + _shown(
        record, part, items, "error"
    )
