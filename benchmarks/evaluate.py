"""Throughput of the evaluation against a plain loop over the same interpreter, in turns in one run.

    python benchmarks/evaluate.py build/digits build/digits-images/held_out

The loop is what a script would do: one process, one picture after the other, every variant on each, nothing kept. The
evaluation does the same with its processes and records; their start counts. Beside the wall's time stands that of the
processors: on a machine that others use too, cores * loop / evaluation says what idle cores would give at best. Last
comes one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from mixer_edge.board import Board
from mixer_edge.bundle import Bundle
from mixer_edge.classifier import Classifier
from mixer_edge.dataset import Dataset, open_dataset
from mixer_edge.evaluate import Task, evaluate


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Seconds on the wall and of the processors, ended processes included."""

    wall: float
    cpu: float

    @classmethod
    def now(cls) -> Cost:
        """Return the time since any fixed moment."""
        times = os.times()
        return cls(wall=time.perf_counter(), cpu=sum(times[:4]))

    def since(self, start: Cost) -> Cost:
        """Return what passed between ``start`` and this."""
        return Cost(wall=self.wall - start.wall, cpu=self.cpu - start.cpu)


def plain_loop(task: Task, dataset: Dataset) -> Cost:
    """Return what a plain loop takes."""
    start = Cost.now()
    bundle = Bundle.open(task.bundle)
    classifiers = [Classifier(bundle, name, threads=1) for name in task.names]
    for image in dataset.images:
        for classifier in classifiers:
            classifier.output(classifier.tensor(image.path))
    return Cost.now().since(start)


def evaluation(task: Task, dataset: Dataset) -> Cost:
    """Return what the evaluation takes."""
    start = Cost.now()
    evaluate(task, dataset)
    return Cost.now().since(start)


def main() -> None:
    """Print the pictures per second of both, for each turn and in the middle."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--variants", default="float32,int8")
    parser.add_argument("--repeat", type=int, default=1, help="take every picture so often (default: %(default)s)")
    parser.add_argument("--turns", type=int, default=5)
    arguments = parser.parse_args()
    found = open_dataset(arguments.data, Bundle.open(arguments.bundle).labels)
    dataset = Dataset(folder=found.folder, layout=found.layout, images=found.images * arguments.repeat)
    task = Task(bundle=arguments.bundle, names=tuple(arguments.variants.split(",")))
    turns, cores = [], len(os.sched_getaffinity(0))
    for _ in range(arguments.turns):
        load = os.getloadavg()[0]
        loop, whole = plain_loop(task, dataset), evaluation(task, dataset)
        turn = {"ratio": loop.wall / whole.wall, "idle_cores_ratio": cores * loop.cpu / whole.cpu, "load": load}
        turns.append(turn)
        print(
            f"loop {loop.wall:.2f} s (processors {loop.cpu:.2f} s), evaluation {whole.wall:.2f} s ({whole.cpu:.2f} s): "
            f"{turn['ratio']:.2f} times, {turn['idle_cores_ratio']:.2f} on idle cores; load {load:.1f}",
            flush=True,
        )
    median = statistics.median(turn["ratio"] for turn in turns)
    facts = {"machine": str(Board.read()), "pictures": len(dataset.images), "median_ratio": median, "turns": turns}
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
