"""Where pictures are in a folder of collected ones, and the folders for them."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path, PurePosixPath

from mixer_edge.class_folders import UNSORTED, label_of
from mixer_edge.collected import KEPT_NAME
from mixer_edge.durable import sync_one
from mixer_edge.errors import DataError


def find_places(folder: Path) -> dict[str, list[str]]:
    """Return where pictures with the name of a kept one are, by sha256; neither links nor hidden folders count."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            match, path = KEPT_NAME.fullmatch(name), Path(parent, name)
            if match is not None and not path.is_symlink():
                places[match[1]].append(path.relative_to(folder).as_posix())
    return {sha256: sorted(found) for sha256, found in places.items()}


def class_of(place: str) -> str:
    """Return the class of a picture by its place; empty for one without a class."""
    parts = PurePosixPath(place).parts
    return "" if len(parts) == 1 or parts[0] == UNSORTED else label_of(parts[0])


def plain_folder(path: Path) -> Path:
    """Return a folder that is no link, made unless it is there.

    Raises:
        DataError: another one takes its place, or, as on a Mac, one whose name has other capital letters.
    """
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise DataError(f"{path}: is a link or a file, expected a folder; move it away")
    if not path.exists():
        path.mkdir(exist_ok=True)  # another board's thread may be faster
        sync_one(path.parent)
    elif path not in (others := list(path.parent.iterdir())) and (
        same := [other.name for other in others if other.name.casefold() == path.name.casefold()]
    ):
        raise DataError(
            f"{path}: is the folder {same[0]} on this file system; give one of the two classes another name on the "
            "board, or choose a folder on another file system with --out"
        )
    return path
