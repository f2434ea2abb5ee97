"""``mixer-edge-export compare``: the accuracy table of a bundle."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from mixer_edge_export.commands import names

if TYPE_CHECKING:
    from mixer_edge_export.compare import Comparison


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its flags."""
    parser = commands.add_parser("compare", help="print the accuracy table of a bundle")
    parser.set_defaults(run=run)
    parser.add_argument("bundle", type=Path, help="bundle folder, e.g. build/digits")
    parser.add_argument("--data", type=Path, help="labelled folder, <label>/<picture> (default: none, no accuracy)")
    parser.add_argument("--variants", type=names, help="default: all of the bundle's")
    parser.add_argument("--json", action="store_true", help="print the table as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the table; 1 if some pictures could not be read."""
    from mixer_edge_export.compare import compare

    comparison = compare(arguments.bundle, arguments.data, variants=arguments.variants)
    return print_comparison(comparison, as_json=arguments.json)


def print_comparison(comparison: Comparison, *, as_json: bool) -> int:
    """Print the table, or its JSON, and the unreadable pictures; return the exit code."""
    from mixer_edge_export.compare import format_table

    print(json.dumps(asdict(comparison)) if as_json else format_table(comparison))
    for line in comparison.unreadable:
        print(f"error: {line}", file=sys.stderr)
    return 1 if comparison.unreadable else 0
