"""Write ``collected.csv``."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import astuple
from pathlib import Path

from mixer_edge.collected import COLUMNS, TABLE, Row
from mixer_edge.durable import sync_one
from mixer_edge_export.files import write


def write_rows(folder: Path, rows: Iterable[Row]) -> None:
    """Write the table of a folder in one step; it is on the disk then. The rows are sorted, removed pictures last."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows(astuple(row) for row in sorted(rows, key=lambda row: (not row.file, row.file, row.sha256)))
    write(folder / TABLE, text.getvalue().encode("utf-8", "surrogateescape"))
    sync_one(folder)
