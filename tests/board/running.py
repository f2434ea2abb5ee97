"""What a whole board does: the disk it starts from, and whether its release and its service work."""

from __future__ import annotations

import json
import time
from pathlib import Path

from emulator.machine import Machine, overlay
from emulator.writes import replaying
from tests.board.conftest import Recording, workstation

from mixer_edge_export.deploy.layout import BASE, WRAPPER

LABELS = "journalctl --user-unit mixer-edge --output cat"
SERVICE_S = 300
"""How long a service may take to start, or to answer a picture, on a busy host."""


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
    wait_for(machine, "systemctl --user --quiet is-active mixer-edge && echo running || true", "running")
    machine.run(f"cp {BASE}/current/smoke.png {folder}/{picture}")
    wait_for(machine, LABELS, f"/{folder}/{picture}")
    return variant


def wait_for(machine: Machine, script: str, text: str) -> None:
    """Run a script on the board until it prints this text."""
    deadline = time.monotonic() + SERVICE_S
    while text not in (said := machine.run(script).stdout):
        assert time.monotonic() < deadline, said
        time.sleep(1)
