"""The sums over the taught pictures, and the head that follows from them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixer_edge.class_names import NONE, ClassNames
from mixer_edge.confidence import REFUSED, quantile, temperature_of
from mixer_edge.head import Standardized, Statistics, ridge, ridge_left_out
from mixer_edge.metrics import unknown_score

STRENGTH = 1.0
"""Of the ridge: the one that is good in most cases, docs/training.md."""
SAMPLE = 300
"""Number of pictures, those with the smallest digests, whose left-out answers decide temperature and threshold."""
BATCH = 512
FEW = 32
"""With so few pictures left, the sums are always made from them: it takes less time than the head."""

Rows = Sequence[tuple[int, NDArray[np.float32]]]
"""Number of the class, and features, of pictures."""


@dataclass(frozen=True, kw_only=True)
class Sums:
    """The statistics of the taught pictures, with their classes in the order in which these were first taught."""

    ids: tuple[int, ...]
    names: tuple[str, ...]
    statistics: Statistics
    removed: int
    """Number of pictures that were subtracted since the sums were made from the pictures themselves."""


def read_sums(database: sqlite3.Connection) -> Sums | None:
    """Return the sums; None if there are no pictures."""
    found = database.execute("SELECT gram, removed FROM sums").fetchone()
    if found is None:
        return None
    rows = database.execute("SELECT id, name, pictures, sum FROM classes ORDER BY id").fetchall()
    ids, names, counts, sums = zip(*rows, strict=True)
    gram = np.frombuffer(found[0])
    side = round(len(gram) ** 0.5)
    statistics = Statistics(
        counts=np.array(counts, np.float64),
        sums=np.stack(list(map(np.frombuffer, sums))),
        gram=gram.reshape(side, side),
    )
    return Sums(ids=ids, names=names, statistics=statistics, removed=found[1])


def update_sums(database: sqlite3.Connection, added: Rows, removed: Rows) -> None:
    """Add and subtract pictures whose rows are changed already, and compute the head again.

    Subtraction leaves rounding errors of the size of the largest sum that ever was. So the sums are made from the
    pictures themselves when more were subtracted than are left: on average that costs as much as the subtraction.
    """
    features = len((added or removed)[0][1])
    known = [identifier for (identifier,) in database.execute("SELECT id FROM classes ORDER BY id")]
    place = {identifier: index for index, identifier in enumerate(known)}
    before = read_sums(database) or Sums(
        ids=tuple(known), names=(), statistics=_statistics([], place, features), removed=0
    )
    statistics = before.statistics + _statistics(added, place, features) - _statistics(removed, place, features)
    _write(database, known, statistics, before.removed + len(removed))


def remake_sums(database: sqlite3.Connection) -> None:
    """Make the sums from the pictures themselves, and compute the head again."""
    known = [identifier for (identifier,) in database.execute("SELECT id FROM classes ORDER BY id")]
    _write(database, known, _summed(database, known), 0)


def feature_rows(database: sqlite3.Connection) -> Iterator[tuple[list[int], NDArray[np.int64], NDArray[np.float32]]]:
    """Yield the pictures' numbers, the numbers of their classes and their features, in batches."""
    cursor = database.execute("SELECT id, class, features FROM pictures ORDER BY id")
    while rows := cursor.fetchmany(BATCH):
        numbers, classes, features = zip(*rows, strict=True)
        yield list(numbers), np.array(classes), _matrix(features)


def _write(database: sqlite3.Connection, ids: list[int], statistics: Statistics, removed: int) -> None:
    left = statistics.counts.sum()
    if removed and (removed > left or left <= FEW):
        statistics, removed = _summed(database, ids), 0
    database.execute("DELETE FROM sums")
    for identifier, count, total in zip(ids, statistics.counts, statistics.sums, strict=True):
        database.execute(
            "UPDATE classes SET pictures = ?, sum = ? WHERE id = ?", (int(count), total.tobytes(), identifier)
        )
    database.execute("DELETE FROM classes WHERE pictures = 0")
    present = statistics.counts > 0
    if present.any():
        database.execute("INSERT INTO sums VALUES (?, ?)", (statistics.gram.tobytes(), removed))
        statistics = Statistics(counts=statistics.counts[present], sums=statistics.sums[present], gram=statistics.gram)
    _solve(database, statistics)


def _summed(database: sqlite3.Connection, ids: list[int]) -> Statistics:
    place = {identifier: index for index, identifier in enumerate(ids)}
    total: Statistics | None = None
    for _, classes, features in feature_rows(database):
        part = Statistics.of(features, np.array([place[identifier] for identifier in classes]), len(ids))
        total = part if total is None else total + part
    return total or Statistics(counts=np.zeros(len(ids)), sums=np.zeros((len(ids), 0)), gram=np.zeros((0, 0)))


def _statistics(rows: Rows, place: dict[int, int], features: int) -> Statistics:
    values = np.stack([row for _, row in rows]) if rows else np.zeros((0, features), np.float32)
    return Statistics.of(values, np.array([place[identifier] for identifier, _ in rows], np.int64), len(place))


def _solve(database: sqlite3.Connection, statistics: Statistics) -> None:
    """Compute the head; there is none with fewer than two classes."""
    database.execute("DELETE FROM head")
    if len(statistics.counts) < 2:
        return
    standardized = Standardized.of(statistics)
    rows = database.execute("SELECT id, name, pictures FROM classes ORDER BY id").fetchall()
    place = {identifier: index for index, (identifier, _, _) in enumerate(rows)}
    # in this order the pictures are read in that of the index, and no more than are needed
    sample = database.execute(
        "SELECT class, features FROM pictures CROSS JOIN classes ON classes.id = pictures.class "
        "WHERE classes.pictures > 1 ORDER BY digest LIMIT ?",
        [SAMPLE],
    ).fetchall()
    if not sample:  # one picture of each class: no answer can be judged
        kernel, bias = ridge(standardized, STRENGTH)
        database.execute("INSERT INTO head VALUES (?, ?, 1, NULL, NULL)", (kernel.tobytes(), bias.tobytes()))
        return
    classes = np.array([place[identifier] for identifier, _ in sample])
    features = _matrix(blob for _, blob in sample)
    kernel, bias, logits = ridge_left_out(standardized, statistics.counts, STRENGTH, features, classes)
    temperature = temperature_of(logits, classes)
    own = classes != ClassNames([name for _, name, _ in rows]).find(NONE)
    threshold = refused = None
    if own.any():
        scores = unknown_score("logit", logits[own] / temperature)
        threshold = quantile(scores, REFUSED)
        refused = float((scores < threshold).mean())
    database.execute(
        "INSERT INTO head VALUES (?, ?, ?, ?, ?)",
        ((kernel / temperature).tobytes(), (bias / temperature).tobytes(), temperature, threshold, refused),
    )


def _matrix(blobs: Iterable[bytes]) -> NDArray[np.float32]:
    return np.stack([np.frombuffer(blob, np.float32) for blob in blobs])
