"""How often a board was looked at, what a look may find by chance, and the reference of all looks.

The board forgets: its ring of captures drops the oldest. So this machine keeps the captures of the reference, without
their pictures.

::

    $XDG_DATA_HOME/mixer-edge-looks, else ~/.local/share/mixer-edge-looks
        <host>.json     the looks at one board, the oldest first
        lock            held by the process that writes
"""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from mixer_edge import strict_json
from mixer_edge.changes import now
from mixer_edge.durable import sync_one
from mixer_edge.errors import DataError
from mixer_edge.user_folders import user_folder
from mixer_edge_export.drift.captures import Capture
from mixer_edge_export.files import write

TESTS = 2
"""Each look makes two tests, and each of them may use half of what the look may use."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """One look: which data it was of."""

    file_sha256: str
    """Of the variant's file."""
    data: str
    """sha256 over the names of the captures that were compared."""
    time: str
    """When, in UTC."""


@dataclass(frozen=True, kw_only=True)
class Looks:
    """The looks at one board, as JSON."""

    schema_version: Literal[1] = 1
    looks: tuple[Look, ...]
    """The oldest first."""
    kept: tuple[Capture, ...]
    """The captures of the reference, and of earlier ones, of the file that was looked at last."""

    def number(self, file_sha256: str, data: str | None) -> int:
        """Return the number of the look at these data, from 1; None is new data. Looks at other files do not count."""
        known = [look.data for look in self.looks if look.file_sha256 == file_sha256]
        return 1 + (known.index(data) if data in known else len(known))


def threshold(number: int, alpha: float) -> float:
    """Return the largest p value that each test of the look with this number calls a drift.

    ``alpha / (k (k + 1)) / 2`` for look k and its two tests: ``1 / (k (k + 1)) = 1 / k - 1 / (k + 1)``, so all looks
    that there can ever be have at most ``alpha`` in sum, and a false alarm in any of them is at most as probable as
    this sum (Boole's inequality).
    """
    return alpha / (number * (number + 1)) / TESTS


def digest(reference: Sequence[Capture], recent: Sequence[Capture]) -> str:
    """Return the sha256 over the names of the reference's files and of the recent ones."""
    names = [*(one.file for one in reference), "", *(one.file for one in recent)]
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def looks_path(host: str) -> Path:
    """Return the file with the looks at a board."""
    return user_folder("XDG_DATA_HOME", ".local/share") / "mixer-edge-looks" / f"{host}.json"


def read_looks(host: str) -> Looks:
    """Return the looks at a board.

    Raises:
        DataError: the file is damaged or cannot be read, or a newer program wrote it.
    """
    path = looks_path(host)
    try:
        return strict_json.read(Looks, path.read_text("utf-8"))
    except FileNotFoundError:
        return Looks(looks=(), kept=())
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: cannot be read ({error}); expected the looks at {host}; move it away to count from 1 again"
        ) from None


def with_kept(host: str, captures: Sequence[Capture], since: str, file_sha256: str) -> list[Capture]:
    """Return captures of a board with those that are kept here, the oldest first.

    Args:
        host: the board.
        captures: that are there.
        since: earlier ones do not count.
        file_sha256: of the variant's file.

    Raises:
        DataError: the looks cannot be read.
    """
    kept = [one for one in read_looks(host).kept if one.file_sha256 == file_sha256 and one.time >= since]
    merged = {capture.file: capture for capture in (*captures, *kept)}
    return sorted(merged.values(), key=lambda capture: capture.time)


def write_down(host: str, reference: Sequence[Capture], recent: Sequence[Capture]) -> int:
    """Keep a reference; count a look at it before its result is shown, and return the number of this or the next look.

    Args:
        host: the board.
        reference: its captures, not none.
        recent: what it is compared with; the same data are the same look, and none is no look.

    Raises:
        DataError: the file cannot be read or written.
    """
    path, file_sha256 = looks_path(host), reference[0].file_sha256
    data = digest(reference, recent) if recent else None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with (path.parent / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = read_looks(host)
            number = before.number(file_sha256, data)
            kept = {one.file: one for one in (*before.kept, *reference) if one.file_sha256 == file_sha256}
            looks = before.looks
            if data is not None and not any((look.file_sha256, look.data) == (file_sha256, data) for look in looks):
                looks = (*looks, Look(file_sha256=file_sha256, data=data, time=now()))
            after = Looks(looks=looks, kept=tuple(sorted(kept.values(), key=lambda one: one.time)))
            if after != before:
                write(path, strict_json.dumps(asdict(after)))
                sync_one(path.parent)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror}), so there is no answer") from None
    return number
