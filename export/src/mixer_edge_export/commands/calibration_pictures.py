"""``mixer-edge-export calibration-pictures``: the generated calibration set as files."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its flags."""
    parser = commands.add_parser("calibration-pictures", help="write the generated calibration pictures to a folder")
    parser.set_defaults(run=run)
    parser.add_argument("--out", type=Path, required=True, help="folder to write, e.g. calibration_data")


def run(arguments: argparse.Namespace) -> int:
    """Write the pictures and their manifest."""
    from mixer_edge_export.calibration.pictures import write_generated

    print(f"{write_generated(arguments.out)} pictures and manifest.csv in {arguments.out}")
    return 0
