"""A whole board in trouble: a second user, another name, little memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from emulator.machine import Machine, booted
from tests.board.conftest import Recording, workstation
from tests.board.folders import CLASSIFY
from tests.board.running import image_of, works

LEFT_MIB = 128
# Files in memory, which cannot go anywhere else: there is no swap.
FILL = f"""
mount -o remount,size=95% /dev/shm
available=$(awk '/^MemAvailable/ {{ print int($2 / 1024) }}' /proc/meminfo)
head -c $((available - {LEFT_MIB}))M /dev/zero > /dev/shm/full
"""


@pytest.fixture(scope="module")
def machine(recording: Recording, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A board with int8 in use and a service, shared by the tests in their order."""
    image = image_of(recording, recording.phases["undeploy"].start, tmp_path_factory.mktemp("trouble"))
    with booted(recording.disk, image) as machine:
        yield machine


def test_a_second_user(machine: Machine, tiny_bundle: Path) -> None:
    """Each has releases and a command of their own; an undeploy of one leaves the other's."""
    machine.run("useradd --create-home second", user="root")
    before = machine.run(CLASSIFY).stdout
    workstation(machine, "deploy", str(tiny_bundle), "second@board")
    assert machine.run(CLASSIFY, user="second").stdout == before
    workstation(machine, "undeploy", "second@board")
    assert machine.run("find .local -type f", user="second").stdout == ""
    assert machine.run(CLASSIFY).stdout == before


def test_another_name_and_little_memory(machine: Machine, tiny_bundle: Path) -> None:
    """With 128 MiB left, an upgrade succeeds and its release classifies; nothing depends on the board's name."""
    machine.run(f"hostname another && {FILL}", user="root")
    workstation(machine, "deploy", str(tiny_bundle), "board", "--variant", "int8-dynamic")
    assert works(machine, "other", "another.png") == "int8-dynamic"
    assert machine.run("hostname; ls /dev/shm").stdout == "another\nfull\n"
