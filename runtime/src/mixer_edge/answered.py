"""Which pictures of a folder have been answered, on disk: after a restart, ``watch`` goes on with the others.

A picture is recorded before it is answered, and again afterwards. So the picture at which a run was stopped is known:
the next run answers it and says that it may have been answered before. This is also so after a power cut.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from mixer_edge.errors import DataError

Version = tuple[int, int]
"""Size in bytes and modification time in nanoseconds. Not the inode: some file systems change it at every mount."""
KEEP = 200_000
"""Number of pictures to remember, about 20 MB."""

_FLUSH, _NO_FLUSH = "PRAGMA synchronous = FULL", "PRAGMA synchronous = NORMAL"


class Answered:
    """The record of one folder; one process at a time can have it open."""

    def __init__(self, path: Path) -> None:
        """Open or create the record.

        Raises:
            DataError: it cannot be written, is damaged, or another process has it open.
        """
        self._path = path
        with self._explained(), ExitStack() as on_error:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = on_error.enter_context(closing(sqlite3.connect(path, timeout=0, isolation_level=None)))
            for setting in ("locking_mode = EXCLUSIVE", "journal_mode = WAL"):
                self._database.execute(f"PRAGMA {setting}")
            self._database.execute("BEGIN IMMEDIATE")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS pictures "
                "(number INTEGER PRIMARY KEY, name BLOB UNIQUE, size INTEGER, time INTEGER, finished INTEGER)"
            )
            self._database.execute("COMMIT")
            rows = list(self._database.execute("SELECT name, size, time, finished FROM pictures"))
            ((started,),) = self._database.execute("PRAGMA user_version")
            on_error.pop_all()
        self.is_new = not started
        """Whether ``start`` is to be called: there was no earlier run."""
        self.finished = {os.fsdecode(name): (size, time) for name, size, time, finished in rows if finished}
        """Name -> version of the pictures that earlier runs answered."""
        self.begun = {os.fsdecode(name) for name, _, _, finished in rows if not finished}
        """Names of the pictures at which earlier runs were stopped."""

    def start(self, pictures: Mapping[str, Version]) -> None:
        """Begin the record with pictures that are not to be answered."""
        self._write([(*picture, 1) for picture in pictures.items()])

    def begin(self, name: str, version: Version) -> None:
        """Record a picture before it is answered."""
        self._write([(name, version, 0)])

    def finish(self, name: str) -> None:
        """Record that a picture was answered."""
        with self._explained():
            # after a power cut without this record, the picture is one that may have been answered
            self._database.execute(_NO_FLUSH)
            self._database.execute("UPDATE pictures SET finished = 1 WHERE name = ?", [os.fsencode(name)])

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _write(self, rows: list[tuple[str, Version, int]]) -> None:
        with self._explained():
            self._database.execute(_FLUSH)
            self._database.execute("BEGIN")
            self._database.executemany(
                "INSERT OR REPLACE INTO pictures (name, size, time, finished) VALUES (?, ?, ?, ?)",
                [(os.fsencode(name), *version, finished) for name, version, finished in rows],
            )
            oldest = "SELECT max(number) - ? FROM pictures"
            self._database.execute(f"DELETE FROM pictures WHERE number <= ({oldest})", [KEEP])
            self._database.execute("PRAGMA user_version = 1")
            self._database.execute("COMMIT")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            reason = "another process uses it" if "locked" in str(error) else str(error)
            raise DataError(f"{self._path}: the record of pictures cannot be written ({reason})") from None
        except (OSError, sqlite3.DatabaseError) as error:
            raise DataError(
                f"{self._path}: the record of pictures cannot be read ({error}); remove it or choose another path"
            ) from None
