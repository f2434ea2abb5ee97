"""The sums over the taught pictures, and the head that follows from them."""

from __future__ import annotations

import functools
import operator
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
SAMPLE = 150
"""Number of pictures, those with the smallest digests, whose left-out answers decide temperature and threshold."""
BATCH = 512
UNSUMMED = 32
"""Number of pictures that may come or go before the Gram matrix is written again."""
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
    later, subtracted = _unsummed(database, side)
    statistics = Statistics(
        counts=np.array(counts, np.float64),
        sums=np.stack(list(map(np.frombuffer, sums))),
        gram=gram.reshape(side, side) + later,
    )
    return Sums(ids=ids, names=names, statistics=statistics, removed=found[1] + subtracted)


def update_sums(database: sqlite3.Connection, added: Rows, removed: Rows) -> None:
    """Add and subtract pictures whose rows are changed already, and compute the head again.

    Subtraction leaves rounding errors of the size of the largest sum that ever was. So the sums are made from the
    pictures themselves when more were subtracted than are left: on average that costs as much as the subtraction.
    """
    for sign, rows in ((1, added), (-1, removed)):
        _add_to_classes(database, sign, rows)
        changes = [(sign, features.tobytes()) for _, features in rows]
        database.executemany("INSERT INTO unsummed VALUES (?, ?)", changes)
    database.execute("DELETE FROM classes WHERE pictures = 0")
    sums = read_sums(database) if database.execute("SELECT 1 FROM classes LIMIT 1").fetchone() else None
    if sums is None or (sums.removed and (sums.removed > (left := sums.statistics.counts.sum()) or left <= FEW)):
        remake_sums(database)
        return
    ((waiting,),) = database.execute("SELECT COUNT(*) FROM unsummed")
    if waiting > UNSUMMED:
        _write_gram(database, sums.statistics.gram, sums.removed)
    _solve(database, sums.statistics)


def remake_sums(database: sqlite3.Connection) -> None:
    """Make the sums from the pictures themselves, and compute the head again; no class is without pictures."""
    ids = [identifier for (identifier,) in database.execute("SELECT id FROM classes ORDER BY id")]
    if not ids:
        for table in ("sums", "unsummed", "head"):
            database.execute(f"DELETE FROM {table}")
        return
    place = {identifier: index for index, identifier in enumerate(ids)}
    parts = (
        Statistics.of(features, np.array([place[identifier] for identifier in classes]), len(ids))
        for _, classes, features in feature_rows(database)
    )
    statistics = functools.reduce(operator.add, parts)
    for identifier, count, total in zip(ids, statistics.counts, statistics.sums, strict=True):
        _write_class(database, identifier, int(count), total)
    _write_gram(database, statistics.gram, 0)
    _solve(database, statistics)


def feature_rows(database: sqlite3.Connection) -> Iterator[tuple[list[int], NDArray[np.int64], NDArray[np.float32]]]:
    """Yield the pictures' numbers, the numbers of their classes and their features, in batches."""
    cursor = database.execute("SELECT id, class, features FROM pictures ORDER BY id")
    while rows := cursor.fetchmany(BATCH):
        numbers, classes, features = zip(*rows, strict=True)
        yield list(numbers), np.array(classes), _matrix(features)


def _add_to_classes(database: sqlite3.Connection, sign: int, rows: Rows) -> None:
    for identifier in {identifier for identifier, _ in rows}:
        own = [features for label, features in rows if label == identifier]
        count, total = database.execute("SELECT pictures, sum FROM classes WHERE id = ?", [identifier]).fetchone()
        change = sign * np.sum(own, axis=0, dtype=np.float64)
        _write_class(database, identifier, count + sign * len(own), np.frombuffer(total) + change)


def _write_class(database: sqlite3.Connection, identifier: int, count: int, total: NDArray[np.float64]) -> None:
    database.execute("UPDATE classes SET pictures = ?, sum = ? WHERE id = ?", (count, total.tobytes(), identifier))


def _write_gram(database: sqlite3.Connection, gram: NDArray[np.float64], removed: int) -> None:
    """Write the Gram matrix of all pictures."""
    database.execute("DELETE FROM sums")
    database.execute("INSERT INTO sums VALUES (?, ?)", (gram.tobytes(), removed))
    database.execute("DELETE FROM unsummed")


def _unsummed(database: sqlite3.Connection, features: int) -> tuple[NDArray[np.float64], int]:
    """Return the Gram matrix of the pictures that came since one was written, minus that of the number that went."""
    rows = database.execute("SELECT sign, features FROM unsummed").fetchall()
    if not rows:
        return np.zeros((features, features)), 0
    signs, values = np.array([sign for sign, _ in rows]), _matrix(blob for _, blob in rows).astype(np.float64)
    return values.T @ (signs[:, np.newaxis] * values), int((signs < 0).sum())


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
