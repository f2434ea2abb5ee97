"""Where a worker finds a picture: a path, or an address that fsspec can read (``http://``, ``s3://``, ``file://``)."""

from __future__ import annotations

import io
import time
from pathlib import Path

from mixer_edge.errors import ImageError, MixerEdgeError

TRIES = 3
WAIT_S = 0.2
"""Before the second try; before each further one twice as long."""


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


def read_address(address: str) -> bytes:
    """Return the content at an address; it is tried ``TRIES`` times.

    Raises:
        ImageError: it cannot be read.
        MixerEdgeError: fsspec is not installed, or does not know the protocol.
    """
    try:
        import fsspec
    except ModuleNotFoundError as error:
        raise MixerEdgeError(f"{address}: reading it needs {error.name}: pip install fsspec") from None
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
