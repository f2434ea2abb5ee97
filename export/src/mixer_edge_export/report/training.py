"""What the page's section about a training shows, from the record of the training."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from markupsafe import Markup

from mixer_edge.errors import ImageError
from mixer_edge.scores import Accuracy
from mixer_edge_export.report.charts import ticks
from mixer_edge_export.report.curve import Place, curve
from mixer_edge_export.report.thumbnails import data_address
from mixer_edge_export.training.record import ClassRecord, CurvePoint, Suspect, Together, Training, TrainingRecord
from mixer_edge_export.training.summary import (
    cross_validated_accuracy,
    head_name,
    held_out_accuracy,
    strangers_refused,
    threshold_line,
)

CLASSES = 20
"""Largest number of classes in the matrix, as a wider one does not fit on the page, and of those not folded away."""
PAIRS, SUSPECTS, CONTRADICTIONS, FILES, GROUPS = 12, 24, 12, 4, 100
"""Largest numbers that are shown: of pairs, suspects, contradictions, files of one of them, and groups."""


@dataclass(frozen=True, kw_only=True)
class ClassRow:
    """A class, and its accuracy in cross-validation."""

    record: ClassRecord
    accuracy: Accuracy


@dataclass(frozen=True, kw_only=True)
class Pair:
    """How many held-out pictures of a class were taken for another."""

    label: str
    answer: str
    count: int
    pictures: int


@dataclass(frozen=True, kw_only=True)
class Section:
    """The contents of the section, in its order."""

    training: Training
    head: str
    held_out: Accuracy
    cross_validated: Accuracy
    learning: Markup | None
    strangers: Markup | None
    threshold: str
    classes: tuple[ClassRow, ...]
    """The worst first."""
    folded: tuple[ClassRow, ...]
    """The others, if there are many."""
    labels: tuple[str, ...]
    matrix: tuple[tuple[tuple[int, float], ...], ...] | None
    """``[true class][answered class]``: held-out pictures, and their share of the true class's; None if too large."""
    pairs: tuple[Pair, ...]
    """The most frequent first."""
    more_pairs: int
    suspects: tuple[Suspect, ...]
    contradictions: tuple[Together, ...]
    more_contradictions: int
    reasons: tuple[tuple[str, int, int], ...]
    """Why pictures belong together, and the numbers of groups and of pictures, the most frequent first."""
    together: tuple[Together, ...]
    thumbnails: dict[str, str]
    """File -> its picture as an address; without files that cannot be read any more."""


def section(training: Training, pictures: Path | None) -> Section:
    """Return the contents of the section.

    Args:
        training: the training to show.
        pictures: folder with the pictures, ``trained/<name>`` and ``held_out/<name>``; None for no thumbnails.
    """
    record = training.record
    rows = [ClassRow(record=item, accuracy=Accuracy.of(item.correct, item.pictures)) for item in record.classes]
    rows.sort(key=lambda row: row.accuracy.share)
    pairs = _pairs(record)
    suspects = record.suspects[:SUSPECTS]
    contradictions = [group for group in record.together if group.contradictory]
    shown = [item.file for item in suspects]
    shown += [file for group in contradictions[:CONTRADICTIONS] for file in group.files[:FILES]]
    return Section(
        training=training,
        head=head_name(training),
        held_out=held_out_accuracy(record),
        cross_validated=cross_validated_accuracy(record),
        learning=_learning(record.curve) if record.curve else None,
        strangers=_strangers(training),
        threshold=threshold_line(training),
        classes=tuple(rows[:CLASSES]),
        folded=tuple(rows[CLASSES:]),
        labels=tuple(item.label for item in record.classes),
        matrix=_matrix(record.held_out_confusion) if len(record.classes) <= CLASSES else None,
        pairs=tuple(pairs[:PAIRS]),
        more_pairs=len(pairs[PAIRS:]),
        suspects=suspects,
        contradictions=tuple(replace(group, files=group.files[:FILES]) for group in contradictions[:CONTRADICTIONS]),
        more_contradictions=len(contradictions[CONTRADICTIONS:]),
        reasons=_reasons(record.together),
        together=record.together[:GROUPS],
        thumbnails={} if pictures is None else _thumbnails(shown, record, pictures),
    )


def _learning(points: Sequence[CurvePoint]) -> Markup:
    """Return the accuracy against the pictures per class; equal distances are equal ratios."""
    places = [
        Place(x=point.pictures_per_class, y=100 * point.accuracy, low=100 * point.low, high=100 * point.high)
        for point in points
    ]
    said = [f"{place.x:.0f} pictures: {place.y:.1f} %, {place.low:.1f} to {place.high:.1f} %" for place in places]
    return curve(
        places,
        title="Cross-validated accuracy against pictures per class",
        description=f"{'; '.join(said)}.",
        x_title="pictures per class",
        x_ticks=[place.x for place in places],
        scale=math.log,
        mark=places[-1],
    )


def _strangers(training: Training) -> Markup | None:
    """Return the share of strangers refused against the share of the classes' pictures refused."""
    unknown = training.unknown
    if unknown is None or not training.record.measures:
        return None
    points = sorted((100 * point.refused, 100 * point.strangers_refused) for point in training.record.thresholds)
    places = [Place(x=x, y=y, low=y, high=y) for x, y in points]
    x, y = 100 * unknown.refused, 100 * strangers_refused(training.record, unknown)
    return curve(
        places,
        title="Strangers refused against pictures of the classes refused",
        description=f"The chosen threshold refuses {x:.1f} % of the classes' pictures and {y:.1f} % of the strangers.",
        x_title="pictures of your classes refused, %",
        x_ticks=ticks(places[0].x, places[-1].x),
        scale=float,
        mark=Place(x=x, y=y, low=y, high=y),
    )


def _matrix(confusion: Sequence[Sequence[int]]) -> tuple[tuple[tuple[int, float], ...], ...]:
    return tuple(tuple((count, count / (sum(row) or 1)) for count in row) for row in confusion)


def _pairs(record: TrainingRecord) -> list[Pair]:
    pairs = [
        Pair(label=true.label, answer=answer.label, count=count, pictures=true.held_out)
        for true, row in zip(record.classes, record.held_out_confusion, strict=True)
        for answer, count in zip(record.classes, row, strict=True)
        if count and answer is not true
    ]
    return sorted(pairs, key=lambda pair: -pair.count)


def _reasons(together: Sequence[Together]) -> tuple[tuple[str, int, int], ...]:
    groups = Counter(group.reason for group in together)
    return tuple(
        (reason, count, sum(len(group.files) for group in together if group.reason == reason))
        for reason, count in groups.most_common()
    )


def _thumbnails(files: Sequence[str], record: TrainingRecord, pictures: Path) -> dict[str, str]:
    """Return the addresses of the files that can still be read: the user may have moved or deleted some."""
    addresses = {}
    for file in files:
        with suppress(ImageError):
            addresses[file] = data_address(pictures / ("trained" if file in record.trained else "held_out") / file)
    return addresses
