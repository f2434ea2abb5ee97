"""The power cut after every single write of teaching: classes, features, sums and kept pictures belong together.

The state is opened as the next command would, on the disk as it was then, mounted by a real kernel.
"""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from emulator.disk import Disk
from emulator.machine import Machine, booted, overlay
from emulator.writes import Replay, read_writes, replaying
from PIL import Image
from tests.board.conftest import WRITEBACK_S, Recording, workstation
from tests.board.cuts import Phase, after_every_write, after_lost_writes
from tests.teaching import check

from mixer_edge.bundle import Bundle
from mixer_edge.teach.folder import Extractor
from mixer_edge_export.deploy.layout import BASE, WRAPPER

PICTURES = 4
# What is taught or forgotten -> the class of each picture after it.
CHANGES = {
    "teach a 0.png 1.png": {"0.png": "a", "1.png": "a"},
    "teach b 2.png 3.png": {"0.png": "a", "1.png": "a", "2.png": "b", "3.png": "b"},
    "teach b 0.png": {"0.png": "b", "1.png": "a", "2.png": "b", "3.png": "b"},
    "forget 2.png": {"0.png": "b", "1.png": "a", "3.png": "b"},
    "forget b": {"1.png": "a"},
}


@pytest.fixture(scope="module")
def recording(disk: Disk, tiny_features: Path, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """The record of some changes of what a board was taught; each starts where the one before reports success."""
    folder = tmp_path_factory.mktemp("teaching")
    path, starts = folder / "record", []
    with booted(disk, overlay(disk.image, folder / "disk.qcow2"), record=path) as machine:
        workstation(machine, "deploy", str(tiny_features), "board")
        send_pictures(machine)
        for change in CHANGES:
            starts.append(len(read_writes(path)))
            verb, _, rest = change.partition(" ")
            machine.run(f"{WRAPPER} {verb} {BASE}/current/bundle {rest}")
        success = len(read_writes(path))
        time.sleep(WRITEBACK_S)
        machine.run("sync")
        end = len(read_writes(path))
    following = [(start, start) for start in starts[1:]]
    phases = {
        change: Phase(start=start, success=success, end=end)
        for change, start, (success, end) in zip(CHANGES, starts, [*following, (success, end)], strict=True)
    }
    return Recording(disk=disk, record=path, phases=phases)


def send_pictures(machine: Machine) -> None:
    """Make the pictures on the board."""
    for number in range(PICTURES):
        file = io.BytesIO()
        pixels = np.random.default_rng(number).integers(0, 256, (32, 32, 3), np.uint8)
        Image.fromarray(pixels).save(file, "PNG")
        machine.run(f"echo {base64.b64encode(file.getvalue()).decode()} | base64 -d >{number}.png")
    machine.run("sync")


@pytest.fixture(scope="module")
def extractor(tiny_features: Path) -> Extractor:
    """What the board computes features with."""
    return Extractor.of(Bundle.open(tiny_features), "int8")


@pytest.fixture(scope="module")
def replay(recording: Recording) -> Iterator[Replay]:
    """The disk before the first change; the tests take it through them in their order."""
    with replaying(recording.disk.image, recording.record) as replay:
        yield replay


def look(replay: Replay, extractor: Extractor, change: str, *, done: bool) -> None:
    """Check that the board knows what it knew before a change, or after it; if it is ``done``, after it."""
    states = [{}, *CHANGES.values()]
    number = list(CHANGES).index(change)
    with replay.mounted() as root, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(root / "home/pi/.local/share"))
        check(states[number + 1 : number + 2] if done else states[number : number + 2], extractor)


@pytest.mark.parametrize("change", CHANGES)
def test_after_every_write(
    change: str, recording: Recording, replay: Replay, extractor: Extractor, capsys: pytest.CaptureFixture[str]
) -> None:
    """The next command finds the state of before or the new one; after success was reported, the new one."""
    phase, cuts = recording.phases[change], 0
    for number in after_every_write(replay, phase, change):
        cuts += 1
        look(replay, extractor, change, done=number >= phase.success)
    assert cuts > 1
    with capsys.disabled():
        print(f"\n{change}: {cuts} power cuts")


@pytest.mark.parametrize("change", CHANGES)
def test_after_lost_writes(
    change: str, recording: Recording, extractor: Extractor, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same if a disk loses any of the writes since its last flush, and tears the last one."""
    phase, cuts = recording.phases[change], 0
    with replaying(recording.disk.image, recording.record) as replay:
        for number, _ in after_lost_writes(replay, phase, change):
            cuts += 1
            look(replay, extractor, change, done=number >= phase.success)
    assert cuts > 1
    with capsys.disabled():
        print(f"\n{change}: {cuts} power cuts with lost writes")
