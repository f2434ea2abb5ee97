"""A progress bar on standard error, on a terminal only."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TypeVar

T = TypeVar("T")

CLEAR = "\r\x1b[K"
"""Goes back to the start of the terminal's current line and clears it."""


def progress(
    items: Iterable[T], description: str, total: int | None = None, size: Callable[[T], int] = lambda _: 1
) -> Iterator[T]:
    """Yield the items; a line on the terminal shows the progress and the remaining time.

    Args:
        items: what is done.
        description: what is shown before the numbers.
        total: the sum of all sizes; None for the number of items.
        size: how much of the total an item is.
    """
    total = len(items) if total is None and isinstance(items, Sized) else total
    if not sys.stderr.isatty() or not total:
        yield from items
        return
    start = last = time.monotonic()
    count = 0
    try:
        for item in items:
            if (now := time.monotonic()) - last > 0.1:
                last, left = now, (now - start) / max(count, 1) * (total - count)
                show(f"{description} {count}/{total}, {left:.0f} s left", count / total)
            yield item
            count += size(item)
    finally:
        show("")


def show(text: str, part: float | None = None) -> None:
    """Write ``text`` over the terminal's current line, cut to its width, with a bar if there is room."""
    # the width is standard error's: shutil's function takes standard output's, which may be a file
    width = (os.get_terminal_size(sys.stderr.fileno()).columns or 80) - 1
    bar = "" if part is None else f" {'█' * int(20 * part):░<20}"
    line = text + bar if len(text + bar) <= width else text[:width]
    sys.stderr.write(f"\r{line}\x1b[K")
    sys.stderr.flush()


def write_line(text: str) -> None:
    """Write ``text`` as a line of its own; it replaces a progress bar."""
    sys.stderr.write(f"{CLEAR if sys.stderr.isatty() else ''}{text}\n")
