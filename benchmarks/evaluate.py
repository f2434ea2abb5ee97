"""Throughput of the evaluation compared with a plain loop over the same interpreter, alternating in one run.

    python -m benchmarks.evaluate build/digits build/digits-images/held_out

The loop is a simple script: one process, one picture after the other, every variant on each, no records. The evaluation
does the same with its processes and records, including their start. It runs with one process, two, and so on, up to the
number of cores. The last line of the output is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from benchmarks.measure import in_turns, seconds, spreads

from mixer_edge.bundle import Bundle
from mixer_edge.classifier import Classifier
from mixer_edge.dataset import Dataset, open_dataset
from mixer_edge.evaluate import Task, evaluate

LOOP = "plain loop"


def plain_loop(task: Task, dataset: Dataset) -> None:
    """Run every variant on every picture, one after the other."""
    bundle = Bundle.open(task.bundle)
    classifiers = [Classifier(bundle, name, threads=1) for name in task.names]
    for image in dataset.images:
        for classifier in classifiers:
            classifier.output(classifier.tensor(image.path))


def throughput(
    bundle: Path, data: Path, *, turns: int, repeat: int = 1, names: tuple[str, ...] = ("float32", "int8")
) -> dict[str, Any]:
    """Return the wall times of the loop and of the evaluation with 1 to all cores, and their ratios to the loop's.

    Args:
        bundle: the model.
        data: folder of pictures.
        turns: how often everything is run.
        repeat: how often every picture is taken.
        names: the variants.
    """
    found = open_dataset(data, Bundle.open(bundle).labels)
    dataset = Dataset(folder=found.folder, layout=found.layout, images=found.images * repeat)
    task = Task(bundle=bundle, names=names)

    calls = {LOOP: lambda: seconds(lambda: plain_loop(task, dataset))}
    for count in range(1, len(os.sched_getaffinity(0)) + 1):
        calls[f"evaluation, {count} process{'es' if count > 1 else ''}"] = lambda count=count: seconds(
            lambda: evaluate(task, dataset, workers=count)
        )
    print(f"evaluation of {len(dataset.images)} pictures", file=sys.stderr)
    return {"pictures": len(dataset.images), "rows": spreads(in_turns(calls, turns), LOOP, "wall_s")}


def main() -> None:
    """Print the seconds and ratios, and the same as JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--variants", default="float32,int8")
    parser.add_argument("--repeat", type=int, default=1, help="take every picture so often (default: %(default)s)")
    parser.add_argument("--turns", type=int, default=5)
    arguments = parser.parse_args()
    names = tuple(arguments.variants.split(","))
    figures = throughput(arguments.bundle, arguments.data, turns=arguments.turns, repeat=arguments.repeat, names=names)
    for name, row in figures["rows"].items():
        ratio = {key: 1 / value for key, value in row["ratio"].items()}
        print(f"{name:24} {row['wall_s']['median']:8.2f} s  {ratio['median']:.2f} times the loop's throughput")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
