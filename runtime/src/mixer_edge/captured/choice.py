"""Which of the pictures are kept."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mixer_edge.captured.store import Answered
from mixer_edge.changes import Changes
from mixer_edge.classifier import Category
from mixer_edge.decode import ImageSource


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is kept, and how much of it."""

    share: float
    """The probability with which a picture belongs to the random share, in [0, 1]."""
    interval_s: float
    """At most one unsure picture in so many seconds."""
    most_bytes: int
    """Of all kept pictures together."""
    days: float
    """How long pictures without a label are kept."""
    seed: int | None
    """Of the random share; None is a new one each time."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Shot:
    """A picture with what was answered for it."""

    image: ImageSource
    """The content of its file, or its pixels."""
    name: str
    """Its ending is the file's."""
    answered: Answered
    outputs: NDArray[np.float32]
    """Of the network, ``[outputs]``."""


class Chooser:
    """Chooses pictures, one after the other.

    The random share is unbiased, whatever is answered: ``pick`` draws one number for each picture, before its answer is
    looked at, so the choice of the n-th picture follows from the seed and n alone. What is picked is kept even within
    the interval of another picture. The limit is for the unsure ones: one is kept only if nothing was kept in the
    interval before it, a random one included.
    """

    def __init__(self, options: Options, *, agree: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin without pictures.

        Args:
            options: the share, the interval and the seed.
            agree: as for ``mixer_edge.changes.Changes``.
            clock: returns the time in seconds.
        """
        self._options, self._clock = options, clock
        self._random = random.Random(options.seed)
        self._changes = Changes(agree)
        self._kept_at = -math.inf
        self._answer: tuple[str | None] | None = None
        self._last: Shot | None = None
        self._before: Shot | None = None

    def pick(self) -> bool:
        """Return whether the next picture belongs to the random share; to be called once for each."""
        return self._random.random() < self._options.share

    def choose(self, shot: Shot, categories: Sequence[Category], *, none: bool) -> list[Shot]:
        """Return the pictures that are to be kept now: none of them, this one, the last one before a change, or both.

        Args:
            shot: the picture, with the reason and the random pick of its own answer.
            categories: what was answered after this picture, best first: for a camera the average over some frames.
            none: whether that is none of the classes.
        """
        before = self._before_change(categories, none=none) if categories else None
        unsure = [found for found in (before, shot if shot.answered.reason is not None else None) if found is not None]
        now = self._clock()
        chosen = unsure[:1] if now - self._kept_at >= self._options.interval_s else []
        if shot.answered.random and shot not in chosen:
            chosen.append(shot)
        if chosen:
            self._kept_at = now
        # one that is kept already is not kept again at a change
        self._last = None if shot in chosen else shot
        return chosen

    def _before_change(self, categories: Sequence[Category], *, none: bool) -> Shot | None:
        """Return the last picture before the equal answers that are a change now, if it is not kept yet."""
        answer = (None if none else categories[0].label,)
        if answer != self._answer:
            self._answer, self._before = answer, self._last
        change = self._changes.update(categories, none=none)
        if change is None or change.number == 1 or self._before is None:
            return None
        before, self._before = self._before, None
        return replace(before, answered=replace(before.answered, reason="change"))
