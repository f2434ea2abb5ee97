"""``mixer-edge-export compare``: compare the variants of a bundle and recommend one."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from mixer_edge.commands import positive
from mixer_edge.errors import DataError
from mixer_edge.manifest import Manifest
from mixer_edge_export.commands import names, points
from mixer_edge_export.commands.boards import FAILED, add_ssh
from mixer_edge_export.commands.cluster import add_cluster, open_engine, read_place

if TYPE_CHECKING:
    from mixer_edge_export.comparison import Comparison
    from mixer_edge_export.comparison.elsewhere import Elsewhere

BOUND_EXCEEDED = 3


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its flags."""
    parser = commands.add_parser("compare", help="compare the variants of a bundle and recommend one")
    parser.set_defaults(run=run)
    parser.add_argument("bundle", type=Path, help="bundle folder, e.g. build/digits")
    parser.add_argument(
        "--data",
        type=read_place,
        help="folder of pictures, preferably labelled: <label>/<picture> (default: the model's own); with --cluster "
        "also an address like s3://bucket/pictures",
    )
    parser.add_argument("--variants", type=names, help="default: all of the bundle's")
    parser.add_argument(
        "--reference",
        choices=["float32", "source"],
        default="float32",
        help="what to compare with: the float32 file, or the source model in TensorFlow (default: %(default)s)",
    )
    parser.add_argument(
        "--source", help="the source model, as in export --model (default: its location at the time of export)"
    )
    parser.add_argument(
        "--max-drop",
        type=points,
        metavar="POINTS",
        help="exit with code 3 unless every variant's top-1 is shown to drop by at most this many points",
    )
    parser.add_argument("--limit", type=positive, help="use at most this many pictures, spread evenly (default: all)")
    parser.add_argument("--workers", type=positive, help="processes (default: one per core, fewer if memory is short)")
    add_cluster(parser)
    parser.add_argument(
        "--on",
        action="append",
        metavar="HOST",
        help="compare with a board where the bundle is deployed: name or user@name; repeat for each board",
    )
    add_ssh(parser)
    parser.add_argument("--report", type=Path, metavar="DIR", help="write report.html, .md, .csv and .json there")
    parser.add_argument("--sensitivity", type=Path, help="output of sensitivity --json, to show in the report")
    parser.add_argument("--json", action="store_true", help="print everything as JSON, as in report.json")


def run(arguments: argparse.Namespace) -> int:
    """Print the comparison; 3 if the bound is not kept, 1 if some pictures could not be read or a board failed."""
    from mixer_edge_export.comparison import Effort, Reference, compare
    from mixer_edge_export.comparison.boards import Boards

    boards = None
    if arguments.on:
        boards = Boards(hosts=arguments.on, config=arguments.ssh_config, identity=arguments.identity)

    data, elsewhere = arguments.data, None
    if isinstance(data, str):
        elsewhere = _elsewhere(arguments, data)
        data, arguments.data_there = elsewhere.folder, data
    data = data or own_pictures(Manifest.read(arguments.bundle), arguments.bundle)
    with open_engine(arguments, data) as engine:
        comparison = compare(
            arguments.bundle,
            data,
            variants=arguments.variants,
            reference=Reference(name=arguments.reference, source=arguments.source),
            max_drop=arguments.max_drop,
            effort=Effort(limit=arguments.limit, workers=arguments.workers, resume=True, engine=engine),
            boards=boards,
            elsewhere=elsewhere,
        )
    if arguments.report is not None:
        from mixer_edge_export.report import write_report
        from mixer_edge_export.training.links import pictures_folder

        trained = pictures_folder(arguments.bundle)
        page = write_report(comparison, data, arguments.report, arguments.sensitivity, trained)
        print(f"report: {page}", file=sys.stderr)
    code = print_comparison(comparison, as_json=arguments.json, verdicts=True)
    if any(board.error is not None for board in comparison.boards):
        code = FAILED
    return code if comparison.holds else BOUND_EXCEEDED


def _elsewhere(arguments: argparse.Namespace, address: str) -> Elsewhere:
    """Return the pictures at an address.

    Raises:
        DataError: another flag needs them on this machine, or they cannot be listed.
    """
    if arguments.cluster is None:
        raise DataError(f"--data {address}: only the workers of a cluster read an address; add --cluster, or copy it")
    for flag, given in (
        ("--data-there", arguments.data_there is not None),
        ("--on", arguments.on),
        ("--reference source", arguments.reference == "source"),
    ):
        if given:
            raise DataError(f"--data {address}: {flag} needs a folder of this machine; copy the pictures, or omit it")
    from mixer_edge_export.cluster import mirror

    return mirror(address)


def own_pictures(manifest: Manifest, bundle: Path) -> Path | None:
    """Return the held-out pictures of the bundled model or of a trained one; None for other models.

    Raises:
        DataError: the links to a trained model's held-out pictures are not beside the bundle any more.
    """
    from mixer_edge_export.digits.images import split_folder
    from mixer_edge_export.training.links import HELD_OUT, pictures_folder

    if manifest.training is not None:
        folder = pictures_folder(bundle) / HELD_OUT
        if not folder.is_dir():
            raise DataError(f"{folder}: the pictures held out are not there any more; train again, or add --data")
        return folder
    if manifest.source.kind == "bundled" and manifest.task == "classification":
        return split_folder(bundle, "held_out")
    return None


def print_comparison(comparison: Comparison, *, as_json: bool, verdicts: bool = False) -> int:
    """Print the table, with the verdicts if wanted, or its JSON, and the unreadable pictures; return the exit code."""
    from mixer_edge_export.comparison import format_report, format_table

    if as_json:
        print(json.dumps(asdict(comparison)))
    else:
        print(format_report(comparison) if verdicts else format_table(comparison))
    for line in comparison.unreadable:
        print(f"error: {line}", file=sys.stderr)
    return 1 if comparison.unreadable else 0
