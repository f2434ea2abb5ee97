"""Shared code of the commands that use boards: their flags, and one row per board."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mixer_edge.errors import MixerEdgeError
from mixer_edge_export.text_table import text_table

if TYPE_CHECKING:
    from mixer_edge_export.deploy.actions import Outcome
    from mixer_edge_export.deploy.board import Board

T = TypeVar("T")
FAILED = 1


def add_hosts(parser: argparse.ArgumentParser) -> None:
    """Declare the boards and how ssh reaches them."""
    parser.add_argument("hosts", nargs="+", metavar="HOST", help="name, user@name, or a Host of ~/.ssh/config")
    add_ssh(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object per board and line")


def add_ssh(parser: argparse.ArgumentParser) -> None:
    """Declare how ssh reaches the boards."""
    parser.add_argument("--identity", type=Path, metavar="FILE", help="private key for ssh, as in ssh -i")
    parser.add_argument(
        "--ssh-config", type=Path, metavar="FILE", help="file to use instead of ~/.ssh/config, as in ssh -F"
    )


def run_on_boards(
    arguments: argparse.Namespace,
    action: Callable[[Board], T],
    columns: Sequence[str],
    rows: Callable[[T], list[tuple[str, ...]]],
    facts: Callable[[T], dict[str, Any]],
) -> int:
    """Run ``action`` on every board and print the results; return 1 if a board failed.

    Args:
        arguments: those of ``add_hosts``.
        action: what to do on a board.
        columns: the table's column names, without the host.
        rows: the table's rows for a result, without the host.
        facts: the JSON of a result, without the host.
    """
    from mixer_edge_export.deploy.fleet import for_each

    results = for_each(arguments.hosts, action, config=arguments.ssh_config, identity=arguments.identity)
    table = [("host", *columns)]
    for host, result in zip(arguments.hosts, results, strict=True):
        cells, report = [("FAILED", *("-",) * (len(columns) - 1))], {"error": str(result)}
        if not isinstance(result, MixerEdgeError):
            cells, report = rows(result), facts(result)
        table += [(host, *row) for row in cells]
        if arguments.json:
            print(json.dumps({"host": host} | report))
    if not arguments.json:
        print(text_table(table))
    return FAILED if any(isinstance(result, MixerEdgeError) for result in results) else 0


def print_outcomes(arguments: argparse.Namespace, action: Callable[[Board], Outcome]) -> int:
    """Run ``action``, which changes the release in use, on every board; print one row each; return 1 if one failed."""
    columns = ("board", "release", "interpreter", "threads", "golden", "label", "latency", "temperature", "copied")
    return run_on_boards(arguments, action, columns, _row, asdict)


def celsius(temperature: float | None) -> str:
    """Return a temperature for a table."""
    return "-" if temperature is None else f"{temperature:.1f} °C"


def _row(outcome: Outcome) -> list[tuple[str, ...]]:
    latency, copied = outcome.latency_ms, outcome.copied_bytes
    return [
        (
            *(outcome.board, outcome.release or "none", outcome.backend or "-"),
            *("-" if outcome.threads is None else str(outcome.threads), outcome.verified or "-"),
            *(outcome.label or "-", "-" if latency is None else f"{latency:.1f} ms"),
            celsius(outcome.temperature_celsius),
            "-" if copied is None else f"{copied / 1e6:.1f} MB",
        )
    ]
