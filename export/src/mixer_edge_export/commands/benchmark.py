"""``mixer-edge-export benchmark``: the latency of deployed bundles on boards."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from mixer_edge.commands import positive
from mixer_edge_export.commands.boards import add_hosts, celsius, run_on_boards

if TYPE_CHECKING:
    from mixer_edge.benchmark import BenchmarkReport


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its flags."""
    parser = commands.add_parser("benchmark", help="measure the latency of deployed bundles on boards")
    parser.set_defaults(run=run)
    add_hosts(parser)
    parser.add_argument("--variant", help="which of the bundle's files (default: the deployed one)")
    parser.add_argument("--runs", type=positive, default=50, help="timed runs of each kind (default: %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Print the figures of every board; 1 if one of them failed."""
    from mixer_edge_export.deploy.actions import benchmark

    return run_on_boards(
        arguments,
        lambda board: benchmark(board, runs=arguments.runs, variant=arguments.variant),
        ("board", "variant", "interpreter", "threads", "network", "p90", "photo to label", "temperature"),
        _rows,
        asdict,
    )


def _rows(figures: BenchmarkReport) -> list[tuple[str, ...]]:
    return [
        (
            *(figures.board.name, figures.variant, figures.backend, str(row.threads)),
            *(f"{row.network.median_ms:.1f} ms", f"{row.network.p90_ms:.1f} ms"),
            f"{row.photo_to_label.median_ms:.1f} ms",
            celsius(figures.temperature_celsius.after),
        )
        for row in figures.rows
    ]
