"""Read the random share of a board's captures over ssh, and fetch some of their pictures."""

from __future__ import annotations

import base64
import re
import shlex
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixer_edge import strict_json
from mixer_edge.captured.tables import CAPTURED, captured_folder
from mixer_edge.manifest import file_sha256
from mixer_edge_export.deploy.board import Board
from mixer_edge_export.deploy.layout import BASE
from mixer_edge_export.deploy.ssh import RemoteError
from mixer_edge_export.drift import on_board

READ = f'exec python3 -I -c {shlex.quote(Path(on_board.__file__).read_text("utf-8"))} "$@"'
_FILE = re.compile(r"[0-9a-f]{64}(?:\.[a-z0-9]{1,5})?")


@dataclass(frozen=True, kw_only=True)
class Capture:
    """A captured picture of the random share, and what was answered."""

    file: str
    """Name of its file: the sha256 of the content, and the ending."""
    time: str
    """UTC in ISO 8601, by the board's clock."""
    label: str
    """The best class."""
    probability: float
    """Of this class: the confidence of the answer."""
    none: bool
    """Whether it was none of the classes."""
    bundle: str
    variant: str
    file_sha256: str
    """Of the variant's file; equal for all of them."""
    outputs: str
    """The network's outputs, float32 as Base64."""


@dataclass(frozen=True, kw_only=True)
class About:
    """What is known beside the captures."""

    folder: str
    """Where they are on the board."""
    deployed: str | None
    """When the board last switched to a release; None if there is none."""
    others: int
    """Number of random captures in the same time that are of other files."""


@dataclass(frozen=True, kw_only=True)
class Captures:
    """The random share of one file."""

    about: About
    captures: tuple[Capture, ...]
    """In the order in which they were kept."""


def outputs_of(captures: Sequence[Capture]) -> NDArray[np.float32]:
    """Return the network's outputs for captures, ``[n, outputs]`` float32."""
    return np.stack([_outputs(capture) for capture in captures])


def read(board: Board, since: str | None) -> Captures:
    """Return the random share since a time, or since the last switch to a release.

    Raises:
        RemoteError: the database there cannot be used, or what it has is not what a recorder writes.
    """
    arguments = (captured_folder().name, CAPTURED.file, str(CAPTURED.version), f"{BASE}/current", since or "")
    printed = board.connection.run(READ, *arguments)
    try:
        first, *others = printed.splitlines() or [""]
        about = strict_json.read(About, first)
        captures = tuple(strict_json.read(Capture, line) for line in others)
        _check(captures)
    except ValueError as error:
        message = f"{board.host}: {CAPTURED.file} there has something else than captures ({error}); {CAPTURED.remedy}"
        raise RemoteError(message, code=0, stdout=printed, stderr="") from None
    return Captures(about=about, captures=captures)


def fetch_pictures(board: Board, about: About, files: Sequence[str], folder: Path) -> None:
    """Copy pictures to a folder of this machine; those that are not there any more are left out."""
    for file in files:
        target = folder / file
        with suppress(RemoteError):
            board.connection.fetch(f"{about.folder}/pictures/{file}", target)
            if file_sha256(target) != file[:64]:
                target.unlink()


def _outputs(capture: Capture) -> NDArray[np.float32]:
    return np.frombuffer(base64.b64decode(capture.outputs, validate=True), "<f4")


def _check(captures: Sequence[Capture]) -> None:
    sizes = set()
    for capture in captures:
        if not _FILE.fullmatch(capture.file):
            raise ValueError(f"a file named {capture.file[:80]!r}")
        datetime.fromisoformat(capture.time)
        outputs = _outputs(capture)
        sizes.add(len(outputs))
        if not len(outputs) or not np.isfinite(outputs).all():
            raise ValueError(f"no finite outputs of {capture.file}")
    if len(sizes) > 1:
        raise ValueError(f"{' and '.join(map(str, sorted(sizes)))} outputs of one file")
