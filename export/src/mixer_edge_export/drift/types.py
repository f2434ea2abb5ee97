"""The answer to one look; ``drift --json`` and ``report.json`` have the same fields (docs/drift.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SCHEMA_VERSION = 1
Start = Literal["deployment", "since", "first capture"]
Verdict = Literal["drift", "no drift", "alike"]
Part = Literal["reference", "recent", "not used"]


@dataclass(frozen=True, kw_only=True)
class Group:
    """The reference, or the recent captures."""

    captures: int
    first: str | None
    """Time of the oldest one, UTC; None without captures."""
    last: str | None
    none: int
    """How many were none of the classes."""
    missing: int
    """How many more are needed for an answer."""


@dataclass(frozen=True, kw_only=True)
class Confidence:
    """The probability of the best class, on average: how it moved."""

    reference: float
    recent: float
    difference: float
    """Recent minus reference."""
    interval: tuple[float, float]
    """Of the difference; it has 0 outside if and only if ``p_value`` is at most the look's threshold."""
    p_value: float


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """The network's outputs: how their distribution moved."""

    energy: float
    """Energy distance of the standardized outputs; about 0 if nothing has moved."""
    told_apart: float
    """Share of pairs, one reference and one recent picture, in which the outputs tell the recent one; 0.5 is chance."""
    p_value: float


@dataclass(frozen=True, kw_only=True)
class Strange:
    """A recent picture far from the reference."""

    file: str
    time: str
    label: str
    probability: float
    none: bool
    distance: float
    """From its five nearest pictures of the reference, divided by the median of these pictures' own such distance."""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """One capture on the plot."""

    time: str
    probability: float
    part: Part


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one look found."""

    look: int
    """The number of the look, from 1."""
    threshold: float
    """The largest p value of each of the two tests that is called a drift."""
    confidence: Confidence
    outputs: Outputs
    alike_p: float
    """Probability that neighbouring half blocks of the reference are as near each other as they are, if by chance."""
    verdict: Verdict
    """A drift if one of the two p values is at most the threshold; but alike if ``alike_p`` makes this doubtful."""
    strangest: tuple[Strange, ...]
    """The farthest first."""
    note: str | None
    """What else makes the answer doubtful."""


@dataclass(frozen=True, kw_only=True)
class Drift:
    """The answer for one board."""

    schema_version: int = SCHEMA_VERSION
    host: str
    bundle: str | None
    """Name of the model; None without captures, like the next two."""
    variant: str | None
    file_sha256: str | None
    """Of the variant's file."""
    since: str | None
    """Earlier captures do not count; None if all count."""
    start: Start
    """What happened at that time."""
    others: int
    """Number of random captures since then that are of other files, and do not count."""
    days: float
    """The recent captures are those of so many days before the newest."""
    block: int
    """Number of captures in a block."""
    reference: Group
    recent: Group
    result: Result | None
    """None: too few captures for an answer."""
    captures: tuple[Moment, ...]
    """All of the file, the oldest first."""
