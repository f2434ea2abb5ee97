"""``mixer-edge-export status``: what boards are and which releases they have."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from mixer_edge_export.commands.boards import add_hosts, celsius, run_on_boards

if TYPE_CHECKING:
    from mixer_edge_export.deploy.probe import BoardFacts

_STATES = {"active": "running", "activating": "starting", "inactive": "not running"}
"""systemd's word for the state of a unit -> ours."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its flags."""
    parser = commands.add_parser("status", help="print what boards are and which releases they have")
    parser.set_defaults(run=run)
    add_hosts(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print one row per board and change nothing; 1 if one of them failed."""
    from mixer_edge_export.deploy.actions import status

    columns = ("board", "runs", "threads", "release", "others", "service", "temperature", "free")
    return run_on_boards(arguments, status, columns, _row, asdict)


def _row(facts: BoardFacts) -> list[tuple[str, ...]]:
    release, runs = facts.release, "unknown: deploy again" if facts.release_error else "nothing"
    if facts.command_error:
        release, runs = None, "damaged: deploy again"
    return [
        (
            facts.name,
            f"{release.name} {release.variant} on {release.backend}" if release else runs,
            str(release.threads) if release else "-",
            facts.current or "-",
            ", ".join(name for name in facts.releases if name != facts.current) or "-",
            _service(facts),
            celsius(facts.temperature_celsius),
            f"{facts.free_bytes / 1e9:.1f} GB",
        )
    ]


def _service(facts: BoardFacts) -> str:
    """Return what the service runs, and how it is: what the server says of itself, or else what systemd says."""
    from mixer_edge_export.deploy import health

    name, state = facts.service or "-", _STATES.get(facts.service_state, facts.service_state)
    if facts.service == "serve":
        name = f"serve on port {health.PORT}"
        if facts.health is not None:
            state = health.describe(facts.health)
        else:
            state = "failed" if facts.health_error else state or "not running"
    count = facts.service_restarts
    restarts = f"{count} restart{'s' * (count > 1)}" if count else ""
    rest = ", ".join(filter(None, (state, restarts)))
    return f"{name}: {rest}" if rest else name
