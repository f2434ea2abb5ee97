"""``mixer-edge-export benchmark``: how long boards take with what is deployed on them."""

from __future__ import annotations

import argparse
from typing import Any

from mixer_edge.commands import positive
from mixer_edge_export.commands.boards import add_hosts, celsius, run_on_boards


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its flags."""
    parser = commands.add_parser("benchmark", help="measure on boards what is deployed there")
    parser.set_defaults(run=run)
    add_hosts(parser)
    parser.add_argument("--variant", help="which of the bundle's files (default: the deployed one)")
    parser.add_argument("--runs", type=positive, default=50, help="timed runs of each kind (default: %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Print the figures of every board; 1 if one of them failed."""
    from mixer_edge_export.deploy.board import benchmark

    return run_on_boards(
        arguments,
        lambda connection, report: benchmark(connection, runs=arguments.runs, variant=arguments.variant),
        ("board", "variant", "interpreter", "threads", "network", "p90", "photo to label", "temperature"),
        _rows,
        lambda figures: figures,
    )


def _rows(figures: dict[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for row in figures["rows"]:
        network, photo = row["network"], row["photo_to_label"]
        rows.append(
            (
                *(figures["board"]["name"], figures["variant"], figures["backend"], str(row["threads"])),
                *(f"{network['median_ms']:.1f} ms", f"{network['p90_ms']:.1f} ms", f"{photo['median_ms']:.1f} ms"),
                celsius(figures["temperature_celsius"]["after"]),
            )
        )
    return rows
