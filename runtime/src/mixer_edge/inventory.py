"""All pictures that stay on this board, the taught and the captured ones, as another program copies and frees them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mixer_edge.captured.store import Captured, picture_path, read_captured, remove_unchanged
from mixer_edge.captured.tables import captured_folder
from mixer_edge.teach.folder import taught_folder
from mixer_edge.teach.state import read_pictures, read_taught

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class KeptPicture:
    """A picture that stays on this board; what is only known of captured ones is None for a taught one."""

    file: str
    """Path of the file, whose name is its sha256 and an ending."""
    sha256: str
    bytes: int
    kind: Literal["taught", "captured"]
    label: str | None
    """Its class; None for a captured picture that nobody has labelled."""
    time: str | None
    """When it was answered or, for a taught one, taught: UTC in ISO 8601; None for a file that was taught."""
    answer: str | None = None
    """The nearest class."""
    probability: float | None = None
    """Of the answer."""
    none: bool | None = None
    """Whether it was none of the classes."""
    reason: str | None = None
    """Why it is kept; None for one of the random share alone."""
    random: bool | None = None
    """Whether it is of the random share."""
    bundle: str
    """Name of the bundle that answered or, of a taught picture, computed the features."""
    variant: str
    fingerprint: str
    """Of the weights."""


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """What became of the pictures that another program has copied."""

    forgotten: int
    """Captured pictures that were removed."""
    changed: int
    """Captured ones that stay: they have another label than was said."""
    taught: int
    """Taught ones, which stay: they are what the board answers with."""


def list_kept() -> list[KeptPicture]:
    """Return all taught pictures, then all captured ones, the oldest first.

    Raises:
        DataError: what is kept cannot be read.
    """
    folder = captured_folder()
    taught = [picture for state in sorted(taught_folder().glob("*")) for picture in _taught(state)]
    captured = [(found, picture_path(folder, found.file)) for found in read_captured(folder)]
    return taught + [_captured(found, path, size) for found, path in captured if (size := _size(path)) is not None]


def forget_captured(labels: Mapping[str, str | None]) -> Forgotten:
    """Remove the captured pictures with these checksums and still these labels, and return what became of all.

    Raises:
        DataError: what is kept cannot be read or written.
    """
    folder = captured_folder()
    files = {found.file: labels[sha] for found in read_captured(folder) if (sha := Path(found.file).stem) in labels}
    forgotten = remove_unchanged(folder, files) if files else 0
    taught = {found.path.stem for state in taught_folder().glob("*") for found in read_pictures(state)}
    return Forgotten(forgotten=forgotten, changed=len(files) - forgotten, taught=len(taught & labels.keys()))


def _taught(folder: Path) -> list[KeptPicture]:
    taught = read_taught(folder)
    if taught is None:
        return []
    return [
        KeptPicture(
            file=str(found.path),
            sha256=found.path.stem,
            bytes=size,
            kind="taught",
            label=found.label,
            time=found.time,
            bundle=taught.extractor.name,
            variant=taught.extractor.variant,
            fingerprint=taught.extractor.fingerprint,
        )
        for found in read_pictures(folder)
        if (size := _size(found.path)) is not None
    ]


def _captured(found: Captured, path: Path, size: int) -> KeptPicture:
    answered = found.answered
    best = answered.categories[0] if answered.categories else None
    return KeptPicture(
        file=str(path),
        sha256=path.stem,
        bytes=size,
        kind="captured",
        label=found.label,
        time=answered.time,
        answer=best.label if best else None,
        probability=best.probability if best else None,
        none=answered.none,
        reason=answered.reason,
        random=answered.random,
        bundle=answered.bundle,
        variant=answered.variant,
        fingerprint=answered.fingerprint,
    )


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError as error:  # somebody removed the file, or another process removes the picture this moment
        log.warning("%s: cannot be read (%s) and is left out", path, error.strerror)
        return None
