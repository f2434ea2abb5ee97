"""The pictures' own files, kept as they came.

A file whose fate is not decided yet is in ``pending``: one that is being added, until its row in the database is there,
and one that is being removed, until its row is gone. So a stop at any moment leaves nothing to search for.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from mixer_edge.dataset import SUFFIXES


class PictureFiles:
    """The files of one folder; only the process that holds its lock may write."""

    def __init__(self, folder: Path) -> None:
        """Name the folders; ``create`` makes them."""
        self.folder, self.pictures, self.pending = folder, folder / "pictures", folder / "pending"

    def create(self) -> None:
        """Make the folders, which other users cannot read, and flush their names to the disk."""
        for folder in (self.folder, self.pictures, self.pending):
            missing = [path for path in (folder, *folder.parents) if not path.exists()]
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for path in missing:
                _flush(path.parent)

    def add(self, content: bytes, name: str) -> str:
        """Write a file to ``pending`` and return its name: its sha256, with the ending of ``name``."""
        suffix = Path(name).suffix.lower()
        file = hashlib.sha256(content).hexdigest() + (suffix if suffix in SUFFIXES else "")
        with (self.pending / file).open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        return file

    def set_aside(self, file: str) -> None:
        """Move a file to ``pending``; one that somebody removed is no error."""
        if (self.pictures / file).exists():
            (self.pictures / file).replace(self.pending / file)

    def flush(self) -> None:
        """Flush the files' names to the disk; to be called before the database commits."""
        _flush(self.pending)
        _flush(self.pictures)

    def settle(self, has_row: Callable[[str], bool]) -> None:
        """Keep the files in ``pending`` that have a row in the database, and remove the others."""
        for path in sorted(self.pending.iterdir()):
            if has_row(path.name):
                path.replace(self.pictures / path.name)
            else:
                path.unlink()

    def path(self, file: str) -> Path:
        """Return the path of a kept file, which may be pending while another process writes."""
        pending = self.pending / file
        return pending if pending.exists() else self.pictures / file


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
