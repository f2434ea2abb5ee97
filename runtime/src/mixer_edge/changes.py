"""When the answer of a camera has changed: after several equal answers in a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from mixer_edge.classifier import Category


@dataclass(frozen=True, kw_only=True)
class Change:
    """A new state: the label that the last answers agree on."""

    number: int
    """1 for the first."""
    time: str
    """When it was noticed: UTC in ISO 8601, with milliseconds."""
    label: str | None
    """None: the picture is none of the classes."""
    categories: tuple[Category, ...]
    """Of the last of these answers, best first."""
    none: bool
    """Whether it is none of the classes; the categories are then the nearest."""


class Changes:
    """The state that answers agree on; one wrong answer among them does not change it."""

    def __init__(self, needed: int = 3) -> None:
        """Begin without a state. ``needed``: how many answers in a row must be equal."""
        self._needed = needed
        self._number = self._equal = 0
        self._last: tuple[str | None] | None = None
        self._state: tuple[str | None] | None = None

    def update(self, categories: Sequence[Category], *, none: bool) -> Change | None:
        """Return the change that this answer completes, or None.

        Args:
            categories: of the answer, best first.
            none: whether the answer is none of the classes.
        """
        answer = (None if none else categories[0].label,)
        self._equal = self._equal + 1 if answer == self._last else 1
        self._last = answer
        if self._equal < self._needed or answer == self._state:
            return None
        self._state = answer
        self._number += 1
        return Change(
            number=self._number,
            time=now(),
            label=answer[0],
            categories=tuple(categories),
            none=none,
        )


def now() -> str:
    """Return the time in UTC in ISO 8601 with milliseconds, e.g. ``2026-05-04T03:02:01.000Z``."""
    return days_ago(0)


def days_ago(days: float) -> str:
    """Return the time so many days ago, written as that of ``now``."""
    return written(datetime.now(timezone.utc) - timedelta(days=days))


def written(moment: datetime) -> str:
    """Return a time with a zone as that of ``now``."""
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
