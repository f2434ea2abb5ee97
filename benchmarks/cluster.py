"""The same evaluation in a plain loop, in our processes, and on a cluster; and what a very large one would take.

    python -m benchmarks.cluster [--parts speed check]

writes ``docs/scale.json``, the tables of ``docs/scale.md``, and its plot. Everything is on this machine, with the
bundled model: the scheduler and the client share its processors with two workers of one thread. The parts:

- ``speed``: the wall time of a plain loop, of two processes and of two workers, in turns;
- ``check``: three runs of different size. The costs of a picture come from the two smaller ones, and the simulation
  must foretell the largest, of more than 50,000 evaluations. The bytes to and from the scheduler are counted.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import results
from benchmarks.cluster_client import run as run_here
from benchmarks.cluster_machines import Counter, Machines, cpu_s, machines
from benchmarks.cluster_page import page, plot, verdicts
from benchmarks.cluster_simulation import fit, simulate
from benchmarks.evaluate import LOOP, plain_loop
from benchmarks.measure import in_turns, machine, run, seconds, spreads
from benchmarks.page import DOCS, replace_part

from mixer_edge.bundle import Bundle
from mixer_edge.cluster.worker import versions
from mixer_edge.dataset import open_dataset
from mixer_edge.decode import read_picture
from mixer_edge.evaluate import Task, evaluate
from mixer_edge_export.cluster.connection import Connection
from mixer_edge_export.digits.images import split_folder
from mixer_edge_export.pipeline import export

PARTS = ("speed", "check")
MARK = "<!-- written by benchmarks.cluster -->"
PROCESSES, WORKERS = "two processes", "two workers"
TASKS = 2000
SIZES = (1, 4, 16)
"""How often the 815 held-out pictures are taken in the runs of ``check``: the last is 78,240 evaluations."""


def repeated(data: Path, times: int, folder: Path) -> Path:
    """Return a folder with every picture so many times, each a little darker than the one before."""
    target = folder / f"pictures-{times}"
    for path in data.glob("*/*"):
        pixels = read_picture(path, background=(255, 255, 255)).rgb
        (target / path.parent.name).mkdir(parents=True, exist_ok=True)
        for number in range(times):
            copy = target / path.parent.name / f"{path.stem}-{number:02}.png"
            pixels.point(lambda value, number=number: value * (100 - number) // 100).save(copy)
    return target


def speed(bundle: Path, data: Path, found: Machines, turns: int) -> dict[str, Any]:
    """Return the wall times of all variants on all pictures, and their ratios to the plain loop's."""
    task, dataset = _task(bundle), open_dataset(data, Bundle.open(bundle).labels)
    calls = {
        LOOP: lambda: seconds(lambda: plain_loop(task, dataset)),
        PROCESSES: lambda: seconds(lambda: evaluate(task, dataset, workers=2)),
        WORKERS: lambda: seconds(lambda: run_here(found.address, bundle, data)),
    }
    values = in_turns(calls, turns)
    return {"pictures": len(dataset.images), "variants": len(task.names), "rows": spreads(values, LOOP, "wall_s")} | {
        "to_processes": spreads(values, PROCESSES, "wall_s")[WORKERS]["ratio"]
    }


def _task(bundle: Path) -> Task:
    manifest = Bundle.open(bundle).manifest
    return Task(bundle=bundle, names=tuple(variant.name for variant in manifest.variants))


def measured(found: Machines, bundle: Path, data: Path) -> dict[str, Any]:
    """Return the figures of a run in a process of its own, with the scheduler's processor time and the bytes."""
    before, counter = cpu_s(found.scheduler), Counter(int(found.address.rsplit(":", 1)[1]))
    command = [sys.executable, "-m", "benchmarks.cluster_client", f"tcp://127.0.0.1:{counter.port}"]
    facts: dict[str, Any] = json.loads(run(*command, bundle, data).splitlines()[-1])
    counter.close()
    facts |= {"threads": len(found.workers), "scheduler_cpu_s": cpu_s(found.scheduler) - before}
    return facts | {"sent_bytes": counter.sent, "received_bytes": counter.received}


def tasks(found: Machines) -> dict[str, float]:
    """Return how many small tasks a second go through the scheduler, and what each takes of its processor time."""
    connection = Connection(found.address)
    (worker, *_), done = connection.workers(), queue.SimpleQueue[Any]()
    connection.call(worker, versions, "auto", gone=lambda: False)
    before, start = cpu_s(found.scheduler), time.perf_counter()
    futures = [connection.submit(worker, done.put, versions, "auto") for _ in range(TASKS)]
    for _ in futures:
        done.get()
    facts = {"per_second": TASKS / (time.perf_counter() - start), "cpu_s": (cpu_s(found.scheduler) - before) / TASKS}
    connection.close()
    return facts


def check(bundle: Path, data: Path, found: Machines, work: Path, sizes: tuple[int, ...]) -> dict[str, Any]:
    """Return the measured runs, the costs of the smaller ones, and what the simulation says of the largest."""
    folders = [repeated(data, times, work) for times in sizes]
    # the first run does not count: the bundle is sent, once
    _, *runs = [measured(found, bundle, folder) for folder in (folders[0], *folders)]
    more = runs[1]["pictures"] - runs[0]["pictures"]
    up, down = ((runs[1][key] - runs[0][key]) / more for key in ("sent_bytes", "received_bytes"))
    small = tasks(found)
    costs = fit(runs[0], runs[1], up + down, small["cpu_s"])
    return {
        "tasks": small,
        "bundle_bytes": sum((bundle / name).stat().st_size for name in _task(bundle).files),
        "runs": runs,
        "sent_bytes": up,
        "received_bytes": down,
        "costs": asdict(costs),
        "foretold": asdict(simulate(runs[-1]["pictures"], len(found.workers), costs)),
    }


def main() -> int:
    """Measure, and write the results, the tables and the plot; 3 if a bound is not kept."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cluster", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS, help="default: all; none: tables alone")
    parser.add_argument("--quick", action="store_true", help="fewer turns, and runs of a quarter of the size")
    parser.add_argument("--work", type=Path, default=Path("build/benchmark"), help="default: %(default)s")
    parser.add_argument("--json", type=Path, help="default: docs/scale.json; with --quick, in the work folder")
    arguments = parser.parse_args()
    whole, work = DOCS / "scale.json", arguments.work.resolve()
    target = arguments.json or (work / "scale.json" if arguments.quick else whole)
    found = results.read(target)
    if arguments.parts:
        bundle = work / "digits"
        export("digits", bundle, overwrite=True)
        data = split_folder(bundle, "held_out")
        with tempfile.TemporaryDirectory(dir=work) as folder, machines(Path(folder), 2) as there:
            turns, sizes = (1, (1, 2, 4)) if arguments.quick else (5, SIZES)
            for part in arguments.parts:
                facts = machine()
                if part == "speed":
                    figures = speed(bundle, repeated(data, sizes[1], Path(folder)), there, turns)
                else:
                    figures = check(bundle, data, there, Path(folder), sizes)
                found[part] = {"machine": facts, "quick": arguments.quick, "figures": figures}
                results.write(target, found)
    if target == whole:
        replace_part(DOCS / "scale.md", MARK, page(found))
        if "check" in found:
            (DOCS / "scale.svg").write_text(plot(found))
    print(page(found), end="")
    return 0 if all(kept for *_, kept in verdicts(found)) else 3


if __name__ == "__main__":
    os.environ.setdefault("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    sys.exit(main())
