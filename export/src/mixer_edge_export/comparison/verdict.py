"""Sentences from the figures: what each variant loses, which one to ship, and whether a bound is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mixer_edge.metrics import pictures_needed
from mixer_edge.scores import Score

DEFAULT_DROP = 1.0
"""Points that a recommended variant may lose if no bound is given."""
ALIKE = 1.1
"""Sizes within this factor count as equal, and the latency decides."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """The figures of one variant."""

    name: str
    size_bytes: int | None
    latency_ms: float | None
    score: Score | None


def verdict(candidate: Candidate, reference: Candidate, largest: Candidate) -> str:
    """Return one sentence that compares a variant's answers with the reference's, and its cost with ``largest``'s."""
    if candidate.name == reference.name:
        return f"{candidate.name}: the reference."
    parts = []
    if (score := candidate.score) is not None:
        parts.append(_against(score, reference.name))
    if candidate.size_bytes and largest.size_bytes and candidate.name != largest.name:
        parts.append(_times(largest.size_bytes / candidate.size_bytes, "smaller", "larger"))
    if candidate.latency_ms and largest.latency_ms and candidate.name != largest.name:
        parts.append(_times(largest.latency_ms / candidate.latency_ms, "faster here", "slower here"))
    than = f" (than {largest.name})" if largest.name != reference.name and candidate.name != largest.name else ""
    return f"{candidate.name}: {'; '.join(parts)}{than}."


def recommend(candidates: Sequence[Candidate], reference: Candidate, max_drop: float | None) -> tuple[str, str]:
    """Return the name of the variant to ship and why: the smallest that is shown to keep its accuracy.

    Of files with about the same size, it is the one that is fastest here.

    Args:
        candidates: variants with scores and sizes; they may include the reference.
        reference: the reference of the scores.
        max_drop: points that may be lost; None for ``DEFAULT_DROP``.
    """
    drop = DEFAULT_DROP if max_drop is None else max_drop
    files = [candidate for candidate in candidates if candidate.size_bytes]
    kept = [candidate for candidate in files if candidate.name == reference.name or _shown(candidate, drop)]
    if not kept:
        largest = max(files, key=lambda candidate: candidate.size_bytes or 0)
        return largest.name, (
            f"no file is shown to stay within {_points(drop)} of {reference.name}'s accuracy; this one is the largest"
        )
    smallest = min(candidate.size_bytes or 0 for candidate in kept)
    alike = [candidate for candidate in kept if (candidate.size_bytes or 0) <= ALIKE * smallest]
    best = min(alike, key=lambda candidate: (candidate.latency_ms or 0.0, candidate.name))
    if best.name == reference.name:
        return best.name, f"no smaller file is shown to stay within {_points(drop)} of its accuracy"
    what = f"stay within {_points(drop)} of {reference.name}'s accuracy"
    if best.score is None or best.score.difference is None:
        what += " (by agreement: without labels a changed prediction counts as lost)"
    others = [candidate.name for candidate in alike if candidate is not best]
    reason = f"the smallest file that is shown to {what}"
    if others:
        reason += f", and the fastest here among files of about its size (compared with {', '.join(others)})"
    return best.name, reason


def check_bound(score: Score, reference: str, max_drop: float) -> tuple[bool, str, int | None]:
    """Return whether the drop is shown to be within ``max_drop`` points, why, and how many pictures would show it.

    With labels, the drop's 95 % interval must be within the bound. Without labels, the drop cannot be larger than the
    share of changed predictions, so the Wilson interval of this share must be.
    """
    bound = max_drop / 100
    if score.difference is not None:
        difference, (low, _) = score.difference.share, score.difference.interval
        kind, at_worst = "drop", "drop"
    else:
        difference, low = score.agreement.share - 1, score.agreement.interval[0] - 1
        kind, at_worst = "share of changed predictions", "changed predictions"
    measured = f"{kind} to {reference} is {0 - 100 * difference:.2f} points, 95 % interval up to {0 - 100 * low:.2f}"
    if low >= -bound:
        return True, f"{score.name} keeps within {_points(max_drop)}: its {measured}", None
    needed = pictures_needed(difference, low, bound, score.pictures)
    if needed is None:
        return False, f"{score.name} does not keep within {_points(max_drop)}: its {measured}", None
    return (
        False,
        f"{score.name} is not shown to keep within {_points(max_drop)}: its {measured}; if the {at_worst} "
        f"stays as measured, about {needed:,} pictures in all would show it ({needed - score.pictures:,} more)",
        needed,
    )


def _against(score: Score, reference: str) -> str:
    changed = f"{score.changed:,} of {score.pictures:,} predictions changed"
    if score.difference is None:
        low, high = score.agreement.interval
        return (
            f"agrees with {reference} on {score.agreement.share:.2%} of the pictures, interval {low:.2%} to {high:.2%} "
            f"({changed})"
        )
    difference = score.difference
    low, high = (100 * end for end in difference.interval)
    points = 100 * difference.share
    place = f"{abs(points):.2f} points {'below' if points < 0 else 'above'}" if points else "level with"
    distinct = "not distinguishable" if low <= 0 <= high else ("worse" if points < 0 else "better")
    return (
        f"{place} {reference}, interval {low + 0:+.2f} to {high + 0:+.2f}: {distinct} "
        f"({changed}: {difference.lost:,} lost, {difference.won:,} won)"
    )


def _shown(candidate: Candidate, drop: float) -> bool:
    return candidate.score is not None and check_bound(candidate.score, "", drop)[0]


def _times(ratio: float, more: str, less: str) -> str:
    if 0.95 < ratio < 1.05:
        return {"smaller": "the same size", "faster here": "as fast here"}[more]
    return f"{ratio:.1f} times {more}" if ratio > 1 else f"{1 / ratio:.1f} times {less}"


def _points(points: float) -> str:
    return f"{points:g} point" + "s" * (points != 1)
