"""``pynn train TABLE --target COLUMN``: read, guess, hold out, train, test, explain, write."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...messages import terminal
from ...messages.counting import several
from ...typing import Array
from .. import messages, models, writing
from . import columns, estimators, files, importance, reading, scores, text
from . import target as targets
from .estimators import Predictor, Progress
from .importance import Importance
from .reading import Source, quoted
from .scores import Score
from .target import Target

TEST = 0.2
MATRIX = 40  # classes in a confusion matrix, at most


def run(options: argparse.Namespace) -> int:
    """Train according to the options; return the exit code."""
    files.expect_libraries()
    table = str(options.dataset)
    files.expect_table(table)
    path = Path(options.output or f"{files.stem(table)}.safetensors")
    picture = path.with_suffix(".png") if options.plot else None
    models.set_threads(options.threads)
    data = prepared(options, path, picture)
    if not options.quiet:
        print_header(data, f"preset {options.preset}")
    return _trained(options, data, path, picture)


class Prepared(NamedTuple):
    """A table as it is understood: its target, its other columns, and places of the rows to train on and to test."""

    source: Source
    target: Target
    used: Any
    described: list[columns.Column]
    train: Array
    test: Array

    @property
    def ids(self) -> set[str]:
        """Names of columns that look like ids."""
        return {column.name for column in self.described if columns.LIKE_ID in column.notes}

    def predictor(self, model: Any) -> Predictor:
        """The model with what its file must know of the table."""
        found = Predictor(model)
        found.read_text(columns.forms(self.described, self.source))
        found.note(_about(self.target, self.train))
        return found

    def tested(self, predictor: Predictor) -> list[Score]:
        """The scores on the test rows, which the model's file remembers."""
        found = measured(predictor, self.used.iloc[self.test], self.target.y[self.test])
        predictor.note({"test": {score.name: score.model for score in found}})
        return found


def prepared(options: argparse.Namespace, path: Path, picture: Path | None) -> Prepared:
    """Read the table that the options name.

    ValueError if nothing can be learned from it, or if the model or the picture must not be written to these files.
    """
    table = str(options.dataset)
    if options.target is None:
        raise ValueError(_without_target(table, options.encoding))
    frame, source = reading.read(table, options.encoding, options.categorical)
    name = targets.find(frame, options.target, source)
    _expect_ours(path, picture, options)
    frame = _without(frame, options, name, source)
    target = targets.prepared(frame, name, options.task, source)
    used, described = columns.understood(frame.drop(columns=name).iloc[target.rows], source, options.categorical)
    if not len(used.columns):
        raise ValueError(f"{terminal.printable(table)}: no column is left but constants and ids")
    train, test = targets.split(target, TEST if options.test is None else options.test, options.seed)
    return Prepared(source, target, used, described, train, test)


def _trained(options: argparse.Namespace, data: Prepared, path: Path, picture: Path | None) -> int:
    progress = Progress(options.ensemble, options.quiet)
    predictor = _fitted(options, data, progress)
    if predictor is None:
        return 130
    with writing.without_interrupts() if progress.interrupted else nullcontext():
        found = data.tested(predictor)
    path = _written(predictor, path, progress.interrupted)
    last = in_a_line(found)
    if progress.interrupted:
        terminal.say(
            f"pynn: interrupted; the model of the best of {several(progress.epochs, 'epoch')} ({last}) is in {path}"
        )
        return 130
    try:
        drawn = _explained(options, data, predictor, found, picture, progress)
    except KeyboardInterrupt:
        terminal.say(f"pynn: interrupted; the trained model ({last}) is in {path}")
        return 130
    if not options.quiet:
        print(f"wrote {terminal.printable(path)}{drawn}")
    print(last)
    return 0


def _fitted(options: argparse.Namespace, data: Prepared, progress: Progress) -> Predictor | None:
    """The model, which knows how files write its columns; None if Ctrl-C came before there was one."""
    estimator = estimators.make(options, data.target.is_classification, [progress])
    try:
        with progress.stoppable():
            estimator.fit(data.used.iloc[data.train], data.target.y[data.train])
    except KeyboardInterrupt:
        of = ": an ensemble is kept when all of its members are trained" if options.ensemble > 1 else ""
        terminal.say(f"pynn: interrupted; nothing was written{of}")
        return None
    progress.kept = estimator.best_epochs_
    return data.predictor(estimators.model_of(estimator))


