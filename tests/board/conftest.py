"""A recording of every write to a board's disk: a deploy, an upgrade, a rollback, a change of service, an undeploy."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from emulator.disk import Disk, pristine_disk
from emulator.host import HostError
from emulator.machine import Machine, booted, overlay
from emulator.root import cache_folder
from emulator.writes import read_writes
from tests.board.cuts import Phase
from tests.board.folders import CLASSIFY, Ready, tree
from tests.stand_in_boards import stand_in, use_stand_in_packages, use_stand_ins

from mixer_edge.cache import CACHE_VARIABLE

PHASES = ("first deploy", "upgrade", "rollback", "change of service", "undeploy")
WRITEBACK_S = 40
"""After so long a kernel has written everything: it writes what is older than 30 s, and looks every 5 s."""


@dataclass(frozen=True, kw_only=True)
class Recording:
    """The disk before the first write, the record, and the phases in their order."""

    disk: Disk
    record: Path
    phases: dict[str, Phase]


@pytest.fixture(scope="session")
def disk() -> Disk:
    """Return the disk of the board under test, or end the run with one line that says why there is none."""
    try:
        return pristine_disk(os.environ.get("MIXER_EDGE_BOARD", "pi5-bookworm"))
    except HostError as error:
        pytest.exit(str(error), returncode=1)


@pytest.fixture(scope="session", autouse=True)
def _kept_cache(_own_cache: None) -> Iterator[None]:
    """Packages for boards are downloaded once, not in every run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(cache_folder() / "cache"))
        yield


def command_line(machine: Machine, *arguments: str) -> list[str]:
    """Return a command of the workstation with the board."""
    return [sys.executable, "-m", "mixer_edge_export", *arguments, "--ssh-config", str(machine.ssh_config)]


def workstation(machine: Machine, *arguments: str) -> str:
    """Run a command of the workstation with the board and return its standard output; it must succeed."""
    done = subprocess.run(command_line(machine, *arguments), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def record(disk: Disk, bundle: Path, folder: Path) -> Recording:
    """Record the writes of every command that changes a board."""
    path = folder / "record"
    phases = {}
    commands = (
        ("deploy", str(bundle), "board", "--service", "watch:~/in"),
        ("deploy", str(bundle), "board", "--variant", "float16"),
        ("rollback", "board"),
        ("deploy", str(bundle), "board", "--service", "watch:~/other"),
        ("undeploy", "board"),
    )
    with booted(disk, overlay(disk.image, folder / "disk.qcow2"), record=path) as machine:
        machine.run("mkdir in other")
        for name, command in zip(PHASES, commands, strict=True):
            start = len(read_writes(path))
            workstation(machine, *command)
            success = len(read_writes(path))
            time.sleep(WRITEBACK_S)
            machine.run("sync")
            phases[name] = Phase(start=start, success=success, end=len(read_writes(path)))
    return Recording(disk=disk, record=path, phases=phases)


@pytest.fixture(scope="session")
def recording(disk: Disk, tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """The record of a first deploy, an upgrade, a rollback, a change of service and an undeploy, on one board."""
    return record(disk, tiny_bundle, tmp_path_factory.mktemp("recording"))


@pytest.fixture(scope="module")
def ready(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ready]:
    """The board after a first deploy of int8; the workstation has its packages."""
    folder = tmp_path_factory.mktemp("net")
    with pytest.MonkeyPatch.context() as patch:
        use_stand_ins(folder, patch)
        use_stand_in_packages(folder / "packages", patch)
        made = Ready(board=stand_in("pi"), bundle=tiny_bundle, kept=folder / "kept", names={}, trees={}, said={})
        for variant in ("int8", "float16"):
            command = made.command("deploy")
            subprocess.run([*command[:-1], variant], check=True, capture_output=True)
            name = str(made.board.current)
            made.names[variant], made.trees[name] = name, tree(made.board.base / "releases" / name)
            made.said[variant] = made.board.run(CLASSIFY)
            shutil.copytree(made.board.home, made.kept / variant, symlinks=True)
        yield made
