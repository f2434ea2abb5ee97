"""The finished records of an evaluation or of features, on disk: if it is killed, the next run continues from them.

The file starts with one line of JSON that identifies what was computed. After it come records of one size, one per
picture, in the order in which they were finished. A record that is incomplete because the run was killed or the disk
was full is removed.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixer_edge.cache import cache_folder
from mixer_edge.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Wording:
    """What a journal's errors say about its user."""

    other_run: str
    """Who else may be writing to the file."""
    other_owner: str
    """Whose records a file with another first line contains."""
    elsewhere: str
    """How to choose another path."""


EVALUATION = Wording(
    other_run="another run of the same evaluation", other_owner="another evaluation", elsewhere="choose another path"
)


def default_journal(subject: Mapping[str, Any], folder: str = "evaluations") -> Path:
    """Return the path of a journal in a folder of the user's cache, named by the hash of its subject."""
    return cache_folder(folder) / f"{hashlib.sha256(_line(subject)).hexdigest()[:32]}.journal"


class Journal:
    """A file of records that one process at a time can lock; without a path nothing is stored."""

    def __init__(
        self, path: Path | None, subject: Mapping[str, Any], dtype: np.dtype[np.void], wording: Wording = EVALUATION
    ) -> None:
        """Open or create the file; ``records`` are those that it contains.

        Raises:
            DataError: it cannot be written, has another subject, or another process has locked it.
        """
        self.records: NDArray[np.void] = np.empty(0, dtype)
        self._path, self._wording = path, wording
        self._file: io.FileIO | None = None
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b", buffering=0)  # a buffer would write again at the end what did not fit
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._start(self._file, path, _line(subject), dtype)
        except BaseException as error:
            self.close()
            if isinstance(error, BlockingIOError):
                raise DataError(f"{path}: {wording.other_run} is writing to it; wait for it") from None
            if isinstance(error, OSError):
                raise DataError(f"{path}: cannot be written ({error.strerror}); {wording.elsewhere}") from None
            raise

    def _start(self, file: io.FileIO, path: Path, line: bytes, dtype: np.dtype[np.void]) -> None:
        file.seek(0)
        content = file.readall()
        if not line.startswith(content[: len(line)]):
            raise DataError(f"{path}: belongs to {self._wording.other_owner}; remove it or {self._wording.elsewhere}")
        if len(content) <= len(line):  # new, or incomplete first line
            file.truncate(0)
            _write(file, line)
        else:
            whole = (len(content) - len(line)) // dtype.itemsize
            file.truncate(len(line) + whole * dtype.itemsize)
            self.records = np.frombuffer(content, dtype, whole, offset=len(line))

    def append(self, records: NDArray[np.void]) -> None:
        """Write records; they are kept if this process is killed.

        Raises:
            DataError: they cannot be written, perhaps because the disk is full; the earlier ones are kept.
        """
        if self._file is None:
            return
        try:
            _write(self._file, records.tobytes())
        except OSError as error:
            raise DataError(
                f"{self._path}: cannot be written ({error.strerror}); make room or {self._wording.elsewhere}, and run "
                "again"
            ) from None

    def __enter__(self) -> Journal:
        """Return the journal; it is closed at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file and release the lock."""
        self.close()

    def close(self) -> None:
        """Close the file and release the lock."""
        if self._file is not None:
            self._file.close()


def _write(file: io.FileIO, content: bytes) -> None:
    """Append all of the content, or nothing."""
    size, rest = file.seek(0, io.SEEK_END), memoryview(content)
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError:
        file.truncate(size)
        raise


def _line(subject: Mapping[str, Any]) -> bytes:
    return json.dumps(subject, sort_keys=True, ensure_ascii=True).encode() + b"\n"
