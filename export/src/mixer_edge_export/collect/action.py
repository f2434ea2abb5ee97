"""Collect the pictures of one board."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mixer_edge.errors import DataError, full_disk
from mixer_edge.release import Release
from mixer_edge_export.collect.copies import check, is_safe
from mixer_edge_export.collect.photos import Photos
from mixer_edge_export.collect.there import Found, find, forget, installed
from mixer_edge_export.deploy.board import Board
from mixer_edge_export.deploy.ssh import DeployError, RemoteError
from mixer_edge_export.files import remove

CHUNK, CHUNK_BYTES = 100, 32 << 20
"""Pictures, and bytes of them, that are copied at most before they are put into place."""


@dataclass(frozen=True, kw_only=True)
class Collected:
    """What became of the pictures of a board."""

    pictures: int
    """There are on the board."""
    new: int
    moved: int
    """From ``unsorted`` into a class, or from one class into another."""
    unsorted: int
    """Of the board's, without a class there."""
    forgotten: int | None
    """Captured ones that the board has removed; None if it was not asked to."""
    failed: tuple[str, ...]
    """A line for each picture that is not here now."""


def collect(board: Board, photos: Photos, *, free: bool) -> Collected:
    """Copy the pictures that were never here, move those that have a class now, and return what became of all.

    Args:
        board: whose pictures.
        photos: where they go.
        free: whether the board forgets the captured pictures whose copies are proved.

    Raises:
        DeployError: the board has no release, the connection failed, or this machine's disk is full; what was copied
            stays, and the next call continues.
    """
    try:
        return _collect(board, photos, free=free)
    except RemoteError as error:
        if error.disk_full:  # nothing of a board's disk is written to
            raise DeployError(
                f"{board.host}: this machine's disk is full ({photos.folder}); free some space here, then repeat"
            ) from None
        raise
    except OSError as error:
        if full_disk(error) is not None:
            raise
        raise DeployError(
            f"{board.host}: {error.filename or photos.folder}: cannot be written ({error.strerror}); repair this, then "
            "repeat"
        ) from None


def _collect(board: Board, photos: Photos, *, free: bool) -> Collected:
    board.report("probe", "")
    release = installed(board)
    found = find(board, release)
    lacking = [picture for picture in found if photos.lacks(picture.row.sha256)]
    board.report("list", f"{_pictures(len(found))}, {len(lacking)} of them not here")
    failed: list[str] = []
    states = []
    for chunk, copies in _copied(board, photos, lacking, failed):
        states += _settle(board, photos, chunk, copies, failed)
        photos.save()
    new = {picture.row.sha256 for picture in lacking}
    states += _settle(board, photos, [picture for picture in found if picture.row.sha256 not in new], {}, failed)
    photos.save()
    return Collected(
        pictures=len(found),
        new=states.count("new"),
        moved=states.count("moved"),
        unsorted=sum(not picture.row.class_ for picture in found),
        forgotten=_free(board, photos, release, found) if free else None,
        failed=tuple(failed),
    )


def _copied(
    board: Board, photos: Photos, lacking: Sequence[Found], failed: list[str]
) -> Iterator[tuple[Sequence[Found], dict[str, Path]]]:
    """Yield some pictures after another, with their checked copies by sha256; say in ``failed`` which have none."""
    if not lacking:
        return
    staging = photos.staging(board.host)
    wanted = {picture.name for picture in lacking}
    for leftover in [path for path in staging.iterdir() if path.name not in wanted]:
        remove(leftover)
    done, sent = 0, 0
    for chunk in _chunks(lacking):
        said = _fetch(board, staging, chunk)
        copies = {}
        for picture in chunk:
            copy = staging / picture.name
            reason = check(copy, picture.row.sha256)
            if reason is None:
                copies[picture.row.sha256] = copy
            else:
                remove(copy)
                failed.append(_failed(board, picture, next((line for line in said if picture.name in line), reason)))
        yield [picture for picture in chunk if picture.row.sha256 in copies], copies
        done, sent = done + len(chunk), sent + sum(picture.bytes for picture in chunk)
        board.report("copy", f"{done} of {_pictures(len(lacking))}, {sent / 1e6:.1f} MB")
    if not any(staging.iterdir()):
        staging.rmdir()


def _fetch(board: Board, staging: Path, chunk: Sequence[Found]) -> list[str]:
    """Copy what is not there yet, whole; return what rsync says."""
    missing = [
        picture
        for picture in chunk
        if not (copy := staging / picture.name).is_file()
        or copy.stat().st_size != picture.bytes
        or check(copy, picture.row.sha256) is not None
    ]
    return board.connection.fetch_all([picture.path for picture in missing], staging) if missing else []


def _settle(
    board: Board, photos: Photos, pictures: Sequence[Found], copies: dict[str, Path], failed: list[str]
) -> list[str]:
    states: list[str] = []
    for picture in pictures:
        try:
            states.append(photos.settle(picture, copies.get(picture.row.sha256)))
        except DataError as error:
            failed.append(_failed(board, picture, str(error)))
    return states


def _free(board: Board, photos: Photos, release: Release, found: Sequence[Found]) -> int:
    """Let the board forget the captured pictures that are safe here; return how many it has forgotten.

    Somebody may have labelled one since it was listed: the board lets it stay until the next time.
    """
    captured = [picture for picture in found if picture.captured]
    safe = [picture for picture in captured if _is_here(photos, picture.row.sha256)]
    forgotten = forget(board, release, safe)
    text = f"{_pictures(forgotten)} forgotten there"
    if stay := len(captured) - forgotten:
        text += f"; {_pictures(stay)} stay: their copies are not here or not as they were, or their label is new"
    board.report("forget", text)
    return forgotten


def _is_here(photos: Photos, sha256: str) -> bool:
    return (path := photos.place(sha256)) is not None and is_safe(path, sha256)


def _chunks(pictures: Sequence[Found]) -> Iterator[list[Found]]:
    chunk: list[Found] = []
    for picture in pictures:
        chunk.append(picture)
        if len(chunk) == CHUNK or sum(each.bytes for each in chunk) >= CHUNK_BYTES:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _failed(board: Board, picture: Found, reason: str) -> str:
    return f"{board.host}: {picture.path}: {reason}"


def _pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count:,} pictures"
