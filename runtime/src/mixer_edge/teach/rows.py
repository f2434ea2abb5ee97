"""The rows of taught pictures; the sums are not changed here."""

from __future__ import annotations

import sqlite3
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mixer_edge.kept.database import Writing
from mixer_edge.teach.undo import Bin, Removed

Column = Literal["classes.name", "digest", "file"]
Row = tuple[int, NDArray[np.float32]]
"""Number of the class, and features, of a picture."""


def delete_rows(
    change: Writing, column: Column, value: str | None, kept: Bin | None = None
) -> list[tuple[Row, Removed]]:
    """Delete the rows and files of pictures, and return what the sums lose and what teaches the pictures again.

    ``kept`` takes the files, so that they can come back.
    """
    rows = change.database.execute(
        "SELECT class, classes.name, file, pictures.name, digest, features FROM pictures "
        f"JOIN classes ON classes.id = class WHERE {column} = ? ORDER BY pictures.id",
        [value],
    ).fetchall()
    found = []
    for identifier, label, file, name, digest, blob in rows:
        if kept is not None:
            kept.keep(change.files, file)
        change.files.set_aside(file)
        change.database.execute("DELETE FROM pictures WHERE file = ?", [file])
        features = np.frombuffer(blob, np.float32)
        picture = Removed(label=label, file=file, name=name, digest=digest, features=features)
        found.append(((identifier, features), picture))
    return found


def insert_row(
    database: sqlite3.Connection, label: str, file: str, name: str, digest: str, features: NDArray[np.float32]
) -> Row:
    """Write the row of a new picture, and return what the sums gain."""
    identifier = class_number(database, label, len(features))
    database.execute(
        "INSERT INTO pictures (class, file, name, digest, features) VALUES (?, ?, ?, ?, ?)",
        (identifier, file, name, digest, features.tobytes()),
    )
    return identifier, features


def move_row(database: sqlite3.Connection, file: str, label: str) -> tuple[Row, Row]:
    """Move a picture that is there, and return what the sums gain and lose."""
    before, blob = database.execute("SELECT class, features FROM pictures WHERE file = ?", [file]).fetchone()
    features = np.frombuffer(blob, np.float32)
    identifier = class_number(database, label, len(features))
    database.execute("UPDATE pictures SET class = ? WHERE file = ?", (identifier, file))
    return (identifier, features), (before, features)


def label_of(database: sqlite3.Connection, file: str) -> str | None:
    """Return the class of a kept picture; None if there is no such picture."""
    row = database.execute(
        "SELECT classes.name FROM pictures JOIN classes ON classes.id = class WHERE file = ?", [file]
    ).fetchone()
    return None if row is None else row[0]


def class_number(database: sqlite3.Connection, label: str, features: int) -> int:
    """Return the number of a class, a new one if there is none of this name."""
    row = database.execute("SELECT id FROM classes WHERE name = ?", [label]).fetchone()
    if row is not None:
        return int(row[0])
    zeros = np.zeros(features).tobytes()
    cursor = database.execute("INSERT INTO classes (name, pictures, sum) VALUES (?, 0, ?)", (label, zeros))
    assert cursor.lastrowid is not None  # for mypy
    return cursor.lastrowid
