"""The answer in sentences."""

from __future__ import annotations

from mixer_edge_export.drift.looks import TESTS
from mixer_edge_export.drift.types import Drift, Group, Result


def headline(drift: Drift) -> str:
    """Return the answer in a few words."""
    if drift.result is None or drift.result.verdict == "alike":
        return "no answer yet"
    return f"{drift.result.verdict} found"


def lines(drift: Drift) -> list[str]:
    """Return the answer, its figures and how they were found, a line each."""
    if drift.file_sha256 is None:
        return [
            f"{drift.host}: {headline(drift)}: no random captures {_since(drift)}",
            "they are there if serve, camera or watch runs with --capture: docs/teach.md",
        ]
    first = f"{drift.host}: {headline(drift)} ({drift.bundle} {drift.variant}, {_since(drift)})"
    sizes = f"reference: {group(drift.reference)}; recent: {group(drift.recent)}, of the last {drift.days:g} days"
    found = [first, sizes]
    if drift.result is not None and drift.result.verdict == "alike":
        found.append(alike_line(drift, drift.result))
    if drift.others:
        found.append(f"{drift.others:,} random captures of other files do not count")
    return found + (_missing(drift) if drift.result is None else result_lines(drift.result))


def result_lines(result: Result) -> list[str]:
    """Return what the two tests found, and the doubts."""
    confidence, outputs = result.confidence, result.outputs
    low, high = confidence.interval
    return [
        f"outputs: of two pictures, the recent one is told in {outputs.told_apart:.1%} of the pairs (50% is chance), "
        f"{p_text(outputs.p_value)}",
        f"confidence: {confidence.reference:.1%} then, {confidence.recent:.1%} now, moved by "
        f"{100 * confidence.difference:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f}), "
        f"{p_text(confidence.p_value)}",
        look_line(result),
        *([] if result.note is None else [f"note: {result.note}"]),
    ]


def look_line(result: Result) -> str:
    """Return which look it was and what it may call a drift."""
    return (
        f"look {result.look}: a drift is p of at most {result.threshold:.2g} in one of the {TESTS} tests; the interval "
        f"is a {100 * (1 - result.threshold):.6g}% one"
    )


def alike_line(drift: Drift, result: Result) -> str:
    """Return why a difference is no answer yet, and what to do."""
    return (
        "the recent captures differ, but the reference's neighbours are alike for too long for blocks of "
        f"{drift.block} ({p_text(result.alike_p)}), so it may be chance; longer blocks decide: --reference "
        f"{2 * drift.reference.captures}"
    )


def group(part: Group) -> str:
    """Return the size of a group and its time."""
    if part.first is None or part.last is None:
        return "0 captures"
    none = f", {part.none:,} none of the classes" if part.none else ""
    return f"{part.captures:,} captures, {minute(part.first)} to {minute(part.last)}{none}"


def p_text(value: float) -> str:
    """Return a p value."""
    return f"p = {value:.2g}"


def _missing(drift: Drift) -> list[str]:
    if drift.reference.missing:
        more = f"{drift.reference.missing:,} more for the reference, then {drift.recent.missing:,} recent ones"
    else:
        more = f"{drift.recent.missing:,} more recent captures"
    return [f"needed: {more}; then repeat the command"]


def _since(drift: Drift) -> str:
    words = {"deployment": "since the deployment of", "since": "since", "first capture": "since the first capture"}
    return words[drift.start] if drift.since is None else f"{words[drift.start]} {minute(drift.since)}"


def minute(time: str) -> str:
    """Return a time without its seconds."""
    return f"{time[:10]} {time[11:16]} UTC"
