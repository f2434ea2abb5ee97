"""A training in a few lines, for a terminal and for ``report.md``."""

from __future__ import annotations

from mixer_edge.manifest import UnknownSpec
from mixer_edge.scores import Accuracy
from mixer_edge_export.training.record import ClassRecord, Training, TrainingRecord

NAMED = 3
"""Number of classes in a line."""


def format_training(training: Training) -> str:
    """Return the accuracy, the weakest and the smallest classes, the threshold and the advice, a line each."""
    record = training.record
    held_out, cross_validated = held_out_accuracy(record), cross_validated_accuracy(record)
    low, high = held_out.interval
    weakest = sorted(record.classes, key=lambda item: item.correct / item.pictures)[:NAMED]
    smallest = sorted(record.classes, key=lambda item: item.pictures)[:NAMED]
    lines = [
        f"Held out: {_percent(held_out.share)} of {len(record.held_out):,} pictures are right, 95 % interval "
        f"{_percent(low)} to {_percent(high)}; cross-validated: {_percent(cross_validated.share)} of "
        f"{len(record.trained):,}.",
        f"Head: {head_name(training)} on {training.head.extractor}, {len(record.classes)} classes.",
        f"Weakest classes: {', '.join(map(_right, weakest))} right in cross-validation.",
        f"Smallest classes: {', '.join(f'{item.label} {item.pictures}' for item in smallest)} pictures.",
        threshold_line(training),
    ]
    return "\n".join([*lines, *record.advice])


def held_out_accuracy(record: TrainingRecord) -> Accuracy:
    """Return the accuracy on the pictures held out, with its interval."""
    return Accuracy.of(
        sum(item.held_out_correct for item in record.classes), sum(item.held_out for item in record.classes)
    )


def cross_validated_accuracy(record: TrainingRecord) -> Accuracy:
    """Return the accuracy on the pictures trained on, each predicted by a head that did not see it."""
    return Accuracy.of(sum(item.correct for item in record.classes), sum(item.pictures for item in record.classes))


def head_name(training: Training) -> str:
    """Return the kind of the head, with its strength if it has one; of an average, the head with the most weight."""
    head = training.head
    if head.head != "average":
        return _kind(head.head, head.strength)
    used = [candidate for candidate in training.record.candidates if candidate.weight]
    first = max(used, key=lambda candidate: candidate.weight)
    return f"average of {len(used)} heads, {_kind(first.head, first.strength)} with the most weight"


def strangers_refused(record: TrainingRecord, unknown: UnknownSpec) -> float:
    """Return the share of the pictures of a class left out of the training that the measure in use refuses."""
    return {result.measure: result.strangers_refused for result in record.measures}[unknown.measure]


def threshold_line(training: Training) -> str:
    """Return when the answer is "none of these", and for what share of pictures, as one sentence."""
    unknown = training.unknown
    if unknown is None:
        return '"None of these" is never the answer: there is no threshold.'
    rule = (
        f'"None of these" is the answer if the {unknown.measure} is below {unknown.threshold:.3g}: for '
        f"{_percent(unknown.refused)} of the classes' pictures"
    )
    if not training.record.measures:
        return f"{rule}. With so few classes none can be left out, so what it does to other pictures is not known."
    share = _percent(strangers_refused(training.record, unknown))
    return f"{rule}, and for {share} of the pictures of a class left out of the training."


def _kind(head: str, strength: float | None) -> str:
    return head if strength is None else f"{head} of strength {strength:g}"


def _right(item: ClassRecord) -> str:
    return f"{item.label} {item.correct} of {item.pictures}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
