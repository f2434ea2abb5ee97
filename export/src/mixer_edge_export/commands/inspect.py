"""``mixer-edge-export inspect``: what is in a TFLite file and where it runs."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its flags."""
    parser = commands.add_parser("inspect", help="print what is in a TFLite file")
    parser.set_defaults(run=run)
    parser.add_argument("file", type=Path, help="TFLite file, e.g. build/digits/int8.tflite")
    parser.add_argument("--json", action="store_true", help="print the facts as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the facts."""
    from mixer_edge_export.tflite.inspect import format_facts, inspect_file

    facts = inspect_file(arguments.file)
    print(json.dumps(asdict(facts)) if arguments.json else format_facts(facts))
    return 0
