"""The comparison on a cluster: the records and the report of one machine."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import numpy as np
from tests.cluster.clusters import Command, Machines

from mixer_edge.bundle import Bundle
from mixer_edge.dataset import open_dataset
from mixer_edge.evaluate import SOURCE, Task, evaluate
from mixer_edge_export.cluster import open_cluster
from mixer_edge_export.comparison.run import Cost, summarize
from mixer_edge_export.report import write_report


def test_the_result_is_that_of_one_machine(cluster: Machines, command: Command, local: tuple[list[bytes], str]) -> None:
    """Two workers: all records bit for bit, the same report, and one line for each worker."""
    workers = sorted(cluster.worker().registered().address for _ in range(2))
    said = command.run("--cluster", cluster.address)
    assert command.result() == local
    first, *lines = [line for line in said.splitlines() if re.match("cluster|worker", line)]
    assert re.fullmatch(rf"cluster: {cluster.address}, dashboard http://127\.0\.0\.1:\d+/status", first)
    found = [re.fullmatch(r"worker (\S+): ([\d,]+) pictures, [\d.]+/s each thread", line) for line in lines]
    assert [match and match[1] for match in found] == workers
    assert sum(int(match[2].replace(",", "")) for match in found if match) >= 1992


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


def test_the_report_is_equal_byte_for_byte(cluster: Machines, command: Command, tmp_path: Path) -> None:
    """With the same latencies, every file of the report; and with the source model as the reference."""
    bundle = Bundle.open(command.bundle)
    dataset = open_dataset(command.data, bundle.labels).limited(200)
    logits = np.random.default_rng(0).normal(0, 3, (200, 10)).astype(np.float32)
    np.save(tmp_path / "logits.npy", logits)
    task = Task(bundle=bundle.folder, names=(SOURCE, "float32", "int8"), source_outputs=tmp_path / "logits.npy")
    for _ in range(2):
        cluster.worker().registered()
    with open_cluster(cluster.address, command.data, None) as engine:
        found = {"cluster": evaluate(task, dataset, engine=engine), "local": evaluate(task, dataset, workers=1)}
    np.testing.assert_array_equal(found["cluster"].records, found["local"].records)
    costs = {name: Cost(latency_ms=1.0, photo_to_label_ms=2.0) for name in ("float32", "int8")}
    for name, evaluation in found.items():
        write_report(summarize(bundle, evaluation, costs, 1.0), command.data, tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "local").iterdir())
    assert files == ["report.csv", "report.html", "report.json", "report.md"]
    for file in files:
        assert (tmp_path / "cluster" / file).read_bytes() == (tmp_path / "local" / file).read_bytes()
