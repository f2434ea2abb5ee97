"""What a board's disk holds of a deployed model: the sha256 of every file of a release, the command and the unit."""

from __future__ import annotations

import fcntl
import hashlib
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from emulator.writes import Replay

from mixer_edge_export.deploy.layout import BASE, UNIT, WRAPPER

FIEMAP = 0xC020660B
"""The request for a file's places on the disk (linux/fiemap.h)."""
EXTENTS = 100
"""How many of them a file may have here."""
_ALL = struct.pack("<QQIIII", 0, 2**64 - 1, 0, 0, EXTENTS, 0) + bytes(56 * EXTENTS)

Tree = dict[str, str]
"""A path in a release -> the sha256 of the file there, or what the link there points to."""


@dataclass(frozen=True, kw_only=True)
class State:
    """A board after a power cut; None for what is not there."""

    current: str | None
    previous: str | None
    command: str | None
    unit: str | None
    history: str | None
    releases: dict[str, Tree]
    """The releases that have their final name."""
    empty: tuple[str, ...]
    """The empty files beside them, without the locks."""


@dataclass
class Reader:
    """Reads the states of a disk that is replayed.

    A file is hashed once for each content of its places on the disk. That is exact: the journal holds only the file
    system's own blocks, so its replay changes the content of no file.
    """

    replay: Replay
    hashed: dict[tuple[object, ...], str] = field(default_factory=dict)

    def read(self) -> State:
        """Return the state after a power cut before the next write."""
        with self.replay.mounted() as root:
            home = root / "home/pi"
            base = home / BASE
            folders = sorted((base / "releases").iterdir()) if (base / "releases").exists() else []
            return State(
                current=_link(base / "current"),
                previous=_link(base / "previous"),
                command=_text(home / WRAPPER),
                unit=_text(home / UNIT),
                history=_text(base / "history"),
                releases={folder.name: self._tree(folder) for folder in folders if folder.suffix != ".partial"},
                empty=tuple(_empty(base)),
            )

    def _tree(self, release: Path) -> Tree:
        start = len(f"{release}/")
        return {
            entry.path[start:]: f"-> {Path(entry).readlink()}" if entry.is_symlink() else self._sha256(entry.path)
            for entry in _files(release)
        }

    def _sha256(self, path: str) -> str:
        # thousands of files for each power cut: pathlib and buffered files would double the time
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            places = _places(file.fileno())
            last = max((self.replay.last_write(start, length) for start, length, _ in places), default=0)
            key = (os.fstat(file.fileno()).st_size, places, last)
            if key not in self.hashed:
                self.hashed[key] = hashlib.sha256(file.readall()).hexdigest()
        return self.hashed[key]


def _files(folder: Path | str) -> Iterator[os.DirEntry[str]]:
    """Yield the files and links of a folder and its subfolders, without the modules that Python has compiled."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink() or not entry.is_dir():
                yield entry
            elif entry.name != "__pycache__":
                yield from _files(entry.path)


def _places(file: int) -> tuple[tuple[int, int, int], ...]:
    """Return the places of a file on the disk: start, length and flags of each."""
    request = bytearray(_ALL)
    fcntl.ioctl(file, FIEMAP, request)
    (count,) = struct.unpack_from("<I", request, 20)
    assert count < EXTENTS
    places = []
    for number in range(count):
        _, start, length, _, _, flags = struct.unpack_from("<QQQQQI", request, 32 + 56 * number)
        places.append((start, length, flags))
    return tuple(places)


def _link(path: Path) -> str | None:
    return path.readlink().name if path.is_symlink() else None


def _text(path: Path) -> str | None:
    return path.read_text(errors="replace") if path.exists() else None


def _empty(base: Path) -> list[str]:
    files = sorted(base.iterdir()) if base.exists() else []
    return [path.name for path in files if path.is_file() and path.suffix != ".lock" and not path.stat().st_size]
