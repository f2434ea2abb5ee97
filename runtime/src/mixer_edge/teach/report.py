"""What is taught, and how good the answers are: each picture judged by a head that did not see it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixer_edge.head import Standardized, ridge_left_out
from mixer_edge.kept.files import PictureFiles
from mixer_edge.metrics import wilson_interval
from mixer_edge.teach.sums import STRENGTH, Sums, feature_rows, read_sums
from mixer_edge.teach.tables import TAUGHT

SURE = 0.8
"""A class whose accuracy is below this, or not above it for sure, may need more pictures."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """How many pictures were recognised when they were left out."""

    judged: int
    right: int
    share: float
    interval: tuple[float, float]
    """95 %."""

    @classmethod
    def of(cls, right: int, judged: int) -> Share | None:
        """Return the share; None if no picture was judged."""
        if judged == 0:
            return None
        return cls(judged=judged, right=right, share=right / judged, interval=wilson_interval(right, judged))


@dataclass(frozen=True, kw_only=True)
class TaughtClass:
    """One class."""

    label: str
    pictures: int
    left_out: Share | None
    """None for the only picture of a class, and for the only class."""
    taken_for: dict[str, int]
    """Other classes that were the answer for its pictures -> how often, the most frequent first."""


@dataclass(frozen=True, kw_only=True)
class Mistaken:
    """A picture that was taken for another class: look whether its own is right."""

    file: str
    """Where it is kept."""
    label: str
    answer: str


@dataclass(frozen=True, kw_only=True)
class ClassesReport:
    """What ``mixer-edge classes --json`` prints."""

    folder: str
    """Where it is kept."""
    extractor: str
    variant: str
    """Of the file whose features are used."""
    pictures: int
    classes: tuple[TaughtClass, ...]
    left_out: Share | None
    """Over the pictures of all classes."""
    mistaken: tuple[Mistaken, ...]
    needs_pictures: str | None
    """The class that needs more pictures first; None if none does."""


def report(folder: Path, extractor: str, variant: str) -> ClassesReport:
    """Return the figures of what is taught in a folder.

    Raises:
        DataError: it cannot be read.
    """
    with TAUGHT.reading(folder) as database:
        sums = None if database is None else read_sums(database)
        if database is None or sums is None:
            return ClassesReport(
                folder=str(folder), extractor=extractor, variant=variant, pictures=0, classes=(), left_out=None,
                mistaken=(), needs_pictures=None,
            )  # fmt: skip
        ((extractor, variant),) = database.execute("SELECT name, variant FROM extractor")
        confusion = np.zeros((len(sums.ids), len(sums.ids)), np.int64)
        mistaken: list[Mistaken] = []
        files = PictureFiles(folder)
        if len(sums.ids) > 1:
            standardized = Standardized.of(sums.statistics)
            for numbers, classes, features in feature_rows(database):
                rows, own, answers = _answers(sums, standardized, classes, features)
                np.add.at(confusion, (own, answers), 1)
                for row, truth, answer in zip(rows, own, answers, strict=True):
                    if truth != answer:
                        (file,) = database.execute("SELECT file FROM pictures WHERE id = ?", [numbers[row]]).fetchone()
                        path = str(files.path(file))
                        mistaken.append(Mistaken(file=path, label=sums.names[truth], answer=sums.names[answer]))
    judged = confusion.sum(axis=1)
    counts = sums.statistics.counts.astype(np.int64)
    found = tuple(
        TaughtClass(
            label=label,
            pictures=int(counts[index]),
            left_out=Share.of(int(confusion[index, index]), int(judged[index])),
            taken_for=_taken_for(confusion[index], index, sums.names),
        )
        for index, label in enumerate(sums.names)
    )
    return ClassesReport(
        folder=str(folder),
        extractor=extractor,
        variant=variant,
        pictures=int(counts.sum()),
        classes=found,
        left_out=Share.of(int(np.trace(confusion)), int(judged.sum())),
        mistaken=tuple(mistaken),
        needs_pictures=_needs_pictures(found),
    )


def _answers(
    sums: Sums, standardized: Standardized, classes: NDArray[np.int64], features: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of the pictures that are not alone in their class, their classes, and the answers."""
    own = np.searchsorted(sums.ids, classes)
    rows = np.flatnonzero(sums.statistics.counts[own] > 1)
    if not len(rows):
        return rows, rows, rows
    _, _, logits = ridge_left_out(standardized, sums.statistics.counts, STRENGTH, features[rows], own[rows])
    return rows, own[rows], logits.argmax(axis=1)


def _taken_for(row: NDArray[np.int64], own: int, names: tuple[str, ...]) -> dict[str, int]:
    order = sorted((index for index in range(len(row)) if index != own and row[index]), key=lambda index: -row[index])
    return {names[index]: int(row[index]) for index in order}


def _needs_pictures(classes: tuple[TaughtClass, ...]) -> str | None:
    """Return a class with one picture, else that with the lowest end of its interval, if it is not above ``SURE``."""
    if not classes:
        return None
    worst = min(classes, key=lambda item: item.left_out.interval[0] if item.left_out else -1 / item.pictures)
    return worst.label if worst.left_out is None or worst.left_out.interval[0] < SURE else None
