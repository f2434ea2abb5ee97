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
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Literal

from mixer_edge.class_folders import UNSORTED, folder_of, label_of
from mixer_edge.collected import KEPT_NAME, TABLE, Row, read_rows
from mixer_edge.errors import DataError
from mixer_edge_export.collect.table import write_rows
from mixer_edge_export.collect.there import Found, with_answer
from mixer_edge_export.files import sync_one

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
        self._places = _places(folder)
        self._rows = {sha256: self._as_it_is(row) for sha256, row in read_rows(folder).items()}
        self._renamed: set[Path] = set()

    def lacks(self, sha256: str) -> bool:
        """Return whether a picture was never here."""
        return sha256 not in self._rows and sha256 not in self._places

    def staging(self, host: str) -> Path:
        """Return the folder to which pictures of a board are copied, made unless it is there."""
        return _plain_folder(_plain_folder(self.folder / STAGING) / host)

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
        return replace(row, file=places[0], class_=_class(places[0]), class_by="hand")

    def _adopted(self, found: Found) -> Row | None:
        """Return a row for a picture that is here without one, after a stop or because the table was removed."""
        places = self._places.get(found.row.sha256)
        if places is None:
            return None
        place = places[0]
        if _class(place) == found.row.class_:
            return replace(found.row, file=place)
        by_hand = PurePosixPath(place).parts[0] != UNSORTED
        return replace(found.row, file=place, class_=_class(place), class_by="hand" if by_hand else "")

    def _move(self, path: Path, label: str, name: str) -> str:
        """Move a file into the folder of a class, and return its place there."""
        folder = _plain_folder(self.folder / (folder_of(label) if label else UNSORTED))
        target = folder / name
        if os.path.lexists(target):
            raise DataError(f"{target}: exists, and is not the picture of this name; move it away")
        try:
            path.rename(target)
        except FileNotFoundError:
            raise DataError(f"{path}: was moved away meanwhile; collect again") from None
        self._renamed |= {path.parent, folder, self.folder}
        place = target.relative_to(self.folder).as_posix()
        self._places[PurePosixPath(name).stem] = [place]
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
        except OSError:
            raise DataError(
                f"{folder}: another process collects into it; wait for it to end, or choose another folder with --out"
            ) from None
        if others := sorted(path.name for path in folder.glob("*.csv") if path.name != TABLE):
            raise DataError(f"{folder}: has a table of its own, {others[0]}; choose another folder with --out")
        if (folder / TABLE).is_symlink():
            raise DataError(f"{folder / TABLE}: is a link, expected a file; remove the link")
        try:
            yield Photos(folder)
        finally:
            with suppress(OSError):  # parts of pictures wait there
                (folder / STAGING).rmdir()


def _places(folder: Path) -> dict[str, list[str]]:
    """Return where pictures with the name of a kept one are, by sha256; neither links nor hidden folders count."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            match, path = KEPT_NAME.fullmatch(name), Path(parent, name)
            if match is not None and not path.is_symlink():
                places[match[1]].append(path.relative_to(folder).as_posix())
    return {sha256: sorted(found) for sha256, found in places.items()}


def _class(place: str) -> str:
    """Return the class of a picture by its place; empty for one without a class."""
    parts = PurePosixPath(place).parts
    return "" if len(parts) == 1 or parts[0] == UNSORTED else label_of(parts[0])


def _plain_folder(path: Path) -> Path:
    """Return a folder that is no link, made unless it is there."""
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise DataError(f"{path}: is a link or a file, expected a folder; move it away")
    if not path.exists():
        path.mkdir(exist_ok=True)  # another board's thread may be faster
        sync_one(path.parent)
    return path
