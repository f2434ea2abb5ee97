"""What ends meanwhile: workers, the scheduler, the client, pictures. The result stays that of one machine."""

from __future__ import annotations

import json
import shutil
import signal
from dataclasses import replace
from pathlib import Path

from tests.cluster.clusters import Command, Machines, wait_until

Local = tuple[list[bytes], str]


def test_a_worker_is_killed_in_the_middle(cluster: Machines, command: Command, local: Local) -> None:
    """The other one does its pictures; one line says which is gone."""
    killed, _ = (cluster.worker().registered() for _ in range(2))
    program = command.start("--cluster", cluster.address)
    command.until_done(0.3)
    killed.program.kill()
    said = command.end(program)
    assert f"worker {killed.address} is gone\n" in said
    assert command.result() == local


def test_all_workers_are_killed_and_one_comes(cluster: Machines, command: Command, local: Local) -> None:
    """The run waits, says what to start, and goes on with the new one."""
    workers = [cluster.worker().registered() for _ in range(2)]
    program = command.start("--cluster", cluster.address)
    command.until_done(0.3)
    for worker in workers:
        worker.program.kill()
    line = f"no worker is there, waiting for one; start it with: dask worker {cluster.address}\n"
    wait_until(lambda: line in program.log.read_text(), line)
    assert len(command.records()) < 2000
    cluster.worker()
    command.end(program)
    assert command.result() == local


def test_the_scheduler_is_killed(cluster: Machines, command: Command, local: Local) -> None:
    """One line and exit code 2; with another scheduler and another worker, the repeated command goes on."""
    cluster.worker().registered()
    program = command.start("--cluster", cluster.address)
    command.until_done(0.3)
    cluster.programs[0].kill()
    said = command.end(program, code=2)
    before = len(command.records())
    assert said.splitlines()[1:] == [
        f"error: {cluster.address}: the scheduler is gone; what is done is kept; start a scheduler and workers, and "
        "repeat the command: it continues"
    ]
    for program in cluster.programs:
        program.kill()
    cluster.scheduler()
    cluster.worker().registered()
    assert f"continuing: {before} of 2000 pictures are already done\n" in command.run("--cluster", cluster.address)
    assert command.result() == local


def test_no_scheduler_answers(cluster: Machines, command: Command) -> None:
    """An address where nothing listens, and files that no scheduler has written."""
    cluster.programs[0].kill()
    said = command.run("--cluster", cluster.address, code=2)
    assert said.startswith(f"error: {cluster.address}: no scheduler answers (Timed out trying to connect to ")
    assert said.endswith("); start one with: dask scheduler\n")
    assert said.count("\n") == 1
    path = command.folder / "scheduler.json"
    expected = "expected an address like tcp://scheduler:8786, or the file of dask scheduler --scheduler-file"
    said = command.run("--cluster", str(path), code=2)
    assert said == f"error: {path}: cannot be read (No such file or directory); {expected}\n"
    path.write_text("{}")
    said = command.run("--cluster", str(path), code=2)
    assert said == f"error: {path}: cannot be read (not written by a scheduler: KeyError('address')); {expected}\n"


def test_the_client_is_killed_and_repeated(cluster: Machines, command: Command, local: Local) -> None:
    """The workers are free at once, and have the bundle: it is not sent again."""
    worker = cluster.worker().registered()
    file = command.folder / "scheduler.json"
    file.write_text(json.dumps({"address": cluster.address}))
    program = command.start("--cluster", str(file))
    command.until_done(0.3)
    program.kill()
    before = len(command.records())
    said = command.run("--cluster", str(file))
    assert f"continuing: {before} of 2000 pictures are already done\n" in said
    assert command.result() == local
    log = worker.program.log.read_text()
    assert log.count("Run out-of-band function 'hold'") == 2
    assert log.count("Run out-of-band function 'receive'") == 6


def test_a_picture_is_deleted_meanwhile(cluster: Machines, command: Command, data: Path) -> None:
    """It is listed as on one machine, everything else is done, and the exit code is 1."""
    folder = shutil.copytree(data, command.folder / "data")
    command = replace(command, data=folder)
    cluster.worker().registered()
    program = command.start("--cluster", cluster.address)
    command.until_done(0.2)
    deleted = sorted(folder.glob("*/*"))[-2]
    deleted.unlink()
    said = command.end(program, code=1)
    assert said.endswith(f"error: {deleted}: no such file\n")
    assert len(command.records()) == 1999


def test_a_slow_worker_does_not_hold_up_the_end(cluster: Machines, command: Command, local: Local) -> None:
    """One worker is stopped in the middle and stays so: the other one does what it has, too."""
    slow, _ = (cluster.worker().registered() for _ in range(2))
    program = command.start("--cluster", cluster.address)
    command.until_done(0.3)
    slow.program.kill(signal.SIGSTOP)
    command.end(program)
    assert command.result() == local
