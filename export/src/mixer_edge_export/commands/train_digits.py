"""``mixer-edge-export train-digits``: train the bundled model again."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its flags."""
    parser = commands.add_parser("train-digits", help="train the bundled model again")
    parser.set_defaults(run=run)
    parser.add_argument("--out", type=Path, required=True, help=".npz file to write")


def run(arguments: argparse.Namespace) -> int:
    """Train and print the held-out accuracy."""
    from mixer_edge_export.digits.train import train

    print(f"held-out top-1 {train(arguments.out):.2%}")
    return 0
