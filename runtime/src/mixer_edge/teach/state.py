"""Add, move and forget pictures, and read what they make: the classes and their head."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixer_edge import strict_json
from mixer_edge.classifier import LinearHead
from mixer_edge.errors import DataError
from mixer_edge.kept.files import PictureFiles
from mixer_edge.manifest import PreprocessSpec, UnknownSpec
from mixer_edge.teach.folder import Extractor
from mixer_edge.teach.rows import Column, Row, delete_rows, insert_row, label_of, move_row
from mixer_edge.teach.sums import remake_sums, update_sums
from mixer_edge.teach.tables import TAUGHT
from mixer_edge.teach.undo import Bin, Change


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


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What became of pictures; each as the user named it."""

    added: tuple[str, ...] = ()
    moved: tuple[tuple[str, str], ...] = ()
    """With the class that it had before."""
    known: tuple[str, ...] = ()
    """Pictures that were in this class already; they count once."""
    change: Change = field(default=Change(), compare=False)
    """The same by the names of the kept files."""

    def __add__(self, other: Lesson) -> Lesson:
        """Return what became of the pictures of both."""
        return Lesson(
            added=self.added + other.added,
            moved=self.moved + other.moved,
            known=self.known + other.known,
            change=self.change + other.change,
        )


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


def read_pictures(folder: Path) -> list[tuple[str, Path]]:
    """Return the class and the kept file of every picture, those that were taught first in front.

    Raises:
        DataError: they cannot be read.
    """
    files = PictureFiles(folder)
    query = "SELECT classes.name, file FROM pictures JOIN classes ON classes.id = class ORDER BY pictures.id"
    with TAUGHT.reading(folder) as database:
        return [] if database is None else [(label, files.path(file)) for label, file in database.execute(query)]


def list_pictures(folder: Path, label: str) -> list[tuple[str, str]]:
    """Return the kept files of a class and the names that they were taught with, the newest first.

    Raises:
        DataError: they cannot be read.
    """
    query = "SELECT file, pictures.name FROM pictures JOIN classes ON classes.id = class WHERE classes.name = ?"
    with TAUGHT.reading(folder) as database:
        return [] if database is None else database.execute(f"{query} ORDER BY pictures.id DESC", [label]).fetchall()


def picture_path(folder: Path, file: str) -> Path | None:
    """Return where a kept picture is; None if there is no picture of this name.

    Raises:
        DataError: the database cannot be read.
    """
    with TAUGHT.reading(folder) as database:
        known = database is not None and label_of(database, file) is not None
    return PictureFiles(folder).path(file) if known else None


def add(extractor: Extractor, label: str, pictures: Sequence[Picture]) -> Lesson:
    """Teach pictures of a class in one step, and return what became of each.

    Raises:
        DataError: what was taught before has features of another file, or nothing can be written.
    """
    lesson = Lesson()
    with TAUGHT.writing(extractor.folder) as change:
        database = change.database
        _check_features(extractor, database)
        added: list[Row] = []
        removed: list[Row] = []
        for picture in pictures:
            row = database.execute(
                "SELECT file, classes.name FROM pictures JOIN classes ON classes.id = class WHERE digest = ?",
                [picture.digest],
            ).fetchone()
            if row is None:
                file = change.files.add(picture.content, picture.name)
                added.append(insert_row(database, label, file, _text(picture.name), picture.digest, picture.features))
                lesson += Lesson(added=(picture.name,), change=Change(added=(file,)))
            elif row[1] == label:
                lesson += Lesson(known=(picture.name,))
            else:
                after, before = move_row(database, row[0], label)
                added.append(after)
                removed.append(before)
                lesson += Lesson(moved=((picture.name, row[1]),), change=Change(moved=(row,)))
        if added:
            update_sums(database, added, removed)
    return lesson


def move(extractor: Extractor, file: str, label: str) -> Change | None:
    """Move a kept picture to another class, and return what changed; None if there is no such picture.

    Raises:
        DataError: the features are of another file, or nothing can be written.
    """
    with TAUGHT.writing(extractor.folder) as change:
        database = change.database
        _check_features(extractor, database)
        if (before := label_of(database, file)) is None or before == label:
            return None if before is None else Change()
        after, was = move_row(database, file, label)
        update_sums(database, [after], [was])
    return Change(moved=((file, before),))


def undo(extractor: Extractor, change: Change, kept: Bin) -> int:
    """Undo a change in one step, and return the number of pictures that are as they were before.

    A picture that another process has forgotten or taught again meanwhile stays so.

    Args:
        extractor: with the features of the change.
        change: what is undone.
        kept: has the files of the pictures that were forgotten.

    Raises:
        DataError: a file is not there any more, the features are of another file, or nothing can be written.
    """
    added: list[Row] = []
    removed: list[Row] = []
    with TAUGHT.writing(extractor.folder) as writing:
        database = writing.database
        _check_features(extractor, database)
        for file, before in reversed(change.moved):  # one that moved twice is at the end where it was at first
            if label_of(database, file) not in (None, before):
                after, was = move_row(database, file, before)
                added.append(after)
                removed.append(was)
        for file in change.added:
            removed += [row for row, _ in delete_rows(writing, "file", file)]
        for picture in change.removed:
            known = database.execute("SELECT 1 FROM pictures WHERE digest = ?", [picture.digest]).fetchone()
            if known is None:
                file = writing.files.add(kept.content(picture.file), picture.file)
                added.append(insert_row(database, picture.label, file, picture.name, picture.digest, picture.features))
        if added or removed:
            update_sums(database, added, removed)
    return len(change)


def forget_class(folder: Path, label: str) -> int:
    """Forget a class, and return how many pictures it had; 0 if there is no such class.

    Raises:
        DataError: nothing can be written.
    """
    return len(forget_rows(folder, "classes.name", label).removed)


def forget_picture(folder: Path, *, digest: str | None = None, file: str | None = None) -> int:
    """Forget the picture with these pixels, or the kept file of this name, and return how many there were.

    Raises:
        DataError: nothing can be written.
    """
    value = digest if file is None else file
    return len(forget_rows(folder, "digest" if file is None else "file", value).removed)


def forget_rows(folder: Path, column: Column, value: str | None, kept: Bin | None = None) -> Change:
    """Forget the pictures with this value in a column, and return them.

    Args:
        folder: of what is taught.
        column: of the pictures, or the name of their class.
        value: of the column.
        kept: takes the files, so that they can come back.

    Raises:
        DataError: nothing can be written.
    """
    with TAUGHT.writing(folder) as change:
        found = delete_rows(change, column, value, kept)
        if found:
            update_sums(change.database, [], [row for row, _ in found])
    return Change(removed=tuple(picture for _, picture in found))


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


def _text(name: str) -> str:
    """Return a file name, which may not be valid text, as text."""
    return name.encode("utf-8", "backslashreplace").decode()


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
