"""``mixer-edge-export train``: train a head for the user's own classes and export the bundle."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mixer_edge.commands import positive
from mixer_edge.confidence import REFUSED
from mixer_edge.errors import DataError
from mixer_edge.preprocess import Preprocessing
from mixer_edge_export.commands import add_preprocessing, names
from mixer_edge_export.commands.cluster import add_cluster, open_engine
from mixer_edge_export.commands.compare import own_pictures, print_comparison
from mixer_edge_export.quantize.variants import VARIANTS
from mixer_edge_export.training.options import EXTRACTOR, HeldOut


def share(text: str) -> float:
    """Return ``text`` as a share, at least 0 and below 1, for argparse."""
    if not 0 <= (value := float(text)) < 1:
        raise ValueError(text)
    return value


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its flags."""
    parser = commands.add_parser(
        "train",
        help="train a head for your own classes and write the bundle",
        description="Train a head for your own classes on a feature extractor; write the bundle and a report. A part "
        "of the pictures is held out, and the accuracy is measured on it.",
    )
    parser.set_defaults(run=run)
    parser.add_argument("data", type=Path, help="your pictures, as <class>/<picture> or with a table in CSV")
    parser.add_argument("--model", default=EXTRACTOR, help="feature extractor (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="bundle folder to write, e.g. build/mine")
    parser.add_argument(
        "--held-out",
        default=str(HeldOut.share),
        metavar="SHARE|DIR",
        help="share of the pictures that is never trained on, or a folder of such pictures (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, default=HeldOut.seed, help="decides which pictures are held out (default: %(default)s)"
    )
    parser.add_argument(
        "--refused",
        type=share,
        default=REFUSED,
        metavar="SHARE",
        help='share of pictures of your classes for which "none of these" is accepted as the answer; 0 for no such '
        "answer (default: %(default)s)",
    )
    parser.add_argument("--variants", type=names, default=list(VARIANTS), help=f"default: {','.join(VARIANTS)}")
    add_preprocessing(parser)
    parser.add_argument("--workers", type=positive, help="processes (default: one per core, fewer if memory is short)")
    add_cluster(parser)
    parser.add_argument("--report", type=Path, metavar="DIR", help="folder of the report (default: OUT-report)")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing bundle")
    parser.add_argument("--json", action="store_true", help="print everything as JSON, as in report.json")


def run(arguments: argparse.Namespace) -> int:
    """Train, write bundle and report, and print the figures; 1 if some pictures could not be read."""
    from mixer_edge_export.comparison import compare
    from mixer_edge_export.report import write_report
    from mixer_edge_export.training.links import pictures_folder
    from mixer_edge_export.training.summary import format_training
    from mixer_edge_export.training.train import train

    with open_engine(arguments, arguments.data) as engine:
        manifest = train(
            arguments.data,
            arguments.out,
            model=arguments.model,
            held_out=_held_out(arguments.held_out, arguments.seed),
            refused=arguments.refused,
            variants=arguments.variants,
            preprocessing=Preprocessing(geometry=arguments.geometry, decode=arguments.decode),
            overwrite=arguments.overwrite,
            workers=arguments.workers,
            engine=engine,
        )
    data = own_pictures(manifest, arguments.out)
    comparison = compare(arguments.out, data)
    report = arguments.report or arguments.out.with_name(f"{arguments.out.name}-report")
    page = write_report(comparison, data, report, trained=pictures_folder(arguments.out))
    print(f"trained on {manifest.source.location}: {arguments.out}\nreport: {page}", file=sys.stderr)
    if not arguments.json and comparison.training is not None:
        print(format_training(comparison.training))
    code = print_comparison(comparison, as_json=arguments.json)
    unreadable = comparison.training.record.unreadable if comparison.training else ()
    for line in unreadable:
        print(f"error: {line}", file=sys.stderr)
    return 1 if unreadable else code


def _held_out(text: str, seed: int) -> HeldOut:
    """Return what is held out: a share, or the folder of this name."""
    try:
        value = float(text)
    except ValueError:
        return HeldOut(pictures=Path(text), seed=seed)
    if not 0 < value < 1:
        raise DataError(f"--held-out {text}: expected a share between 0 and 1, or a folder of pictures")
    return HeldOut(share=value, seed=seed)
