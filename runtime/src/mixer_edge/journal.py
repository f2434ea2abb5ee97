"""What an evaluation found so far, on disk: killed at any time, the next run reads it and goes on.

The file is one line of JSON that says what the records are about, and after it records of one size, one per picture,
in the order in which they were done. A record that was being written when the run was killed is cut off.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mixer_edge.cache import cache_folder
from mixer_edge.errors import DataError


def default_journal(subject: Mapping[str, Any]) -> Path:
    """Return the journal of an evaluation in the user's cache, named by its subject."""
    return cache_folder("evaluations") / f"{hashlib.sha256(_line(subject)).hexdigest()[:32]}.journal"


class Journal:
    """A file of records that is held by one process at a time; without a path it keeps nothing."""

    def __init__(self, path: Path | None, subject: Mapping[str, Any], dtype: np.dtype[np.void]) -> None:
        """Open or make the file; ``records`` are those that are in it.

        Raises:
            DataError: it cannot be written, is about something else, or another process holds it.
        """
        self.records: NDArray[np.void] = np.empty(0, dtype)
        self._file: BinaryIO | None = None
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b")
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._start(self._file, path, _line(subject), dtype)
        except BaseException as error:
            self.close()
            if isinstance(error, BlockingIOError):
                raise DataError(f"{path}: another run of the same evaluation is writing to it; wait for it") from None
            if isinstance(error, OSError):
                raise DataError(f"{path}: cannot be written ({error.strerror}); choose another place") from None
            raise

    def _start(self, file: BinaryIO, path: Path, line: bytes, dtype: np.dtype[np.void]) -> None:
        file.seek(0)
        content = file.read()
        if not line.startswith(content[: len(line)]):
            raise DataError(f"{path}: is of another evaluation; remove it or choose another place")
        if len(content) <= len(line):  # new, or killed within the first line
            file.truncate(0)
            file.write(line)
        else:
            whole = (len(content) - len(line)) // dtype.itemsize
            file.truncate(len(line) + whole * dtype.itemsize)
            self.records = np.frombuffer(content, dtype, whole, offset=len(line))
        file.flush()

    def append(self, records: NDArray[np.void]) -> None:
        """Write records, so that they outlive this process."""
        if self._file is not None:
            self._file.write(records.tobytes())
            self._file.flush()

    def __enter__(self) -> Journal:
        """Return the journal, which the end of the block closes."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file and let it go."""
        self.close()

    def close(self) -> None:
        """Close the file and let it go."""
        if self._file is not None:
            self._file.close()


def _line(subject: Mapping[str, Any]) -> bytes:
    return json.dumps(subject, sort_keys=True, ensure_ascii=True).encode() + b"\n"
