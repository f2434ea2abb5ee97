"""Add, move and forget pictures, and read what they make: the classes and their head."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixer_edge import strict_json
from mixer_edge.classifier import LinearHead
from mixer_edge.errors import DataError
from mixer_edge.kept.files import PictureFiles, file_name
from mixer_edge.manifest import PreprocessSpec, UnknownSpec
from mixer_edge.teach.folder import Extractor
from mixer_edge.teach.sums import remake_sums, update_sums
from mixer_edge.teach.tables import TAUGHT


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture to be taught."""

    content: bytes
    """Of its file."""
    name: str
    """As the user named it."""
    digest: str
    """sha256 of its pixels at the network's size."""
    features: NDArray[np.float32]
    """``[hidden]``."""
    time: str | None = None
    """When it was taught, as ``mixer_edge.changes.now``; None for a file, which may have been taken long before."""


@dataclass(frozen=True, kw_only=True)
class TaughtPicture:
    """A picture that is taught."""

    label: str
    path: Path
    """Of the kept file."""
    time: str | None
    """As in ``Picture``."""


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What became of pictures; each as the user named it."""

    added: tuple[str, ...] = ()
    moved: tuple[tuple[str, str], ...] = ()
    """With the class that it had before."""
    known: tuple[str, ...] = ()
    """Pictures that were in this class already; they count once."""

    def __add__(self, other: Lesson) -> Lesson:
        """Return what became of the pictures of both."""
        return Lesson(added=self.added + other.added, moved=self.moved + other.moved, known=self.known + other.known)


@dataclass(frozen=True, kw_only=True)
class Taught:
    """What was taught on one extractor: the classes in the order of the head's outputs."""

    extractor: Extractor
    counts: dict[str, int]
    """Class -> number of pictures."""
    head: LinearHead | None
    """None with fewer than two classes."""


def read_taught(folder: Path) -> Taught | None:
    """Return what was taught; None if nothing was.

    Raises:
        DataError: it cannot be read.
    """
    with TAUGHT.reading(folder) as database:
        if database is None or (extractor := _extractor(folder, database)) is None:
            return None
        counts = dict(database.execute("SELECT name, pictures FROM classes ORDER BY id"))
        found = database.execute("SELECT kernel, bias, threshold, refused FROM head").fetchone()
        head = None
        if found is not None:
            kernel, bias, threshold, refused = found
            unknown = None
            if threshold is not None:
                unknown = UnknownSpec(measure="logit", threshold=threshold, refused=refused)
            head = LinearHead(
                labels=tuple(counts),
                kernel=np.frombuffer(kernel).reshape(-1, len(counts)),
                bias=np.frombuffer(bias),
                unknown=unknown,
            )
        return Taught(extractor=extractor, counts=counts, head=head) if counts else None


def read_pictures(folder: Path) -> list[TaughtPicture]:
    """Return all pictures, those that were taught first in front.

    Raises:
        DataError: they cannot be read.
    """
    files = PictureFiles(folder)
    query = "SELECT classes.name, file, time FROM pictures JOIN classes ON classes.id = class ORDER BY pictures.id"
    with TAUGHT.reading(folder) as database:
        return [
            TaughtPicture(label=label, path=files.path(file), time=time)
            for label, file, time in (() if database is None else database.execute(query))
        ]


def add(extractor: Extractor, label: str, pictures: Sequence[Picture]) -> Lesson:
    """Teach pictures of a class in one step, and return what became of each.

    Raises:
        DataError: what was taught before has features of another file, or nothing can be written.
    """
    lesson = Lesson()
    with TAUGHT.writing(extractor.folder) as change:
        database = change.database
        _check_features(extractor, database)
        added: list[tuple[int, NDArray[np.float32]]] = []
        removed: list[tuple[int, NDArray[np.float32]]] = []
        for picture in pictures:
            row = database.execute(
                "SELECT pictures.id, class, classes.name, features FROM pictures JOIN classes ON classes.id = class "
                "WHERE digest = ? OR file = ?",  # another version of Pillow may decode a file to other pixels
                (picture.digest, file_name(picture.content, picture.name)),
            ).fetchone()
            if row is None:
                identifier = _class(database, label, len(picture.features))
                file = change.files.add(picture.content, picture.name)
                database.execute(
                    "INSERT INTO pictures (class, file, name, digest, features, time) VALUES (?, ?, ?, ?, ?, ?)",
                    (identifier, file, _text(picture.name), picture.digest, picture.features.tobytes(), picture.time),
                )
                added.append((identifier, picture.features))
                lesson += Lesson(added=(picture.name,))
            elif row[2] == label:
                lesson += Lesson(known=(picture.name,))
            else:
                identifier, features = _class(database, label, len(picture.features)), np.frombuffer(row[3], np.float32)
                database.execute("UPDATE pictures SET class = ? WHERE id = ?", (identifier, row[0]))
                added.append((identifier, features))
                removed.append((row[1], features))
                lesson += Lesson(moved=((picture.name, row[2]),))
        if added:
            update_sums(database, added, removed)
    return lesson


