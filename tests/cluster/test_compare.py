"""The comparison on a cluster: the records and the report of one machine."""

from __future__ import annotations

import re
import signal

from tests.cluster.clusters import Command, Machines


def test_the_result_is_that_of_one_machine(cluster: Machines, command: Command, local: tuple[list[bytes], str]) -> None:
    """Two workers: all records bit for bit, the same report, and one line for each worker."""
    workers = sorted(cluster.worker().registered().address for _ in range(2))
    said = command.run("--cluster", cluster.address)
    assert command.result() == local
    first, *lines = [line for line in said.splitlines() if re.match("cluster|worker", line)]
    assert re.fullmatch(rf"cluster: {cluster.address}, dashboard http://127\.0\.0\.1:\d+/status", first)
    found = [re.fullmatch(r"worker (\S+): (\d+) pictures, [\d.]+/s each thread", line) for line in lines]
    assert [match and match[1] for match in found] == workers
    assert sum(int(match[2]) for match in found if match) >= 1992


def test_a_run_goes_on_in_another_mode(cluster: Machines, command: Command, local: tuple[list[bytes], str]) -> None:
    """Begun on this machine and killed, continued on the cluster and killed, ended here: as in one go."""
    cluster.worker().registered()
    for share, arguments in ((0.2, ()), (0.6, ("--cluster", cluster.address))):
        program = command.start(*arguments)
        command.until_done(share)
        program.kill(signal.SIGKILL)
    before = len(command.records())
    said = command.run()
    assert f"continuing: {before} of 2000 pictures are already done\n" in said
    assert before < 2000
    assert command.result() == local
