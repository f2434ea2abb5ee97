"""Files that were sent to a worker, kept in its user's cache by their content, so they are sent once.

::

    cluster/<key>/           the files of one bundle; the key is the hash of their names and contents
    cluster/.<key>.<sender>  is being received; synced, then renamed
    cluster/lock             held while it is renamed
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mixer_edge.cache import CACHE_VARIABLE, cache_folder
from mixer_edge.durable import sync_one
from mixer_edge.errors import MixerEdgeError
from mixer_edge.manifest import file_sha256

FOLDER = "cluster"
LOCK = "lock"
LEFTOVER_S = 86_400
"""Age at which a folder that was never completed is removed."""


def content_key(files: Mapping[str, str]) -> str:
    """Return the key of files: a sha256 over their names and their sha256s."""
    return hashlib.sha256("".join(f"{files[name]} {name}\n" for name in sorted(files)).encode()).hexdigest()


def kept_folder(files: Mapping[str, str]) -> Path | None:
    """Return the folder in which these files are kept; None if they are not there, or not intact.

    Args:
        files: the sha256 of each file, by its name.
    """
    folder = cache_folder(FOLDER) / content_key(files)
    intact = folder.is_dir() and all(
        (folder / name).is_file() and file_sha256(folder / name) == sha256 for name, sha256 in files.items()
    )
    return folder if intact else None


def receive(key: str, sender: str, name: str, offset: int, piece: bytes) -> None:
    """Write a piece of a file.

    Args:
        key: the key of all files.
        sender: names this sending; two do not disturb each other.
        name: the file.
        offset: number of its bytes that were sent before.
        piece: the next ones.

    Raises:
        MixerEdgeError: it cannot be written, or is not the next piece.
    """
    partial = _partial(key, sender)
    path = partial / Path(name).name
    try:
        partial.mkdir(exist_ok=True)
        with path.open("ab" if offset else "wb") as file:
            if (found := file.tell()) != offset:
                raise MixerEdgeError(f"{path}: {found} bytes are there, expected {offset}; repeat the command")
            file.write(piece)
    except OSError as error:
        raise _cannot_write(path, error) from None


def finish(key: str, sender: str, files: Mapping[str, str]) -> None:
    """Check what was received, and give it its place.

    Raises:
        MixerEdgeError: a file is not what was sent, or cannot be written.
    """
    partial, folder = _partial(key, sender), cache_folder(FOLDER) / key
    try:
        for name, sha256 in files.items():
            if (found := file_sha256(partial / name)) != sha256:
                raise MixerEdgeError(f"{partial / name}: sha256 is {found}, expected {sha256}; repeat the command")
            sync_one(partial / name)
        sync_one(partial)
        with _locked(folder.parent):  # several workers of one machine have the same cache
            if kept_folder(files) is None:
                shutil.rmtree(folder, ignore_errors=True)
                partial.rename(folder)
                sync_one(folder.parent)
    except OSError as error:
        raise _cannot_write(partial, error) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        _remove_leftovers(folder.parent)


def _partial(key: str, sender: str) -> Path:
    return cache_folder(FOLDER) / f".{key}.{sender}.{os.getpid()}"


@contextmanager
def _locked(parent: Path) -> Iterator[None]:
    with (parent / LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _remove_leftovers(parent: Path) -> None:
    for folder in parent.glob(".*"):
        try:
            if time.time() - folder.stat().st_mtime > LEFTOVER_S:
                shutil.rmtree(folder, ignore_errors=True)
        except FileNotFoundError:
            continue  # another process removed it


def _cannot_write(path: Path, error: OSError) -> MixerEdgeError:
    reason = error.strerror or error
    return MixerEdgeError(
        f"{path}: cannot be written ({reason}); make room, or set {CACHE_VARIABLE} to another folder there"
    )
