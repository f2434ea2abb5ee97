"""A folder of this machine for an address with pictures: the tables, and the few pictures that are needed here.

::

    pictures/<hash of the listing>/<last part of the address>/   in the user's cache
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path, PurePosixPath

from mixer_edge.cache import cache_folder
from mixer_edge.cluster.places import list_address, read_address
from mixer_edge.dataset import SUFFIXES
from mixer_edge.errors import DataError, ImageError
from mixer_edge_export.comparison.elsewhere import Elsewhere
from mixer_edge_export.files import replacing

TABLES = {".csv", ".txt"}


def mirror(address: str) -> Elsewhere:
    """Return the pictures below an address, listed once, with a folder that has the tables at its top.

    Raises:
        DataError: it cannot be listed, has no pictures, or a table cannot be read.
        MixerEdgeError: fsspec is not installed.
    """
    address = address.rstrip("/")
    entries = list_address(address)
    pictures = [entry for entry in entries if PurePosixPath(entry.name).suffix.lower() in SUFFIXES]
    if not pictures:
        raise DataError(f"{address}: no pictures in it; expected files ending in {', '.join(sorted(SUFFIXES))}")
    listing = "".join(f"{entry.name}\0{entry.stamp}\n" for entry in entries)
    key = hashlib.sha256(f"{address}\n{listing}".encode()).hexdigest()[:16]
    folder = cache_folder("pictures") / key / (PurePosixPath(address.split("://", 1)[1]).name or "pictures")
    folder.mkdir(parents=True, exist_ok=True)
    for entry in entries:
        if "/" not in entry.name and PurePosixPath(entry.name).suffix.lower() in TABLES:
            try:
                _write(folder / entry.name, read_address(f"{address}/{entry.name}"))
            except ImageError as error:
                raise DataError(str(error)) from None

    def fetch(path: Path) -> None:
        if not path.exists():
            with suppress(ImageError):
                _write(path, read_address(f"{address}/{path.relative_to(folder).as_posix()}"))

    return Elsewhere(folder=folder, stamps={folder / entry.name: entry.stamp for entry in pictures}, fetch=fetch)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        partial.write_bytes(content)