def _written(predictor: Predictor, path: Path, interrupted: bool) -> Path:
    """Write the model; where to. An interrupted one replaces no file."""
    if interrupted and path.exists():
        path = path.with_name(f"{path.stem}.interrupted{path.suffix}")
    with writing.without_interrupts():
        writing.save(predictor, path)
    return path


def in_a_line(found: list[Score]) -> str:
    """The first score, as the last line of the output has it."""
    return f"test {found[0].spoken} {text.number(found[0].model)}"


def _expect_ours(path: Path, picture: Path | None, options: argparse.Namespace) -> None:
    """Check that the files can be written, and that none is overwritten that this command did not write for it."""
    writing.check_output(path, picture)
    if options.force:
        return
    about = estimators.written(path) if path.exists() else {}
    for file in filter(None, (path, picture)):
        if file.exists() and not about:
            raise ValueError(
                f"{terminal.printable(file)} exists, and pynn train did not write it for a table; choose another "
                "--output, or overwrite it: --force"
            )
    if about and options.target is not None and about.get("target") != options.target:
        raise ValueError(
            f"{terminal.printable(path)} exists, a model that predicts {quoted(about.get('target'))}; choose another "
            "--output, or overwrite it: --force"
        )


def _without_target(table: str, encoding: str | None) -> str:
    frame, _ = reading.read(table, encoding)
    names = list(map(str, frame.columns))
    shown = ", ".join(map(quoted, names[:20])) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    return f"name the column to predict: --target COLUMN; {terminal.printable(table)} has {shown}"


def _without(frame: Any, options: argparse.Namespace, name: str, source: Source) -> Any:
    """The frame without the columns of --drop, after a check of the names."""
    for option, names in (("--drop", options.drop), ("--categorical", options.categorical)):
        for each in names:
            if each not in frame.columns:
                try:
                    targets.find(frame, each, source)
                except ValueError as cause:
                    raise ValueError(f"{option}: {cause}") from None
    if name in options.drop:
        raise ValueError(f"--drop: {quoted(name)} is the target")
    return frame.drop(columns=list(options.drop)) if options.drop else frame


def _about(target: Target, train: Array) -> dict[str, Any]:
    """What the model's file remembers, as JSON; its preprocessing knows the columns."""
    y = target.y[train]
    known: dict[str, Any] = {"target": target.name, "task": target.task}
    if target.words:
        known["words"] = list(target.words)
    if target.is_classification:
        counts = np.unique(y, return_counts=True)[1]
        known["shares"] = (counts / len(y)).tolist()
    else:
        known |= {"mean": float(y.mean()), "median": float(np.median(y))}
    return known


def measured(predictor: Predictor, frame: Any, y: Array) -> list[Score]:
    """The scores on labelled rows."""
    about = predictor.about
    if predictor.classes is None:
        return scores.of_numbers(y, predictor.numbers(frame), about["mean"], about["median"])
    return scores.of_classes(codes(y, predictor), predictor.probabilities(frame), np.asarray(about["shares"]))


def codes(y: Array, predictor: Predictor) -> Array:
    """Places of the classes in the columns of the probabilities; -1 for one that the model does not know."""
    places = {str(name): place for place, name in enumerate(predictor.classes or ())}
    names, inverse = np.unique(y, return_inverse=True)
    found = np.array([places.get(str(name), -1) for name in names.tolist()], np.intp)
    return np.asarray(found[inverse])


def error(predictor: Predictor) -> Callable[[Any, Array], float]:
    """The error of predictions for a frame: log loss of codes, or RMSE."""
    if predictor.classes is None:
        return lambda frame, y: scores.rmse(y, predictor.numbers(frame))
    return lambda frame, y: scores.log_loss(y, predictor.probabilities(frame))


def trivial(predictor: Predictor, shares: Any) -> str:
    """What the trivial model says; shares: of the classes, None for numbers."""
    if predictor.classes is None:
        return "always the mean; the median for MAE"
    return f"always {quoted(predictor.classes[int(np.argmax(shares))])}"


def print_scores(data: Prepared, predictor: Predictor, found: list[Score]) -> None:
    """The scores on the test rows beside those of the trivial model."""
    baseline = trivial(predictor, predictor.about.get("shares"))
    print(f"\n{text.scores(found, baseline, f' of {data.target.name}')}\n", flush=True)


