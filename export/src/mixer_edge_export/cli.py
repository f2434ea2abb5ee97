"""The ``mixer-edge-export`` command. Exit codes: 0 done, 1 some pictures failed, 2 an error or wrong use, 130 interrupted."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import mixer_edge_export
from mixer_edge.cli import run
from mixer_edge_export.variants import VARIANTS

if TYPE_CHECKING:
    from mixer_edge_export.compare import Comparison

HUB_HINT = "to export the Hub module: make export MODEL=mixer_b32_sam"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(prog="mixer-edge-export", description="Export a Mixer to TFLite variants.")
    parser.add_argument("--version", action="version", version=mixer_edge_export.__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_export(commands.add_parser("export", help="write a bundle of TFLite variants and print their accuracy"))
    _add_compare(commands.add_parser("compare", help="print the accuracy table of a bundle"))
    _add_train_digits(commands.add_parser("train-digits", help="train the bundled model again"))
    arguments = parser.parse_args(argv)
    return run(arguments.run, arguments)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_export)
    parser.add_argument("--model", default="digits", help="name, .npz file or SavedModel folder (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="bundle folder to write, e.g. build/digits")
    parser.add_argument("--calibration", type=Path, help="folder of pictures (default: the model's own or generated)")
    parser.add_argument("--labels", type=Path, help="file with one label per line (default: the model's own)")
    parser.add_argument("--variants", type=_names, default=list(VARIANTS), help=f"default: {','.join(VARIANTS)}")
    parser.add_argument("--data", type=Path, help="labelled folder to measure accuracy on (default: the model's own)")
    parser.add_argument("--overwrite", action="store_true", help="replace the bundle that is there")
    parser.add_argument("--json", action="store_true", help="print the table as JSON")


def _export(arguments: argparse.Namespace) -> int:
    from mixer_edge_export.compare import compare
    from mixer_edge_export.pipeline import digits_folder, export

    manifest = export(
        arguments.model,
        arguments.out,
        calibration=arguments.calibration,
        labels=arguments.labels,
        variants=arguments.variants,
        overwrite=arguments.overwrite,
    )
    data = arguments.data
    if data is None and manifest.source.kind == "bundled":
        data = digits_folder(arguments.out) / "held_out"
    hint = f"; {HUB_HINT}" if manifest.source.kind == "bundled" else ""
    print(f"exported {manifest.source.location} to {arguments.out}{hint}", file=sys.stderr)
    return _print_comparison(compare(arguments.out, data), as_json=arguments.json)


def _add_compare(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_compare)
    parser.add_argument("bundle", type=Path, help="bundle folder, e.g. build/digits")
    parser.add_argument("--data", type=Path, help="labelled folder, <label>/<picture> (default: none, no accuracy)")
    parser.add_argument("--variants", type=_names, help="default: all of the bundle's")
    parser.add_argument("--json", action="store_true", help="print the table as JSON")


def _compare(arguments: argparse.Namespace) -> int:
    from mixer_edge_export.compare import compare

    comparison = compare(arguments.bundle, arguments.data, variants=arguments.variants)
    return _print_comparison(comparison, as_json=arguments.json)


def _print_comparison(comparison: Comparison, *, as_json: bool) -> int:
    from mixer_edge_export.compare import format_table

    print(json.dumps(asdict(comparison)) if as_json else format_table(comparison))
    for line in comparison.unreadable:
        print(f"error: {line}", file=sys.stderr)
    return 1 if comparison.unreadable else 0


def _add_train_digits(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_train_digits)
    parser.add_argument("--out", type=Path, required=True, help=".npz file to write")


def _train_digits(arguments: argparse.Namespace) -> int:
    from mixer_edge_export.digits.train import train

    print(f"held-out top-1 {train(arguments.out):.2%}")
    return 0
