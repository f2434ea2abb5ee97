"""The power cut before every single write of everything that changes a board.

The disk is rebuilt as it was before each write that a deploy, an upgrade, a rollback and a change of service made, up
to the last one that the kernel made after the command had reported success. It is mounted, so that a real kernel
replays the journal, and every file of every release is compared by its sha256.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from emulator.writes import Replay, replaying
from tests.board.conftest import Phase, Recording
from tests.board.state import Reader, State

from mixer_edge.progress import progress


@pytest.fixture(scope="module")
def reader(recording: Recording) -> Iterator[Reader]:
    """The disk before the first command; the tests advance it in the order of the phases."""
    with replaying(recording.disk.image, recording.record) as replay:
        yield Reader(replay)
