"""The disk of a recording after a power cut at any of its writes, also if it lost some since its last flush."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from emulator.writes import FLUSH, SECTOR, Replay, Write

from mixer_edge.progress import progress

SUPERBLOCK = 1024
"""Where ext4's superblock of 1024 bytes is. No kernel mounts a disk that has only half of it, whatever programs did."""
SUBSETS = 5
"""How many sets of lost writes are tried between two flushes."""


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One command in a recording: the numbers of the writes at its start, at its success and when all was written."""

    start: int
    success: int
    end: int


def after_every_write(replay: Replay, phase: Phase, name: str) -> Iterator[int]:
    """Take the disk through the writes of a phase and yield the number of each; ``name`` is for the progress bar."""
    for number in progress(range(phase.start, phase.end + 1), name):
        replay.advance(number)
        if number == phase.start or replay.writes[number - 1].length:
            yield number


def after_lost_writes(replay: Replay, phase: Phase, name: str) -> Iterator[tuple[int, str]]:
    """Do the same with any of the writes since the last flush lost, and the last one torn.

    Yields:
        The number of the last write that the disk has got, and what happened to it in words.
    """
    generator = random.Random(0)
    for flush, following in progress(list(_between_flushes(replay.writes, phase)), name):
        replay.advance(flush)
        for _ in range(SUBSETS):
            issued = generator.randint(1, len(following))
            kept = [write for write in following[:issued] if generator.random() < 0.5]
            kept += [_torn(following[issued - 1], generator)]
            with replay.changed(kept):
                yield flush + issued, f"after flush {flush} and {kept}"


def _between_flushes(writes: list[Write], phase: Phase) -> Iterator[tuple[int, list[Write]]]:
    """Yield the number of each flush of a phase, and the writes up to the next one."""
    flushes = [number for number in range(phase.start, phase.end) if writes[number - 1].flags & FLUSH]
    for flush, end in zip(flushes, [*flushes[1:], phase.end], strict=True):
        following = [write for write in writes[flush:end] if write.length]
        if following:
            yield flush, following


def _torn(write: Write, generator: random.Random) -> Write:
    length = SECTOR * generator.randint(0, write.length // SECTOR)
    half = write.start + length == SUPERBLOCK + SECTOR
    return replace(write, length=length - SECTOR if half else length)
