"""The format of all tables that the commands print."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest


def text_table(rows: Sequence[Sequence[str]]) -> str:
    """Return a line per row, each column as wide as its widest cell, without a newline at the end.

    A row may have fewer cells than the others.
    """
    widths = [max(map(len, column)) for column in zip_longest(*rows, fillvalue="")]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
