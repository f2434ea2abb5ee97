"""Keep captured pictures in a ring of a bounded size, label them and remove them."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mixer_edge import strict_json
from mixer_edge.captured.tables import CAPTURED
from mixer_edge.classifier import Category
from mixer_edge.kept.database import Writing
from mixer_edge.kept.files import PictureFiles, file_name

Reason = Literal["none", "threshold", "tie", "change"]


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What was answered for a picture, by what, and why it is kept."""

    time: str
    """UTC in ISO 8601, as ``mixer_edge.changes.now``."""
    reason: Reason | None
    """Why the answer is unsure; None for a picture of the random share alone."""
    random: bool
    """Whether the picture is of the random share, which does not depend on the answer."""
    categories: tuple[Category, ...]
    """Best first."""
    none: bool
    """Whether it was none of the classes; the categories are then the nearest."""
    bundle: str
    fingerprint: str
    """Of the weights."""
    variant: str
    file_sha256: str
    """Of the variant's file: only outputs of the same file can be compared."""


@dataclass(frozen=True, kw_only=True)
class Captured:
    """A kept picture."""

    file: str
    """Name of its file: the sha256 of the content, and the ending."""
    bytes: int
    answered: Answered
    label: str | None
    """What a person said it is."""


@dataclass(frozen=True, kw_only=True)
class _Categories:
    categories: tuple[Category, ...]


def keep(
    folder: Path,
    content: bytes,
    name: str,
    answered: Answered,
    outputs: NDArray[np.float32],
    *,
    most_bytes: int,
    oldest: str = "",
) -> bool:
    """Keep a picture and return whether it is new; the oldest ones without a label make room, then the oldest ones.

    Args:
        folder: where captured pictures are.
        content: of the picture's file.
        name: of the picture, whose ending the file takes.
        answered: what was answered.
        outputs: of the network, ``[outputs]`` float32: logits, or features.
        most_bytes: of all pictures together, no less than those of this one.
        oldest: a time as that of an answer; pictures from before it that have no label are removed.

    Raises:
        DataError: nothing can be written.
    """
    with CAPTURED.writing(folder) as change:
        _remove_older(change, oldest)
        again = "UPDATE pictures SET random = random OR ? WHERE file = ?"
        if change.database.execute(again, (answered.random, file_name(content, name))).rowcount:
            return False
        file = change.files.add(content, name)
        _make_room(change, most_bytes - len(content))
        change.database.execute(
            "INSERT INTO pictures (file, bytes, time, reason, random, categories, none, bundle, fingerprint, variant, "
            "file_sha256, outputs) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                file, len(content), answered.time, answered.reason, answered.random,
                strict_json.line(_Categories(categories=answered.categories)), answered.none, answered.bundle,
                answered.fingerprint, answered.variant, answered.file_sha256, outputs.tobytes(),
            ),
        )  # fmt: skip
    return True


def read_captured(folder: Path) -> list[Captured]:
    """Return all captured pictures, the oldest first.

    Raises:
        DataError: they cannot be read.
    """
    with CAPTURED.reading(folder) as database:
        if database is None:
            return []
        rows = database.execute(
            "SELECT file, bytes, label, time, reason, random, categories, none, bundle, fingerprint, variant, "
            "file_sha256 FROM pictures ORDER BY id"
        ).fetchall()
    return [
        Captured(
            file=file,
            bytes=size,
            label=label,
            answered=Answered(
                time=time,
                reason=reason,
                random=bool(random),
                categories=strict_json.read(_Categories, categories).categories,
                none=bool(none),
                bundle=bundle,
                fingerprint=fingerprint,
                variant=variant,
                file_sha256=file_sha256,
            ),
        )
        for (
            file, size, label, time, reason, random, categories, none, bundle, fingerprint, variant, file_sha256,
        ) in rows
    ]  # fmt: skip


def time_of(folder: Path, file: str) -> str | None:
    """Return when a picture was answered; None if there is no picture of this name.

    Raises:
        DataError: the database cannot be read.
    """
    with CAPTURED.reading(folder) as database:
        found = database and database.execute("SELECT time FROM pictures WHERE file = ?", [file]).fetchone()
        return found[0] if found else None


def set_label(folder: Path, file: str, label: str | None) -> bool:
    """Say what a picture is, or that nobody has said so; return whether it is there.

    Raises:
        DataError: nothing can be written.
    """
    with CAPTURED.writing(folder) as change:
        done = change.database.execute("UPDATE pictures SET label = ? WHERE file = ?", (label, file))
        return done.rowcount == 1


def remove(folder: Path, files: Collection[str]) -> int:
    """Remove pictures, and return how many were there.

    Raises:
        DataError: nothing can be written.
    """
    with CAPTURED.writing(folder) as change:
        return sum(_remove(change, file) for file in files)


def remove_unchanged(folder: Path, labels: Mapping[str, str | None]) -> int:
    """Remove the pictures whose label is still the one that is given for the file, and return how many these were.

    Raises:
        DataError: nothing can be written.
    """
    with CAPTURED.writing(folder) as change:
        found: list[tuple[str, str | None]] = change.database.execute("SELECT file, label FROM pictures").fetchall()
        unchanged = [file for file, label in found if file in labels and labels[file] == label]
        return sum(_remove(change, file) for file in unchanged)


def remove_older(folder: Path, oldest: str) -> int:
    """Remove the pictures from before a time that have no label, and return how many there were.

    Raises:
        DataError: nothing can be written.
    """
    with CAPTURED.writing(folder) as change:
        return _remove_older(change, oldest)


def picture_path(folder: Path, file: str) -> Path:
    """Return where a picture is."""
    return PictureFiles(folder).path(file)


def _make_room(change: Writing, most_bytes: int) -> None:
    ((total,),) = change.database.execute("SELECT COALESCE(SUM(bytes), 0) FROM pictures")
    if total <= most_bytes:
        return
    oldest: sqlite3.Cursor = change.database.execute("SELECT file, bytes FROM pictures ORDER BY label IS NOT NULL, id")
    for file, size in oldest.fetchall():
        if total <= most_bytes:
            break
        _remove(change, file)
        total -= size


def _remove_older(change: Writing, oldest: str) -> int:
    files = change.database.execute("SELECT file FROM pictures WHERE label IS NULL AND time < ?", [oldest]).fetchall()
    return sum(_remove(change, file) for (file,) in files)


def _remove(change: Writing, file: str) -> bool:
    change.files.set_aside(file)
    return change.database.execute("DELETE FROM pictures WHERE file = ?", [file]).rowcount == 1
