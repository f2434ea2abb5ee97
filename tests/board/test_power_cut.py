"""The power cut after every single write of everything that changes a board.

The disk is rebuilt as it was after each write of a deploy, an upgrade, a rollback, a change of service and an undeploy,
and after each that the kernel made later, when the command had reported success. It is mounted, so that a real kernel
replays the journal, and every file of every release is compared by its sha256.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from emulator.writes import replaying
from tests.board.conftest import PHASES, Recording
from tests.board.cuts import after_every_write, after_lost_writes
from tests.board.state import Reader, State


@pytest.fixture(scope="module")
def reader(recording: Recording) -> Iterator[Reader]:
    """The disk before the first command; the tests take it through the phases in their order."""
    with replaying(recording.disk.image, recording.record) as replay:
        yield Reader(replay)


@pytest.fixture(scope="module")
def settled(recording: Recording) -> dict[str, tuple[State, State]]:
    """What the disk holds before each phase, and after it when everything was written."""
    states = {}
    with replaying(recording.disk.image, recording.record) as replay:
        reader = Reader(replay)
        for name, phase in recording.phases.items():
            replay.advance(phase.start)
            before = reader.read()
            replay.advance(phase.end)
            states[name] = (before, reader.read())
    return states


def test_what_the_commands_leave(settled: dict[str, tuple[State, State]]) -> None:
    """Each command had its effect: without that, the power cuts would prove nothing."""
    first, upgrade, rollback, change, undeploy = (settled[name] for name in PHASES)
    nothing, int8 = first
    assert (nothing.current, nothing.command, nothing.unit, nothing.releases) == (None, None, None, {})
    assert int8.current is not None
    assert list(int8.releases) == [int8.current]
    assert "bundle/int8.tflite" in int8.releases[int8.current]
    assert int8.command is not None
    assert int8.unit is not None
    assert "/in" in int8.unit
    float16 = upgrade[1]
    assert (float16.previous, sorted(float16.releases)) == (int8.current, sorted([int8.current, str(float16.current)]))
    assert (rollback[1].current, rollback[1].previous) == (int8.current, float16.current)
    assert change[1].unit is not None
    assert "/other" in change[1].unit
    assert undeploy[1] == nothing


@pytest.mark.parametrize("name", PHASES)
def test_after_every_write(
    name: str,
    recording: Recording,
    reader: Reader,
    settled: dict[str, tuple[State, State]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The board has the state of before or the new one, whole; once the command has reported success, the new one."""
    phase, cuts = recording.phases[name], 0
    for number in after_every_write(reader.replay, phase, name):
        cuts += 1
        assert wrong(reader.read(), *settled[name], done=number >= phase.success) == [], f"after write {number}"
    with capsys.disabled():
        print(f"\n{name}: {cuts} power cuts, {phase.end - phase.success} of the writes after its success")


@pytest.mark.parametrize("name", PHASES)
def test_after_lost_writes(
    name: str, recording: Recording, settled: dict[str, tuple[State, State]], capsys: pytest.CaptureFixture[str]
) -> None:
    """The same if a disk loses any of the writes since its last flush, and tears the last one."""
    phase, cuts = recording.phases[name], 0
    with replaying(recording.disk.image, recording.record) as replay:
        reader = Reader(replay)
        for number, what in after_lost_writes(replay, phase, name):
            cuts += 1
            assert wrong(reader.read(), *settled[name], done=number >= phase.success) == [], what
    with capsys.disabled():
        print(f"\n{name}: {cuts} power cuts with lost writes")


def wrong(state: State, before: State, after: State, *, done: bool) -> list[str]:
    """Return what is wrong with a state between two others, or if the second is ``done``, with that one."""
    allowed = [after] if done else [before, after]
    found = [
        f"{name} is {getattr(state, name)!r}"
        for name in ("current", "previous", "command", "unit", "history")
        if getattr(state, name) not in [getattr(other, name) for other in allowed]
    ]
    whole = before.releases | after.releases
    found += [f"release {name} is damaged" for name, tree in state.releases.items() if tree != whole.get(name)]
    found += [
        f"{link} has no release" for link in (state.current, state.previous) if link not in {None, *state.releases}
    ]
    found += ["no command for the release"] if state.current and not state.command else []
    # The service creates its record of pictures empty, and has written it when deploy reports success.
    return found + [f"{name} is empty" for name in state.empty if done]
