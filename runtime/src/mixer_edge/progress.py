"""A progress bar on standard error, on a terminal only."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

T = TypeVar("T")


def progress(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Yield the items while a line on the terminal shows how far they are and how long they still take."""
    total = len(items) if total is None and isinstance(items, Sized) else total
    if not sys.stderr.isatty() or not total:
        yield from items
        return
    start = last = time.monotonic()
    for count, item in enumerate(items):
        if (now := time.monotonic()) - last > 0.1:
            last, left = now, (now - start) / max(count, 1) * (total - count)
            bar = "█" * (20 * count // total)
            sys.stderr.write(f"\r{description} {bar:░<20} {count}/{total}, {left:.0f} s left \x1b[K")
            sys.stderr.flush()
        yield item
    sys.stderr.write("\r\x1b[K")
    sys.stderr.flush()
