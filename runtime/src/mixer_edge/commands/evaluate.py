"""``mixer-edge evaluate``: the accuracy of a bundle's variants on this machine."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mixer_edge.board import Board
from mixer_edge.bundle import Bundle
from mixer_edge.commands import positive
from mixer_edge.dataset import open_dataset
from mixer_edge.errors import BundleError
from mixer_edge.evaluate import REFERENCE, Task, evaluate
from mixer_edge.interpreter import BACKENDS
from mixer_edge.scores import EvaluationReport, Score, score
from mixer_edge.strict_json import line


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its flags."""
    parser = commands.add_parser("evaluate", help="measure the accuracy of the variants on a folder of pictures")
    parser.set_defaults(run=run)
    parser.add_argument("bundle", type=Path, help="bundle folder, e.g. build/digits")
    parser.add_argument("data", type=Path, help="folder of pictures, preferably labelled: <label>/<picture>")
    parser.add_argument("--variants", help="comma-separated (default: all; float32 is always included)")
    parser.add_argument("--limit", type=positive, help="use at most this many pictures, spread evenly (default: all)")
    parser.add_argument("--backend", choices=["auto", *BACKENDS], default="auto", help="(default: %(default)s)")
    parser.add_argument("--workers", type=positive, help="processes (default: one per core, fewer if memory is short)")
    parser.add_argument("--journal", type=Path, help="file of finished records (default: in the user's cache)")
    parser.add_argument("--json", action="store_true", help="print everything as one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Print the table; 1 if some pictures could not be read."""
    bundle = Bundle.open(arguments.bundle)
    if bundle.manifest.source.weights == "random":
        raise BundleError(f"{arguments.bundle}: random weights, there is no accuracy to measure")
    wanted = arguments.variants.split(",") if arguments.variants else [spec.name for spec in bundle.manifest.variants]
    names = (REFERENCE, *(bundle.manifest.variant(name.strip()).name for name in wanted if name.strip() != REFERENCE))
    dataset = open_dataset(arguments.data, bundle.labels).limited(arguments.limit)
    task = Task(bundle=arguments.bundle, names=names, backend=arguments.backend)
    result = evaluate(task, dataset, workers=arguments.workers, journal=arguments.journal, resume=True)
    scores = [score(result, name, bundle.label) for name in names]
    if arguments.json:
        report = EvaluationReport(
            bundle_fingerprint=bundle.manifest.fingerprint(),
            data_fingerprint=result.data_fingerprint(),
            layout=dataset.layout,
            machine=str(Board.read()),
            scores=tuple(scores),
            unreadable=result.unreadable,
        )
        print(line(report))
    else:
        print(_table(scores, labelled=dataset.labelled))
    for reason in result.unreadable:
        print(f"error: {reason}", file=sys.stderr)
    return 1 if result.unreadable else 0


def _table(scores: list[Score], *, labelled: bool) -> str:
    lines = [f"{'variant':<16}{'top-1':>8}  {'95 % interval':<18}{'top-5':>8}{'changed':>9}"]
    lines[0] += f"{'none of these':>15}" if scores[0].refused else ""
    for row in scores:
        accuracy = f"{'-':>8}  {'-':<18}{'-':>8}"
        if row.top1 is not None and row.top5 is not None:
            low, high = row.top1.interval
            accuracy = f"{row.top1.share:>8.2%}  {f'{low:.2%} to {high:.2%}':<18}{row.top5.share:>8.2%}"
        refused = f"{row.refused.share:>15.2%}" if row.refused else ""
        lines.append(f"{row.name:<16}{accuracy}{row.changed:>9}{refused}")
    note = "" if labelled else "; not labelled, so agreement only"
    note += "; none of these: refused pictures, whose nearest class counts" if scores[0].refused else ""
    lines.append(f"{scores[0].pictures} pictures; changed: predictions that differ from {scores[0].name}'s{note}.")
    return "\n".join(lines)
