"""Look at one board: read its captures, keep the reference, count the look, and compare."""

from __future__ import annotations

from collections.abc import Sequence

from mixer_edge_export.deploy.board import Board
from mixer_edge_export.drift.blocks import divide
from mixer_edge_export.drift.captures import About, Capture, read
from mixer_edge_export.drift.compare import compare
from mixer_edge_export.drift.looks import digest, read_looks, threshold, with_kept, write_down
from mixer_edge_export.drift.question import Question
from mixer_edge_export.drift.types import Drift, Group, Moment, Start


def look(board: Board, question: Question) -> tuple[About, Drift]:
    """Return where a board has its captures, and whether they have moved.

    Raises:
        DeployError: the board's captures cannot be read.
        DataError: the looks at this board cannot be read or written.
    """
    found = read(board, question.since)
    since = question.since or found.about.deployed
    file_sha256 = found.captures[0].file_sha256 if found.captures else None
    captures = with_kept(board.host, found.captures, since or "", file_sha256) if file_sha256 else []
    parts = divide(captures, question.reference, question.days)
    result, missing, used = None, parts.missing(threshold(1, question.alpha)), parts.recent
    if file_sha256 is not None:
        used = tuple(one for block in parts.recent_blocks for one in block)
        number = read_looks(board.host).number(file_sha256, digest(parts.reference, used))
        missing = parts.missing(threshold(number, question.alpha))
        enough = not any(missing)
        number = write_down(board.host, parts.reference, used if enough else ())
        result = compare(parts, number, threshold(number, question.alpha)) if enough else None
    recent = used if result else parts.recent
    return found.about, Drift(
        host=board.host,
        bundle=captures[-1].bundle if captures else None,
        variant=captures[-1].variant if captures else None,
        file_sha256=file_sha256,
        since=since,
        start=_start(question, found.about),
        others=found.about.others,
        days=question.days,
        block=parts.size,
        reference=_group(parts.reference, missing[0]),
        recent=_group(recent, missing[1]),
        result=result,
        captures=_moments(captures, parts.reference, recent),
    )


def _start(question: Question, about: About) -> Start:
    if question.since is not None:
        return "since"
    return "first capture" if about.deployed is None else "deployment"


def _group(captures: Sequence[Capture], missing: int) -> Group:
    return Group(
        captures=len(captures),
        first=captures[0].time if captures else None,
        last=captures[-1].time if captures else None,
        none=sum(capture.none for capture in captures),
        missing=missing,
    )


def _moments(
    captures: Sequence[Capture], reference: Sequence[Capture], recent: Sequence[Capture]
) -> tuple[Moment, ...]:
    before, after = ({capture.file for capture in group} for group in (reference, recent))
    return tuple(
        Moment(
            time=capture.time,
            probability=capture.probability,
            part="reference" if capture.file in before else "recent" if capture.file in after else "not used",
        )
        for capture in captures
    )
