"""Choose which captures are compared, and cut them into blocks of neighbours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mixer_edge_export.drift.captures import Capture
from mixer_edge_export.drift.question import REFERENCE_BLOCKS

LEAST_BLOCKS, MOST_BLOCKS = 6, 36
"""Of recent blocks. With fewer there is hardly a choice to permute; more cost time and find little more."""
PERMUTATIONS = 10
"""There must be so many times more choices of the recent blocks than ``1 / level``: a p value is never smaller."""

Block = tuple[Capture, ...]


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The captures that are compared; the recent ones follow the reference in time."""

    size: int
    """Captures in a block."""
    reference: tuple[Capture, ...]
    recent: tuple[Capture, ...]
    """All of the last days; more or fewer than fit into blocks."""

    @property
    def reference_blocks(self) -> tuple[Block, ...]:
        """The blocks of the reference; the last one is not full if there are too few captures."""
        return _cut(self.reference, self.size)

    @property
    def recent_blocks(self) -> tuple[Block, ...]:
        """The blocks of the newest captures; if they are more than ``MOST_BLOCKS``, so many, evenly over the time."""
        blocks = _cut(self.recent[len(self.recent) % self.size :], self.size)
        kept = min(len(blocks), MOST_BLOCKS)
        return tuple(blocks[(number + 1) * len(blocks) // kept - 1] for number in range(kept))

    def missing(self, level: float) -> tuple[int, int]:
        """Return how many more captures a test at this level needs: of the reference, and recent ones."""
        needed = self.size * blocks_needed(level)
        return self.size * REFERENCE_BLOCKS - len(self.reference), max(0, needed - len(self.recent))


def blocks_needed(level: float) -> int:
    """Return how many recent blocks a test at this level needs."""
    blocks = LEAST_BLOCKS
    while math.comb(REFERENCE_BLOCKS + blocks, blocks) * level < PERMUTATIONS:
        blocks += 1
    return blocks


def divide(captures: Sequence[Capture], count: int, days: float) -> Parts:
    """Return the reference, and the recent captures after it.

    The reference is the first ``count`` captures, as far as they fill equal blocks. The recent ones are those of the
    last ``days`` before the newest.

    Args:
        captures: the oldest first.
        count: at least ``mixer_edge_export.drift.question.SMALLEST``.
        days: above 0.
    """
    size = count // REFERENCE_BLOCKS
    reference, later = captures[: size * REFERENCE_BLOCKS], captures[size * REFERENCE_BLOCKS :]
    recent = [one for one in later if _time(later[-1]) - _time(one) < timedelta(days=days)]
    return Parts(size=size, reference=tuple(reference), recent=tuple(recent))


def _cut(captures: Sequence[Capture], size: int) -> tuple[Block, ...]:
    return tuple(tuple(captures[start : start + size]) for start in range(0, len(captures), size))


def _time(capture: Capture) -> datetime:
    return datetime.fromisoformat(capture.time)
