"""The power cut and the board started again: the release works, and its service runs without a login."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

from emulator.machine import Machine, booted, overlay
from emulator.writes import replaying
from tests.board.conftest import Recording, workstation

from mixer_edge.progress import progress
from mixer_edge_export.deploy.layout import BASE, WRAPPER

LABELS = "journalctl --user-unit mixer-edge --output cat"
REBOOTS = int(os.environ.get("MIXER_EDGE_REBOOTS", "2"))
"""How many random moments of an upgrade are tried; each takes minutes."""
SERVICE_S = 300
"""How long a service may take to start, or to answer a picture, on a busy host."""


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
        _wait_for(machine, LABELS, "/other/meanwhile.png")


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


def _cut_power_in(step: str, machine: Machine, bundle: Path) -> None:
    """Start an upgrade, and end the machine as soon as the workstation says that this step begins, or "success"."""
    argv = [sys.executable, "-m", "mixer_edge_export", "deploy", str(bundle), "board"]
    argv += ["--variant", "float16", "--ssh-config", str(machine.ssh_config)]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as client:
        assert client.stderr is not None
        begins = any(line.startswith(f"[board] {step}") for line in client.stderr)
        assert begins if step != "success" else client.wait() == 0
        machine.cut_power()
        client.kill()


def image_of(recording: Recording, number: int, folder: Path) -> Path:
    """Return a disk to boot from, as it was after the write with that number."""
    image = folder / "disk.img"
    with replaying(recording.disk.image, recording.record) as replay:
        replay.advance(number)
        replay.save(image)
    return overlay(image, folder / "disk.qcow2")


def works(machine: Machine, folder: str, picture: str) -> str:
    """Return the variant that the board runs, after it is verified there, and the service has answered a picture."""
    variant: str = json.loads(machine.run(f"cat {BASE}/current/release.json").stdout)["variant"]
    assert variant in machine.run(f"{WRAPPER} verify {BASE}/current/bundle --variant {variant}").stdout
    assert f"{variant} on ai-edge-litert" in workstation(machine, "status", "board")
    _wait_for(machine, "systemctl --user --quiet is-active mixer-edge && echo running || true", "running")
    machine.run(f"cp {BASE}/current/smoke.png {folder}/{picture}")
    _wait_for(machine, LABELS, f"/{folder}/{picture}")
    return variant


def _wait_for(machine: Machine, script: str, text: str) -> None:
    deadline = time.monotonic() + SERVICE_S
    while text not in (said := machine.run(script).stdout):
        assert time.monotonic() < deadline, said
        time.sleep(1)
