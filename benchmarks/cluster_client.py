"""One evaluation on a cluster in a process of its own: ``python -m benchmarks.cluster_client ADDRESS BUNDLE DATA``.

It prints what this process and the workers took, as JSON. Everything is evaluated again: there is no journal of before.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mixer_edge.bundle import Bundle
from mixer_edge.dataset import open_dataset
from mixer_edge.evaluate import Task, evaluate
from mixer_edge_export.cluster import sample
from mixer_edge_export.cluster.addresses import Places
from mixer_edge_export.cluster.connection import Connection
from mixer_edge_export.cluster.engine import Cluster


class Counting(Connection):
    """A connection that counts the batches."""

    batches = 0

    def submit(self, worker: str, done: Callable[[Any], None], function: Callable[..., Any], *arguments: Any) -> Any:
        """Count a batch."""
        self.batches += 1
        return super().submit(worker, done, function, *arguments)


class Rates(logging.Handler):
    """Keeps what is logged of each worker."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[int, float]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the pictures and the rate."""
        if isinstance(record.args, tuple) and len(record.args) == 3:
            self.found.append((int(str(record.args[1]).replace(",", "")), float(record.args[2])))


def run(address: str, bundle: Path, data: Path) -> dict[str, Any]:
    """Return the figures of an evaluation of all variants."""
    rates, log = Rates(), logging.getLogger("mixer_edge_export.cluster.fleet")
    log.addHandler(rates)
    log.setLevel(logging.INFO)
    start, cpu = time.perf_counter(), time.process_time()
    opened = Bundle.open(bundle)
    names = tuple(variant.name for variant in opened.manifest.variants)
    dataset = open_dataset(data, opened.labels)
    connection = Counting(address)
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder) / "journal"
        engine = Cluster(connection, Places(here=data))
        found = evaluate(Task(bundle=bundle, names=names), dataset, engine=engine, journal=journal, resume=True)
        size = journal.stat().st_size
    connection.close()
    # ru_maxrss would be that of the process that started this one, if it was larger
    peak = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    assert peak
    return {
        "pictures": len(found.records),
        "variants": len(names),
        "wall_s": time.perf_counter() - start,
        "client_cpu_s": time.process_time() - cpu,
        "client_peak_mib": int(peak[1]) / 1024,
        "journal_bytes": size,
        "batches": connection.batches,
        "worker_s": sum(pictures / rate for pictures, rate in rates.found) / sum(count for count, _ in rates.found),
    }


if __name__ == "__main__":
    sample.SHARE = 0.0  # what takes a share of the time, whatever there is to do, is no cost of a picture
    print(json.dumps(run(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))))
