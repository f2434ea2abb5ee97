"""``mixer-edge-export sensitivity``: the accuracy that each layer loses in int8."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from mixer_edge.commands import positive
from mixer_edge.errors import DataError
from mixer_edge_export.files import write


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its flags."""
    parser = commands.add_parser("sensitivity", help="print the accuracy that each layer loses in int8")
    parser.set_defaults(run=run)
    parser.add_argument("bundle", type=Path, help="bundle folder, e.g. build/digits")
    parser.add_argument(
        "--data",
        type=Path,
        help="folder of pictures, <label>/<picture> for top-1 too (default: the model's own or generated ones)",
    )
    parser.add_argument(
        "--samples", type=positive, default=32, metavar="N", help="use N of the pictures (default: %(default)s)"
    )
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="also draw the table to this file")
    parser.add_argument("--json", action="store_true", help="print the table as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the table and write the plot."""
    if arguments.plot is not None and not arguments.plot.parent.is_dir():
        raise DataError(f"{arguments.plot.parent}: no such folder for the plot; create it or choose another")
    from mixer_edge_export.quantize.sensitivity import format_sensitivity, sensitivity
    from mixer_edge_export.report.sensitivity_plot import plot

    result = sensitivity(arguments.bundle, arguments.data, samples=arguments.samples)
    print(json.dumps(asdict(result)) if arguments.json else format_sensitivity(result))
    if arguments.plot is not None:
        write(arguments.plot, plot(result).encode())
    return 0
