"""What a `TableEncoder` learned of the columns, as JSON in a tensor of bytes: plain data in model files."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import numpy as np

from ..data.columns import KINDS, PARTS, Column
from ..data.frames import key
from ..data.parsing import FORMS
from ..messages.terminal import brief
from ..saving import config, container
from ..typing import Array

LISTS = ("categories", "counts", "parts", "medians", "words")
LATER = ("form", "words")  # fields that older files lack
FIELDS = tuple(field.name for field in dataclasses.fields(Column) if field.name not in LATER)


def written(columns: list[Column]) -> Array:
    """The columns as bytes."""
    text = json.dumps([dataclasses.asdict(column) for column in columns])
    array: Array = np.frombuffer(text.encode(), np.uint8).copy()
    return array


def read(tensor: Array, name: str) -> list[Column]:
    """The columns from their bytes; ValueError or TypeError if they are not what `written` gives."""
    if tensor.dtype != np.uint8 or tensor.ndim != 1:
        raise ValueError(f"{name} is {tensor.dtype} {tensor.shape}, expected bytes of text")
    try:
        data = container.parsed(tensor.tobytes().decode("ascii"))
    except (ValueError, RecursionError) as cause:
        raise ValueError(f"{name} is not JSON ({cause}): {config.NEWER}") from container.safe_cause(cause)
    if not isinstance(data, list) or not data:
        raise ValueError(f"{name} is {brief(data)}, expected a list of columns")
    columns = [_column(one, f"{name}: column {place}") for place, one in enumerate(data)]
    names = [column.name for column in columns]
    if len(set(names)) < len(names) or len({type(one) for one in names}) > 1:
        raise ValueError(f"{name} has the columns {brief(names)}, expected different names, or places")
    return columns


def _column(data: Any, where: str) -> Column:
    config.expect_keys(where, data, FIELDS, LATER)
    data = {"form": "", "words": [], **data}
    for field in LISTS:
        if not isinstance(data[field], list):
            raise ValueError(f"{where}: {field} is {brief(data[field])}, expected a list")
    column = Column(**{**data, **{field: tuple(data[field]) for field in LISTS}})
    for field, fits in _checks(column).items():
        if not fits:
            raise ValueError(f"{where}: {field} is {brief(data[field])}, which a column of this kind cannot have")
    return column


def _checks(column: Column) -> dict[str, bool]:
    categories, counts = column.categories, column.counts
    listed = column.kind in ("category", "boolean")
    dated = column.kind == "date"
    known = all(isinstance(value, (str, bool)) or _is_number(value) for value in categories)
    return {
        "name": isinstance(column.name, str) or type(column.name) is int,
        "kind": column.kind in KINDS,
        "dtype": isinstance(column.dtype, str),
        "note": isinstance(column.note, str),
        "missing": _is_count(column.missing),
        "other": type(column.other) is bool and (listed or not column.other),
        "text": type(column.text) is bool,
        "form": column.form in ("", *FORMS),
        "words": all(isinstance(word, str) for word in column.words),
        "aware": type(column.aware) is bool,
        "origin": _is_number(column.origin),
        "parts": column.parts == tuple(part for part in PARTS if part in column.parts)
        and (PARTS[0] in column.parts) == dated
        and (dated or not column.parts),
        "medians": len(column.medians) == (len(column.parts) if dated else column.kind == "number")
        and all(map(_is_number, column.medians)),
        "categories": known and bool(categories) == listed and len(set(map(key, categories))) == len(categories),
        "counts": len(counts) == len(categories) and all(map(_is_count, counts)),
    }


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e308 and math.isfinite(value)
