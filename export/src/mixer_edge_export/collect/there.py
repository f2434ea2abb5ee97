"""The pictures on a board: which there are, and the removal of those that are safe here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from mixer_edge.collected import KEPT_NAME, Row
from mixer_edge.inventory import Forgotten, KeptPicture
from mixer_edge.release import Release
from mixer_edge_export.deploy.board import Board
from mixer_edge_export.deploy.command import REMEDY
from mixer_edge_export.deploy.layout import WRAPPER
from mixer_edge_export.deploy.ssh import DeployError, RemoteError

_LIST = f"~/{WRAPPER} kept --json </dev/null"
_FORGET = f"""printf '%s\\n' "$1" | ~/{WRAPPER} kept --forget --json"""
_AT_ONCE = 100
"""Pictures in one call: the text of a command has at most 128 KiB."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A picture on a board."""

    path: str
    """Of its file there."""
    bytes: int
    captured: bool
    """Whether it can be removed there: not if it is only taught."""
    label: str
    """Its class among the captured ones, or empty."""
    row: Row
    """What the board knows of it, with an empty ``file``."""

    @property
    def name(self) -> str:
        """The name of its file: its sha256, and an ending."""
        return PurePosixPath(self.path).name


def installed(board: Board) -> Release:
    """Return the release that a board runs.

    Raises:
        DeployError: there is none, or it is damaged.
    """
    facts = board.probe()
    if not facts.current:
        raise DeployError(f"{board.host}: nothing is deployed there; deploy a bundle first")
    try:
        return board.read_release(facts.current)
    except RemoteError as error:
        raise DeployError(f"{error}{REMEDY}") from None


def find(board: Board, release: Release) -> list[Found]:
    """Return the pictures on a board, each once; of one that is both taught and captured, the taught class counts.

    Raises:
        DeployError: the board cannot list them, or one has a name or a class that cannot be.
    """
    try:
        lines = board.connection.run(_LIST).splitlines()
    except RemoteError as error:
        if "invalid choice: 'kept'" in error.stderr:
            raise DeployError(
                f"{board.host}: its mixer-edge {release.mixer_edge} cannot list its pictures{REMEDY}"
            ) from None
        raise
    found: dict[str, Found] = {}
    for line in lines:
        picture = board.read(KeptPicture, line, release)
        one = _found(board, picture)
        found[picture.sha256] = _joined(found[picture.sha256], one) if picture.sha256 in found else one
    return list(found.values())


def forget(board: Board, release: Release, pictures: Sequence[Found]) -> int:
    """Remove captured pictures from a board unless their label is another now, and return how many were removed.

    Raises:
        DeployError: it cannot remove them.
    """
    lines = [f"{picture.row.sha256}\t{picture.label}" for picture in pictures]
    parts = [lines[start : start + _AT_ONCE] for start in range(0, len(lines), _AT_ONCE)]
    answers = [board.connection.run(_FORGET, "\n".join(part)) for part in parts]
    return sum(board.read(Forgotten, answer, release).forgotten for answer in answers)


def _found(board: Board, picture: KeptPicture) -> Found:
    path, label = PurePosixPath(picture.file), picture.label or ""
    name = KEPT_NAME.fullmatch(path.name)
    if name is None or name[1] != picture.sha256 or not path.is_absolute():
        raise DeployError(f"{board.host}: it keeps a picture as {picture.file!a}, expected /.../<sha256>.<ending>")
    if not all(map(_is_text, (picture.file, label, picture.answer or "", picture.time or "", picture.bundle))):
        raise DeployError(f"{board.host}: what it says about {path.name} is no text; forget this picture there")
    taught = picture.kind == "taught"
    reason = picture.reason or ("random" if picture.random else "")
    row = Row(
        file="",
        class_=label,
        class_by=("taught" if taught else "label") if label else "",
        time=picture.time or "",
        answer=picture.answer or "",
        probability="" if picture.probability is None else f"{picture.probability:.4f}",
        none="" if picture.none is None else ("yes" if picture.none else "no"),
        reason=reason,
        variant=picture.variant,
        bundle=picture.bundle,
        extractor=picture.fingerprint,
        board=board.host,
        sha256=picture.sha256,
    )
    return Found(path=picture.file, bytes=picture.bytes, captured=not taught, label="" if taught else label, row=row)


def _joined(one: Found, other: Found) -> Found:
    """Return what is known of a picture that a board lists twice, the taught one first."""
    row = with_answer(one.row, other.row)
    if not row.class_:
        row = replace(row, class_=other.row.class_, class_by=other.row.class_by)
    return replace(one, row=row, captured=one.captured or other.captured, label=one.label or other.label)


def with_answer(row: Row, other: Row) -> Row:
    """Return a row with the answer of another one of the same picture, if it has none itself."""
    if row.none or not other.none:
        return row
    return replace(other, file=row.file, class_=row.class_, class_by=row.class_by, board=row.board, sha256=row.sha256)


def _is_text(text: str) -> bool:
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True
