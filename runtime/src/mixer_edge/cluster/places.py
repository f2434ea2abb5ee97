"""Where a worker finds a picture: a path, or an address that fsspec can read (``http://``, ``s3://``, ``file://``)."""

from __future__ import annotations

import io
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from mixer_edge.errors import DataError, ImageError, MixerEdgeError

TRIES = 3
WAIT_S = 0.2
"""Before the second try; before each further one twice as long."""
STAMPS = ("size", "ETag", "etag", "md5Hash", "LastModified", "mtime")
"""Names under which file systems say what identifies a file's content."""


class RemoteFile(io.BytesIO):
    """The content of a picture, with its address for messages."""

    def __init__(self, content: bytes, name: str) -> None:
        """Keep both."""
        super().__init__(content)
        self.name = name


def is_address(place: str) -> bool:
    """Return whether a place is read through fsspec."""
    return "://" in place


def open_picture(place: str) -> Path | RemoteFile:
    """Return a path, or the content that fsspec reads from an address.

    Raises:
        ImageError: the address cannot be read.
        MixerEdgeError: fsspec is not installed, or does not know the protocol.
    """
    return RemoteFile(read_address(place), place) if is_address(place) else Path(place)


def size_of(picture: Path | RemoteFile) -> int | None:
    """Return the size of a picture's file in bytes; None if there is none."""
    if isinstance(picture, RemoteFile):
        return len(picture.getbuffer())
    try:
        return picture.stat().st_size
    except OSError:
        return None


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A file at an address."""

    name: str
    """Its path below the address, with ``/`` between its parts."""
    stamp: str
    """Its size, and what else the file system says of its content."""


def list_address(address: str) -> list[Entry]:
    """Return all files below an address, sorted by name; hidden ones are left out.

    Raises:
        DataError: it cannot be listed.
        MixerEdgeError: fsspec is not installed.
    """
    fsspec = _fsspec(address)
    try:
        system, root = fsspec.core.url_to_fs(address)
        found = system.find(root, detail=True)
    except Exception as error:  # each file system has its own
        raise DataError(f"{address}: cannot be listed ({str(error) or type(error).__name__})") from None
    entries = []
    for path, facts in found.items():
        name = path.removeprefix(root.rstrip("/")).lstrip("/")
        name = unquote(name) if address.startswith("http") else name
        if not any(part.startswith(".") for part in name.split("/")):
            known = [str(facts[key]) for key in STAMPS if facts.get(key) is not None]
            entries.append(Entry(name=name, stamp="\0".join(known)))
    return sorted(entries, key=lambda entry: entry.name)


def read_address(address: str) -> bytes:
    """Return the content at an address; it is tried ``TRIES`` times.

    Raises:
        ImageError: it cannot be read.
        MixerEdgeError: fsspec is not installed, or does not know the protocol.
    """
    fsspec = _fsspec(address)
    for count in range(TRIES):
        try:
            with fsspec.open(address, "rb") as file:
                return file.read()
        except FileNotFoundError:
            raise ImageError(f"{address}: no such file") from None
        except (ImportError, ValueError) as error:
            raise MixerEdgeError(f"{address}: fsspec cannot read this protocol ({error})") from None
        except Exception as error:  # each file system has its own
            reason = str(error) or type(error).__name__
            if count < TRIES - 1:
                time.sleep(WAIT_S * 2**count)
    raise ImageError(f"{address}: cannot be read ({reason})")


def _fsspec(address: str) -> Any:
    try:
        import fsspec
    except ModuleNotFoundError as error:
        raise MixerEdgeError(f"{address}: reading it needs {error.name}: pip install fsspec") from None
    return fsspec
