"""Pictures that were collected from boards: class folders with a table of where each picture comes from.

::

    <class>/<sha256>.jpg    a picture with a class
    unsorted/<sha256>.jpg   a picture without one
    collected.csv           a row for each, with the columns of ``Row``

A picture's class is its folder's, not the table's: whoever sorts pictures moves files.
"""

from __future__ import annotations

import csv
import dataclasses
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from mixer_edge import strict_json
from mixer_edge.errors import DataError

TABLE = "collected.csv"
BURST_S = 30.0
"""Largest time between two pictures of a burst: a board that is unsure keeps a frame every ten seconds."""
KEPT_NAME = re.compile(r"([0-9a-f]{64})(\.[a-z]{1,5})?")
"""Of the file of a kept picture: its sha256, and an ending."""
ClassBy = Literal["taught", "label", "hand", ""]


@dataclass(frozen=True, kw_only=True)
class Row:
    """What is known of a picture; the names of the fields, ``class_`` without ``_``, are those of the columns.

    A text is empty if the board does not know it.
    """

    file: str
    """Where it is, relative to the table's folder; empty: somebody removed it, and it is not copied again."""
    class_: str
    class_by: ClassBy
    """Who says so: it was taught, labelled on the board, or moved by hand in the folder; empty: nobody."""
    time: str
    """When the board answered, in UTC in ISO 8601."""
    answer: str
    probability: str
    """Of the answer."""
    none: str
    """Whether it was none of the classes: yes or no."""
    reason: str
    """Why it was captured; ``random`` for one of the random share alone."""
    variant: str
    bundle: str
    extractor: str
    """Fingerprint of the weights."""
    board: str
    """The first board that it was found on."""
    sha256: str


_COLUMNS = {field.name.removesuffix("_"): field.name for field in dataclasses.fields(Row)}
COLUMNS = tuple(_COLUMNS)


def read_rows(folder: Path) -> dict[str, Row]:
    """Return the rows of a folder's table by sha256; none if there is no table.

    Raises:
        DataError: it cannot be read.
    """
    path = folder / TABLE
    if not path.is_file():
        return {}
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                found = ", ".join(reader.fieldnames or ()) or "missing"
                raise DataError(
                    f"{path}: columns {found}; expected those of a table that collect wrote: {', '.join(COLUMNS)}"
                )
            rows = [_row(cells) for cells in reader]
    except (OSError, csv.Error, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}); expected a table that collect wrote") from None
    return {row.sha256: row for row in rows}


def _row(cells: Mapping[str | None, str]) -> Row:
    if None in cells:
        raise ValueError("a row has too many cells")
    return strict_json.parse(Row, {_COLUMNS[name or ""]: cell for name, cell in cells.items()})


def bursts(classes: Mapping[Path, str], rows: Mapping[str, Row]) -> dict[Path, str]:
    """Return a name for the burst of each picture whose time is known: one class, one board, each near the last one.

    Args:
        classes: of the pictures.
        rows: by sha256, which is the name of a picture's file.
    """
    series: defaultdict[tuple[str, str], list[tuple[datetime, Path]]] = defaultdict(list)
    for path, label in classes.items():
        row = rows.get(path.stem)
        if row is not None and (time := _time(row.time)) is not None:
            series[label, row.board].append((time, path))
    return {path: name for (_, board), timed in series.items() for path, name in _bursts(board, sorted(timed))}


def _bursts(board: str, timed: Iterable[tuple[datetime, Path]]) -> list[tuple[Path, str]]:
    named: list[tuple[Path, str]] = []
    last: datetime | None = None
    for time, path in timed:
        near = last is not None and (time - last).total_seconds() <= BURST_S
        named.append((path, named[-1][1] if near else f"{board} {path.stem}"))
        last = time
    return named


def _time(text: str) -> datetime | None:
    try:
        # Python 3.10 does not know the Z
        return datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
