"""Throughput of the evaluation against a plain loop over the same interpreter, in turns in one run.

    python benchmarks/evaluate.py build/digits build/digits-images/held_out

The loop is what a script would do: one process, one picture after the other, every variant on each, nothing kept. The
evaluation does the same with its processes, records and statistics; its processes' start counts. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from pathlib import Path

from mixer_edge.board import Board
from mixer_edge.bundle import Bundle
from mixer_edge.classifier import Classifier
from mixer_edge.dataset import Dataset, open_dataset
from mixer_edge.evaluate import Task, evaluate


def plain_loop(task: Task, dataset: Dataset) -> float:
    """Return the seconds that a plain loop takes."""
    start = time.perf_counter()
    bundle = Bundle.open(task.bundle)
    classifiers = [Classifier(bundle, name, threads=1) for name in task.names]
    for image in dataset.images:
        for classifier in classifiers:
            classifier.output(classifier.tensor(image.path))
    return time.perf_counter() - start


def evaluation(task: Task, dataset: Dataset) -> float:
    """Return the seconds that the evaluation takes."""
    start = time.perf_counter()
    evaluate(task, dataset)
    return time.perf_counter() - start


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
    turns = []
    for _ in range(arguments.turns):
        load = os.getloadavg()[0]
        loop, whole = plain_loop(task, dataset), evaluation(task, dataset)
        turns.append({"loop_s": loop, "evaluation_s": whole, "ratio": loop / whole, "load": load})
        print(f"loop {loop:.2f} s, evaluation {whole:.2f} s: {loop / whole:.2f} times, load {load:.1f}", flush=True)
    median = statistics.median(turn["ratio"] for turn in turns)
    facts = {"machine": str(Board.read()), "pictures": len(dataset.images), "median_ratio": median, "turns": turns}
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
