"""The folder of collected pictures: what is there, what is new, and what the user has done with it.

::

    <class>/<sha256>.jpg        as in ``mixer_edge.collected``
    unsorted/<sha256>.jpg
    collected.csv
    .collecting/<host>/         pictures that are being copied; a cut connection leaves parts there
    .collect.lock               held by the process that writes

A picture is one, wherever and under whatever class it is: its sha256 counts. Where the user has moved it, it stays, and
one that the user has removed does not come again.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Literal

from mixer_edge.class_folders import UNSORTED, folder_of
from mixer_edge.collected import TABLE, Row, read_rows
from mixer_edge.durable import sync_one
from mixer_edge.errors import DataError
from mixer_edge_export.collect.places import class_of, find_places, plain_folder
from mixer_edge_export.collect.table import write_rows
from mixer_edge_export.collect.there import Found, with_answer

log = logging.getLogger(__name__)

STAGING = ".collecting"
Settled = Literal["new", "moved", "known"]


class Photos:
    """A folder of collected pictures; several threads may use it."""

    def __init__(self, folder: Path) -> None:
        """Read the folder; ``opened`` locks it first.

        Raises:
            DataError: its table cannot be read.
        """
        self.folder = folder
        self._lock = threading.Lock()
        self._places = find_places(folder)
        self._rows = {sha256: self._as_it_is(row) for sha256, row in read_rows(folder).items()}
        self._renamed: set[Path] = set()

    def lacks(self, sha256: str) -> bool:
        """Return whether a picture was never here."""
        return sha256 not in self._rows and sha256 not in self._places

    def staging(self, host: str) -> Path:
        """Return the folder to which pictures of a board are copied, made unless it is there."""
        return plain_folder(plain_folder(self.folder / STAGING) / host)

    def settle(self, found: Found, staged: Path | None) -> Settled:
        """Put a picture where it belongs, and return what became of it.

        Args:
            found: what the board says about it.
            staged: a copy, checked and on the disk, which is moved into place; None if the picture is not new.

        Raises:
            DataError: its class cannot be a folder.
        """
        with self._lock:
            sha256 = found.row.sha256
            row = self._rows.get(sha256) or self._adopted(found)
            if row is None:
                assert staged is not None  # for mypy: what was never here was copied
                self._rows[sha256] = replace(found.row, file=self._move(staged, found.row.class_, found.name))
                return "new"
            if staged is not None:  # another board was faster
                staged.unlink()
            settled: Settled = "known"
            row, said = with_answer(row, found.row), found.row.class_
            if said and row.file and row.class_by != "hand":
                if said == row.class_:
                    row = replace(row, class_by=found.row.class_by)
                elif not row.class_ or row.board == found.row.board:
                    file = self._move(self.folder / row.file, said, found.name)
                    row, settled = replace(row, file=file, class_=said, class_by=found.row.class_by), "moved"
                else:
                    log.warning(
                        "%s: it is %r on %s and %r on %s, and stays where it is",
                        self.folder / row.file, row.class_, row.board, said, found.row.board,
                    )  # fmt: skip
            self._rows[sha256] = row
            return settled

    def save(self) -> None:
        """Write the table; then everything that was settled is on the disk."""
        with self._lock:
            for folder in sorted(self._renamed):
                sync_one(folder)
            self._renamed.clear()
            write_rows(self.folder, self._rows.values())

    def place(self, sha256: str) -> Path | None:
        """Return where a picture is; None if the user has removed it."""
        row = self._rows.get(sha256)
        return self.folder / row.file if row is not None and row.file else None

    def counts(self) -> dict[str, int]:
        """Return the number of pictures by class, the empty text for those without one; removed ones do not count."""
        return dict(Counter(row.class_ for row in self._rows.values() if row.file))

    def _as_it_is(self, row: Row) -> Row:
        """Return a row after the user may have moved or removed the picture."""
        places = self._places.get(row.sha256, [])
        if row.file in places:
            return row
        if not places:
            return replace(row, file="")
        return replace(row, file=places[0], class_=class_of(places[0]), class_by="hand")

    def _adopted(self, found: Found) -> Row | None:
        """Return a row for a picture that is here without one, after a stop or because the table was removed."""
        places = self._places.get(found.row.sha256)
        if places is None:
            return None
        place = places[0]
        if class_of(place) == found.row.class_:
            return replace(found.row, file=place)
        by_hand = PurePosixPath(place).parts[0] != UNSORTED
        return replace(found.row, file=place, class_=class_of(place), class_by="hand" if by_hand else "")

    def _move(self, path: Path, label: str, name: str) -> str:
        """Move a file into the folder of a class, and return its place there."""
        folder = plain_folder(self.folder / (folder_of(label) if label else UNSORTED))
        target, sha256 = folder / name, PurePosixPath(name).stem
        place = target.relative_to(self.folder).as_posix()
        if place in self._places.get(sha256, []):  # the user has copied it there
            return place
        if os.path.lexists(target):
            raise DataError(f"{target}: is a link or a folder, expected the picture of this name; move it away")
        try:
            path.rename(target)
        except FileNotFoundError:
            raise DataError(f"{path}: was moved away meanwhile; collect again") from None
        self._renamed |= {path.parent, folder, self.folder}
        self._places[sha256] = [place]
        return place


@contextmanager
def opened(folder: Path) -> Iterator[Photos]:
    """Yield a folder of collected pictures, made unless it is there, and lock it against other processes.

    Raises:
        DataError: it cannot be written to, has another table, or another process collects into it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".collect.lock").open("a")
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be written to ({error.strerror}); choose another folder with --out"
        ) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(
                f"{folder}: another process collects into it; wait for it to end, or choose another folder with --out"
            ) from None
        except OSError as error:
            reason = f"its file system cannot lock files: {error.strerror}"
            raise DataError(f"{folder}: cannot be written to ({reason}); choose another folder with --out") from None
        if others := sorted(path.name for path in folder.glob("*.csv") if path.name != TABLE):
            raise DataError(f"{folder}: has a table of its own, {others[0]}; choose another folder with --out")
        if (folder / TABLE).is_symlink():
            raise DataError(f"{folder / TABLE}: is a link, expected a file; remove the link")
        try:
            yield Photos(folder)
        finally:
            with suppress(OSError):  # parts of pictures wait there
                (folder / STAGING).rmdir()
