"""The ``mixer-edge-export`` command; its exit codes are those of ``mixer-edge``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import mixer_edge_export
from mixer_edge.cli import run
from mixer_edge.standard_error import whole_lines
from mixer_edge_export.commands import (
    benchmark,
    calibration_pictures,
    collect,
    compare,
    deploy,
    drift,
    export,
    inspect,
    rollback,
    runtimes,
    sensitivity,
    sign,
    status,
    train,
    train_digits,
    undeploy,
    verify_signature,
)

COMMANDS = (
    export,
    train,
    compare,
    sensitivity,
    inspect,
    sign,
    verify_signature,
    deploy,
    status,
    benchmark,
    drift,
    rollback,
    undeploy,
    collect,
    runtimes,
    calibration_pictures,
    train_digits,
)


def console_script() -> int:
    """Run the command as a process of its own."""
    with whole_lines():
        return main()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(prog="mixer-edge-export", description="Export a Mixer to TFLite variants.")
    parser.add_argument("--version", action="version", version=mixer_edge_export.__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(commands)
    arguments = parser.parse_args(argv)
    return run(arguments.run, arguments)