def forget_class(folder: Path, label: str) -> int:
    """Forget a class, and return how many pictures it had; 0 if there is no such class.

    Raises:
        DataError: nothing can be written.
    """
    return _forget(folder, "classes.name", label)


def forget_picture(folder: Path, *, digest: str | None = None, file: str | None = None) -> int:
    """Forget the picture with these pixels, or the kept file of this name, and return how many there were.

    Raises:
        DataError: nothing can be written.
    """
    return _forget(folder, "digest" if file is None else "file", digest if file is None else file)


def replace_features(
    extractor: Extractor, features_of: Callable[[list[Path]], list[tuple[str, NDArray[np.float32]]]]
) -> None:
    """Replace the features of all pictures by those of another file of the same extractor, in one step.

    Args:
        extractor: with the other file.
        features_of: gives the digests and features of pictures.

    Raises:
        DataError: nothing can be written.
    """
    folder = extractor.folder
    with TAUGHT.writing(folder) as change:
        database = change.database
        rows = database.execute("SELECT id, file FROM pictures ORDER BY id").fetchall()
        found = features_of([change.files.path(file) for _, file in rows])
        for (number, _), (digest, features) in zip(rows, found, strict=True):
            database.execute(
                "UPDATE pictures SET digest = ?, features = ? WHERE id = ?", (digest, features.tobytes(), number)
            )
        _write_extractor(extractor, database)
        remake_sums(database)


def _forget(folder: Path, column: str, value: str | None) -> int:
    with TAUGHT.writing(folder) as change:
        rows = change.database.execute(
            "SELECT pictures.id, class, file, features FROM pictures JOIN classes ON classes.id = class "
            f"WHERE {column} = ?",
            [value],
        ).fetchall()
        for number, _, file, _ in rows:
            change.files.set_aside(file)
            change.database.execute("DELETE FROM pictures WHERE id = ?", [number])
        if rows:
            removed = [(identifier, np.frombuffer(features, np.float32)) for _, identifier, _, features in rows]
            update_sums(change.database, [], removed)
    return len(rows)


def _text(name: str) -> str:
    """Return a file name, which may not be valid text, as text."""
    return name.encode("utf-8", "backslashreplace").decode()


def _class(database: sqlite3.Connection, label: str, features: int) -> int:
    """Return the number of a class, a new one if there is none of this name."""
    row = database.execute("SELECT id FROM classes WHERE name = ?", [label]).fetchone()
    if row is not None:
        return int(row[0])
    zeros = np.zeros(features).tobytes()
    cursor = database.execute("INSERT INTO classes (name, pictures, sum) VALUES (?, 0, ?)", (label, zeros))
    assert cursor.lastrowid is not None  # for mypy
    return cursor.lastrowid


def _check_features(extractor: Extractor, database: sqlite3.Connection) -> None:
    """Check that the features are of this extractor's file; an empty database becomes that of this file."""
    if database.execute("SELECT 1 FROM pictures LIMIT 1").fetchone() is None:
        _write_extractor(extractor, database)
    elif (found := _extractor(extractor.folder, database)) is None or not same_features(found, extractor):
        raise DataError(f"{extractor.folder}: another process changed the features meanwhile; try again")


def same_features(one: Extractor, other: Extractor) -> bool:
    """Return whether both compute the same features from a picture."""
    return (one.file_sha256, one.preprocess) == (other.file_sha256, other.preprocess)


def _extractor(folder: Path, database: sqlite3.Connection) -> Extractor | None:
    row = database.execute("SELECT name, variant, file_sha256, preprocess FROM extractor").fetchone()
    if row is None:
        return None
    name, variant, file_sha256, preprocess = row
    return Extractor(
        fingerprint=folder.name,
        name=name,
        variant=variant,
        file_sha256=file_sha256,
        preprocess=strict_json.read(PreprocessSpec, preprocess),
    )


def _write_extractor(extractor: Extractor, database: sqlite3.Connection) -> None:
    database.execute("DELETE FROM extractor")
    database.execute(
        "INSERT INTO extractor VALUES (?, ?, ?, ?)",
        (extractor.name, extractor.variant, extractor.file_sha256, json.dumps(asdict(extractor.preprocess))),
    )
