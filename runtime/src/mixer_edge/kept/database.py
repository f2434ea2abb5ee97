"""A folder of pictures with a database: one transaction for each change, one process that writes at a time."""

from __future__ import annotations

import fcntl
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mixer_edge.errors import DataError
from mixer_edge.kept.files import PictureFiles

WAIT_S = 30.0
"""How long to wait for another process that writes."""
_POLL_S = 0.05


@dataclass(frozen=True, kw_only=True)
class Writing:
    """A change that is being written."""

    database: sqlite3.Connection
    files: PictureFiles


@dataclass(frozen=True, kw_only=True)
class Database:
    """One kind of database; the folders that have one are given to its methods."""

    file: str
    """Name of the file in the folder."""
    tables: str
    """SQL that creates them; one is ``pictures``, with the unique text ``file``."""
    upgrades: tuple[str, ...] = ()
    """A statement that turns tables of version 1 into those of version 2, one for version 3, and so on."""
    remedy: str
    """What to do if the database is damaged."""

    @property
    def version(self) -> int:
        """Of the tables; docs/formats.md."""
        return 1 + len(self.upgrades)

    @contextmanager
    def reading(self, folder: Path) -> Iterator[sqlite3.Connection | None]:
        """Yield the database of a folder, unchanged until the end of the block; None if there is none.

        Raises:
            DataError: it is damaged, cannot be read, or a newer program wrote it.
        """
        if not (folder / self.file).is_file():
            yield None
            return
        with self._explained(folder, "read"), closing(self._connect(folder)) as database:
            has_tables = self._has_tables(folder, database)
            database.execute("BEGIN")
            yield database if has_tables else None

    @contextmanager
    def writing(self, folder: Path) -> Iterator[Writing]:
        """Yield what a change needs; it is on the disk after the block, and undone if the block raises.

        Raises:
            DataError: another process writes for too long, the disk is full, the database is damaged or a newer
                program wrote it.
        """
        files = PictureFiles(folder)
        with self._explained(folder, "written"):
            files.create()
            with _locked(folder), closing(self._connect(folder)) as database:
                if not self._has_tables(folder, database):
                    self._create(database)
                _settle(database, files)
                try:
                    database.execute("BEGIN IMMEDIATE")
                    yield Writing(database=database, files=files)
                    files.flush()
                    database.execute("COMMIT")
                except BaseException:
                    with suppress(OSError, sqlite3.Error):  # the first error is the one to report
                        if database.in_transaction:
                            database.execute("ROLLBACK")
                        _settle(database, files)
                    raise
                _settle(database, files)

    def _connect(self, folder: Path) -> sqlite3.Connection:
        database = sqlite3.connect(folder / self.file, timeout=WAIT_S, isolation_level=None)
        try:
            database.execute("PRAGMA synchronous = FULL")
        except sqlite3.Error:  # damaged
            database.close()
            raise
        return database

    def _create(self, database: sqlite3.Connection) -> None:
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(f"BEGIN;{self.tables}PRAGMA user_version = {self.version};COMMIT;")

    def _has_tables(self, folder: Path, database: sqlite3.Connection) -> bool:
        """Return whether there are tables, upgraded if older; there are none after a stop in the first moment."""
        ((version,),) = database.execute("PRAGMA user_version")
        if version > self.version:
            raise DataError(
                f"{folder / self.file}: version {version}, expected {self.version}; written by a newer mixer-edge; "
                "upgrade this one"
            )
        if 0 < version < self.version:
            self._upgrade(database)
        return bool(version)

    def _upgrade(self, database: sqlite3.Connection) -> None:
        database.execute("BEGIN IMMEDIATE")
        ((version,),) = database.execute("PRAGMA user_version")  # another process may have been faster
        for statement in self.upgrades[version - 1 :]:
            database.execute(statement)
        database.execute(f"PRAGMA user_version = {self.version}")
        database.execute("COMMIT")

    @contextmanager
    def _explained(self, folder: Path, verb: str) -> Iterator[None]:
        nothing = "; nothing was changed" if verb == "written" else ""
        try:
            yield
        except OSError as error:
            raise DataError(f"{folder}: cannot be {verb} ({error.strerror or error}){nothing}") from None
        except sqlite3.OperationalError as error:
            raise DataError(f"{folder / self.file}: cannot be {verb} ({error}){nothing}") from None
        except sqlite3.DatabaseError as error:
            raise DataError(f"{folder / self.file}: damaged ({error}); {self.remedy}") from None


def _settle(database: sqlite3.Connection, files: PictureFiles) -> None:
    query = "SELECT 1 FROM pictures WHERE file = ?"
    files.settle(lambda file: database.execute(query, [file]).fetchone() is not None)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("a") as file:
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise DataError(
                        f"{folder}: another process has been writing there for {WAIT_S:g} s; wait for it and try again"
                    ) from None
                time.sleep(_POLL_S)
        yield