def _explained(
    options: argparse.Namespace, data: Prepared, predictor: Predictor, found: list[Score], picture: Path | None,
    progress: Progress,
) -> str:  # fmt: skip
    """Print scores, importance and warnings, and draw the picture; return " and NAME"."""
    target = data.target
    if options.quiet and picture is None:
        warn(target, found, None, data.ids)
        return ""
    frame, y = data.used.iloc[data.test], target.y[data.test]
    if not options.quiet:
        print_scores(data, predictor, found)
    known = codes(y, predictor) if target.is_classification else y
    usable = known >= 0 if target.is_classification else np.ones(len(y), bool)
    important = importance.measured(frame[usable], known[usable], error(predictor), options.seed)
    measure = "log loss" if target.is_classification else "RMSE"
    if not options.quiet:
        print(text.importance(important, measure, messages.width(), _is_plain()))
    warn(target, found, important, data.ids)
    if picture is None:
        return ""
    return _draw(picture, predictor, progress, frame, y, important, measure, options.quiet)


def warn(target: Target, found: list[Score], important: Importance | None, ids: Collection[str]) -> None:
    """Say what should make the user doubt the model."""
    if not any(score.clearly_better for score in found):
        terminal.say(
            "pynn: the model is not clearly better than the baseline: the columns say little about "
            f"{quoted(target.name)}, or there are too few rows"
        )
    if important is not None and important.names[0] in ids:
        terminal.say(
            f"pynn: the model goes by {quoted(important.names[0])} most, which looks like an id: new rows have other "
            f"ids, and if the rows are in some order, it gives {quoted(target.name)} away; leave it out: --drop "
            f"{important.names[0]}"
        )
        return
    best = next((score for score in found if score.name in ("accuracy", "r2")), None)
    if important is None or best is None:
        return
    if name := importance.leaks(important, best.model, best.trivial):
        terminal.say(
            f"pynn: the column {quoted(name)} alone gives {quoted(target.name)} away: if it is made from the target, "
            f"or known only after it, leave it out: --drop {name}"
        )


def _is_plain() -> bool:
    """Whether stdout cannot show blocks."""
    import sys

    try:
        "█▏".encode(sys.stdout.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError, AttributeError):
        return True
    return False


def _draw(
    picture: Path, predictor: Predictor, progress: Progress, frame: Any, y: Array, important: Importance,
    measure: str, quiet: bool,
) -> str:  # fmt: skip
    """Draw the picture and return " and NAME"; a failure must not affect the result."""
    try:
        from pynn import plot  # here: matplotlib is slow to import, and may be missing
    except ImportError as missing:
        if not quiet:
            print(f"no picture: {missing}")
        return ""
    classes = predictor.classes
    try:
        figure = plot.table_report(
            progress.histories, y, predictor.predict(frame) if classes is not None else predictor.numbers(frame),
            dict(zip(important.names, important.rises.tolist(), strict=True)), classes=classes, measure=measure,
            kept=progress.kept,
        )  # fmt: skip
        plot.save(figure, picture)
    except (OSError, ValueError) as cause:  # such as a prediction that is not finite
        terminal.say(f"pynn: no picture: {messages.sentence(cause)}")
        return ""
    return f" and {terminal.printable(picture)}"


def print_header(data: Prepared, last: str) -> None:
    """Say what runs, what the columns hold, and what is predicted. last: how it is learned."""
    target, described, source = data.target, data.described, data.source
    messages.print_backend()
    table = f"{several(len(target.rows), 'row')}, {several(len(described), 'column')} and the target"
    print(messages.filled("; ".join(filter(None, (f"{terminal.printable(source.path)}: {table}", source.spoken)))))
    print(f"\n{text.columns(described, messages.width())}\n")
    for sentence in target.why:
        print(messages.filled(sentence))
    print(messages.filled(_of_target(target)))
    dated = ", drawn at random, not the latest" if any(column.kind == columns.DATE for column in described) else ""
    print(messages.filled(f"{len(data.train):,} rows to train on, {len(data.test):,} to test{dated}; {last}"))
    print(flush=True)


def _of_target(target: Target) -> str:
    """What the target's values are, in a line."""
    if not target.is_classification:
        low, high = (columns.written(each, columns.NUMBER) for each in (target.y.min(), target.y.max()))
        return f"target {target.name}: {low} .. {high}"
    names, counts = np.unique(target.y, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:6]
    shown = ", ".join(f"{terminal.printable(names[each], 30)} {counts[each] / len(target.y):.1%}" for each in order)
    return f"target {target.name}: {len(names)} classes: {shown}{', ...' if len(names) > 6 else ''}"
