"""What a user may choose, and the defaults."""

from __future__ import annotations

from dataclasses import dataclass

REFERENCE_BLOCKS = 12
"""The reference has so many blocks."""
SMALLEST = 2 * REFERENCE_BLOCKS
"""Smallest number of captures in the reference."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What to compare with what."""

    since: str | None = None
    """Time of the first capture that counts, as ``mixer_edge.changes.now``; None: the last switch to a release."""
    reference: int = 240
    """How many captures the reference has, at least ``SMALLEST``."""
    days: float = 7.0
    """The recent captures are those of so many days before the newest."""
    alpha: float = 0.05
    """The probability of one false alarm or more, in all looks at one file on a board together."""
