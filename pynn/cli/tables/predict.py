"""``pynn predict MODEL TABLE``: a column of predictions, and the probabilities of classes."""

from __future__ import annotations

import argparse
import gzip
import io
import os
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from ...data import parsing
from ...messages import terminal
from ...messages.counting import several
from ...saving import files as written
from .. import messages, models
from . import columns, files, reading
from .estimators import Predictor
from .reading import Source, quoted

ROWS = 100_000  # predicted at once, which bounds the memory
SHOWN = 5  # unknown categories in a message


def run(options: argparse.Namespace, model: Any) -> int:
    """Predict according to the options; return the exit code."""
    files.expect_libraries()
    if len(options.files) > 1:
        raise ValueError(f"{options.model} predicts one table at a time, got {len(options.files)} files")
    if options.invert is not None:
        raise ValueError(f"--invert is for pictures, and {options.model} predicts tables; leave it out")
    table = options.files[0]
    output = None if options.output is None else _checked(Path(options.output), (options.model, table))
    predictor = Predictor(model)
    models.set_threads(options.threads)
    frame, source = read(predictor, table, options.encoding)
    result = predicted(predictor, prepared(predictor, frame, source))
    if output is None:
        result.to_csv(sys.stdout, index=False)
        return 0
    written.write_whole(output, _content(result, output))
    terminal.say(f"pynn: wrote {terminal.printable(output)}: {several(len(result), 'row')}")
    return 0


def _checked(output: Path, others: tuple[str, ...]) -> Path:
    """The file to write; ValueError before the work if it cannot be written, or is one of those that are read."""
    if files.ending(str(output)) is None:
        raise ValueError(f"--output: expected a name that ends in {', '.join(files.ENDINGS)}, got {str(output)!r}")
    for other in others:
        if output.exists() and os.path.exists(other) and os.path.samefile(output, other):
            raise ValueError(f"--output: {terminal.printable(output)} is read too; choose another --output")
    try:
        written.expect_writable(output)
    except OSError as cause:
        raise ValueError(f"{messages.sentence(cause)}; choose another --output") from cause
    return output


def _content(result: Any, output: Path) -> bytes:
    """The table as the bytes of a file of that name."""
    name = output.name.lower()
    if name.endswith(files.PARQUET):
        content = io.BytesIO()
        try:
            result.to_parquet(content, index=False)
        except ImportError as cause:
            raise ImportError("Parquet files need pyarrow: pip install pyarrow") from cause
        return content.getvalue()
    text = str(result.to_csv(None, index=False, sep="\t" if ".tsv" in name else ",")).encode()
    return gzip.compress(text, 6, mtime=0) if name.endswith(".gz") else text


def read(predictor: Predictor, path: str, encoding: str | None, text: Collection[str] = ()) -> tuple[Any, Source]:
    """The table of this file, in which columns of categories are text; text: other ones that are."""
    known = predictor.columns
    decimal = parsing.COMMA if any(column.form == parsing.COMMA for column in known) else parsing.POINT
    names = [str(column.name) for column in known if columns.is_text(column)]
    frame, source = reading.read(path, encoding, [*names, *text], decimal)
    if source.doubt:
        terminal.say(f"pynn: {terminal.printable(path)}: {source.spoken}")
    return frame, source


def prepared(predictor: Predictor, frame: Any, source: Source) -> Any:
    """The columns that the model takes, as it takes them; unknown categories are counted on stderr."""
    result = columns.applied(frame, predictor.columns, source)
    for column in predictor.columns:
        if columns.is_text(column) and not column.other:  # where rare ones share a place, so do unknown ones
            _say_unknown(result[column.name], set(column.categories), source)
    return result


def _say_unknown(series: Any, usual: set[str], source: Source) -> None:
    """Warn about categories that the training had not."""
    new = [each for each in series.cat.categories.tolist() if each not in usual]
    rows = series.isin(new).to_numpy(bool)
    if not rows.any():
        return
    shown = ", ".join(map(quoted, new[:SHOWN])) + (f" and {len(new) - SHOWN} more" if len(new) > SHOWN else "")
    place = source.place(int(series.index[int(np.argmax(rows))]), series.name)
    terminal.say(
        f"pynn: {place}: {shown} {'were' if len(new) > 1 else 'was'} not in the training, taken as missing "
        f"({several(int(rows.sum()), 'row')})"
    )


def predicted(predictor: Predictor, frame: Any) -> Any:
    """The table of predictions, in the order of the rows."""
    import pandas

    name = predictor.target
    parts = []
    for start in range(0, len(frame), ROWS):
        piece = frame.iloc[start : start + ROWS]
        if predictor.classes is None:
            numbers = predictor.predict(piece)
            parts.append(pandas.DataFrame(numbers, columns=predictor.heads(numbers.shape[1])))
            continue
        shares = predictor.probabilities(piece)
        chosen = [predictor.classes[place] for place in shares.argmax(axis=1).tolist()]
        heads = [f"p({each})" for each in predictor.classes]
        part = pandas.DataFrame(shares, columns=heads)
        part.insert(0, name if name not in heads else "prediction", chosen)
        parts.append(part)
    return pandas.concat(parts, ignore_index=True)
