"""``mixer-edge-export runtimes``: make the environments in which exported files are tested."""

from __future__ import annotations

import argparse


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "runtimes", help="install tflite-runtime in its own environment, to test exported files in it"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Make the environment and print the runtimes."""
    from mixer_edge_export.acceptance.runtimes import find_runtimes, install_tflite

    install_tflite()
    for runtime in find_runtimes():
        print(f"{runtime.name} {runtime.version}: {runtime.python}")
    return 0
