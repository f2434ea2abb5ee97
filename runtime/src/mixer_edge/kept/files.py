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
from mixer_edge.durable import sync_one


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
                sync_one(path.parent)

    def add(self, content: bytes, name: str) -> str:
        """Write a file to ``pending`` and return its name, as ``file_name``."""
        file = file_name(content, name)
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
        sync_one(self.pending)
        sync_one(self.pictures)

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


def file_name(content: bytes, name: str) -> str:
    """Return the name of a kept file: its sha256, with the ending of ``name``."""
    suffix = Path(name).suffix.lower()
    return hashlib.sha256(content).hexdigest() + (suffix if suffix in SUFFIXES else "")
