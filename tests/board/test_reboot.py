"""The power cut and the board started again: the release works, and its service runs without a login."""

from __future__ import annotations

import os
import random
import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from emulator.disk import Disk
from emulator.machine import Machine, booted, overlay
from tests.board.conftest import Recording, command_line, workstation
from tests.board.running import LABELS, image_of, wait_for, works

from mixer_edge.progress import progress

REBOOTS = int(os.environ.get("MIXER_EDGE_REBOOTS", "2"))
"""How many random moments of upgrades are tried, recorded and real ones; each takes minutes."""
UPGRADES = ("float16", "int8-dynamic", "int8")
"""In turn: with two releases kept, each is copied and installed again."""


def test_power_cuts_during_an_upgrade(recording: Recording, tiny_bundle: Path, tmp_path: Path) -> None:
    """Cut when the first deploy reports success, then in an upgrade and at its success: the board starts and works."""
    image = image_of(recording, recording.phases["first deploy"].success, tmp_path)
    expected = {"int8"}
    for step, after in (("install", {"int8"}), ("switch", {"int8", "float16"}), ("success", {"float16"})):
        with booted(recording.disk, image) as machine:
            assert works(machine, "in", f"before-{step}.png") in expected
            _cut_power_in(step, machine, tiny_bundle)
        expected = after
    with booted(recording.disk, image) as machine:
        assert works(machine, "in", "at-the-end.png") in expected


def test_service_after_a_power_cut_and_a_kill(recording: Recording, tmp_path: Path) -> None:
    """Cut when a change of service reports success: it runs after a start without a login, and after a kill."""
    image = image_of(recording, recording.phases["change of service"].success, tmp_path)
    with booted(recording.disk, image) as machine:
        assert works(machine, "other", "before.png") == "int8"
        machine.run("systemctl --user kill --signal=KILL mixer-edge && cp other/before.png other/meanwhile.png")
        wait_for(machine, LABELS, "/other/meanwhile.png")


def test_power_cuts_at_random_moments_of_an_upgrade(recording: Recording, tiny_bundle: Path, tmp_path: Path) -> None:
    """The board starts from the disk as it was then, runs a whole release, and the next deploy succeeds."""
    phase, generator = recording.phases["upgrade"], random.Random(0)
    for number in progress(range(REBOOTS), "reboots"):
        moment = generator.randint(phase.start, phase.end)
        image = image_of(recording, moment, tmp_path)
        with booted(recording.disk, image) as machine:
            found = works(machine, "in", f"{number}.png")
            assert found in ({"float16"} if moment >= phase.success else {"int8", "float16"}), moment
            workstation(machine, "deploy", str(tiny_bundle), "board", "--variant", "float16")
            assert works(machine, "in", f"{number}-again.png") == "float16"


def test_killed_in_one_upgrade_after_the_other(
    disk: Disk, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """QEMU is killed at a random moment; the board starts, runs a whole release, and the same deploy then succeeds."""
    image, generator = overlay(disk.image, tmp_path / "disk.qcow2"), random.Random(1)
    after, expected, usual_s, reached = "int8", {"int8"}, 0.0, Counter[str]()
    for number in progress(range(REBOOTS + 1), "reboots"):
        with booted(disk, image) as machine:
            if number == 0:
                machine.run("mkdir in")
                start = time.monotonic()
                workstation(machine, "deploy", str(tiny_bundle), "board", "--service", "watch:~/in")
                usual_s = time.monotonic() - start
            else:
                assert works(machine, "in", f"{number}.png") in expected
                workstation(machine, *_upgrade(tiny_bundle, after))
                assert works(machine, "in", f"{number}-again.png") == after
            if number < REBOOTS:
                before, after = after, UPGRADES[number % len(UPGRADES)]
                last = _killed_after(generator.uniform(0, usual_s), machine, tiny_bundle, after)
                expected = {after} if last == "success" else {before, after}
                reached[last] += 1
    with capsys.disabled():
        print(f"\n{REBOOTS} power cuts, the last step that was reported: {dict(reached)}")


def _upgrade(bundle: Path, variant: str) -> tuple[str, ...]:
    return "deploy", str(bundle), "board", "--variant", variant, "--keep", "2"


@contextmanager
def _upgrading(machine: Machine, bundle: Path, variant: str) -> Iterator[subprocess.Popen[str]]:
    """Start an upgrade; kill the workstation's program when the block ends."""
    argv = command_line(machine, *_upgrade(bundle, variant))
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as client:
        yield client
        client.kill()


def _cut_power_in(step: str, machine: Machine, bundle: Path) -> None:
    """End the machine as soon as the workstation says that this step of an upgrade begins, or "success"."""
    with _upgrading(machine, bundle, "float16") as client:
        assert client.stderr is not None
        begins = any(line.startswith(f"[board] {step}") for line in client.stderr)
        assert begins if step != "success" else client.wait() == 0
        machine.cut_power()


def _killed_after(seconds: float, machine: Machine, bundle: Path, variant: str) -> str:
    """End the machine so long after the start of an upgrade; return the step that was reported last, or "success"."""
    with _upgrading(machine, bundle, variant) as client:
        with suppress(subprocess.TimeoutExpired):
            client.wait(seconds)
        machine.cut_power()
        done = client.poll() == 0
        client.kill()
        assert client.stderr is not None
        said = client.stderr.read()
    assert "Traceback" not in said
    steps = re.findall(r"^\[board\] (\w+) ", said, re.MULTILINE)
    return "success" if done else steps[-1] if steps else "nothing"
