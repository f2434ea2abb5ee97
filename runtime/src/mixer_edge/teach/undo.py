"""What a change of what is taught did, and how it is undone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixer_edge.errors import DataError
from mixer_edge.kept.files import PictureFiles


@dataclass(frozen=True, kw_only=True)
class Removed:
    """A picture that was forgotten, with all that teaches it again but its file."""

    label: str
    file: str
    name: str
    digest: str
    features: NDArray[np.float32]
    """``[hidden]``."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """What became of pictures, by the names of their kept files."""

    added: tuple[str, ...] = ()
    moved: tuple[tuple[str, str], ...] = ()
    """Each with the class that it had before."""
    removed: tuple[Removed, ...] = ()

    def __add__(self, later: Change) -> Change:
        """Return both changes as one."""
        return Change(
            added=self.added + later.added, moved=self.moved + later.moved, removed=self.removed + later.removed
        )

    def __len__(self) -> int:
        return len(self.added) + len(self.moved) + len(self.removed)


class Bin:
    """A folder for the files of pictures that were forgotten and may come back."""

    def __init__(self, folder: Path) -> None:
        """Name it: it is in the folder of what is taught, and is made when it is needed."""
        self._folder = folder / "undo"

    def keep(self, files: PictureFiles, file: str) -> None:
        """Keep a file that is going to be removed; one that somebody removed already is no error."""
        self._folder.mkdir(exist_ok=True)
        source, target = files.path(file), self._folder / file
        if not source.exists() or target.exists():
            return
        try:
            os.link(source, target)
        except OSError:  # the file system has no links
            shutil.copyfile(source, target)

    def content(self, file: str) -> bytes:
        """Return the bytes of a kept file.

        Raises:
            DataError: somebody removed it.
        """
        try:
            return (self._folder / file).read_bytes()
        except OSError as error:
            raise DataError(
                f"{self._folder / file}: cannot be read ({error.strerror}); it cannot come back, teach it again"
            ) from None

    def empty(self, *, but: Collection[str] = ()) -> None:
        """Remove all that is in it, except these files."""
        if not but:
            shutil.rmtree(self._folder, ignore_errors=True)
            return
        for path in self._folder.iterdir():
            if path.name not in but:
                path.unlink(missing_ok=True)
