"""Shared code of the commands that use boards: their flags, and one row per board."""

from __future__ import annotations

import argparse
import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mixer_edge.errors import MixerEdgeError
from mixer_edge_export.text_table import text_table

if TYPE_CHECKING:
    from mixer_edge.release import Release
    from mixer_edge_export.deploy.actions import Outcome
    from mixer_edge_export.deploy.board import Board

log = logging.getLogger(__name__)

T = TypeVar("T")
FAILED = 1
State = tuple[str, str | None]
"""What a board runs that failed or was not started: ``old``, ``new``, ``nothing``, ``unknown`` or ``untouched``, and
the release's name if it is known."""


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """A change that comes to some boards first, and stops if it fails on too many."""

    canary: int
    """How many boards come first."""
    max_failures: int
    is_new: Callable[[Release], bool]
    """Whether a board with this release has the change."""


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
    rollout: Rollout | None = None,
) -> int:
    """Run ``action`` on every board and print the results; return 1 if a board failed.

    Args:
        arguments: those of ``add_hosts``.
        action: what to do on a board.
        columns: the table's column names, without the host.
        rows: the table's rows for a result, without the host.
        facts: the JSON of a result, without the host.
        rollout: the order of the boards; None for all at once. The second column then has what a board runs.
    """
    from mixer_edge_export.deploy.fleet import NotStartedError, for_each

    results = for_each(
        arguments.hosts,
        action,
        config=arguments.ssh_config,
        identity=arguments.identity,
        canary=rollout.canary if rollout else 0,
        max_failures=rollout.max_failures if rollout else None,
    )
    named = dict(zip(arguments.hosts, results, strict=True))
    states = _states(arguments, named, rollout) if rollout else {}
    table = [("host", *columns)]
    for host, result in named.items():
        if isinstance(result, MixerEdgeError):
            word = "not started" if isinstance(result, NotStartedError) else "FAILED"
            runs, release = states.get(host, ("-", None))
            cells = [(word, f"{runs} {release or ''}".rstrip(), *("-",) * (len(columns) - 2))]
            report = {"error": str(result)} | ({"runs": runs, "release": release} if host in states else {})
        else:
            cells, report = rows(result), facts(result)
        table += [(host, *row) for row in cells]
        if arguments.json:
            print(json.dumps({"host": host} | report))
    if not arguments.json:
        print(text_table(table))
    return FAILED if any(isinstance(result, MixerEdgeError) for result in results) else 0


def print_outcomes(
    arguments: argparse.Namespace, action: Callable[[Board], Outcome], rollout: Rollout | None = None
) -> int:
    """Run ``action``, which changes the release in use, on every board; print one row each; return 1 if one failed."""
    columns = ("board", "release", "interpreter", "threads", "golden", "label", "latency", "temperature", "copied")
    return run_on_boards(arguments, action, columns, _row, asdict, rollout)


def celsius(temperature: float | None) -> str:
    """Return a temperature for a table."""
    return "-" if temperature is None else f"{temperature:.1f} °C"


def _states(arguments: argparse.Namespace, results: Mapping[str, object], rollout: Rollout) -> dict[str, State]:
    """Return what every board runs that has no result, and log how many there are if some were not started."""
    from mixer_edge_export.deploy.fleet import NotStartedError, probe_again

    untouched = [host for host, result in results.items() if isinstance(result, NotStartedError)]
    failed = [host for host, result in results.items() if isinstance(result, MixerEdgeError) and host not in untouched]
    states: dict[str, State] = dict.fromkeys(untouched, ("untouched", None))
    found = probe_again(failed, config=arguments.ssh_config, identity=arguments.identity)
    for host, facts in zip(failed, found, strict=True):
        if facts is None or not facts.current:
            states[host] = ("unknown" if facts is None else "nothing", None)
        else:
            new = facts.release is not None and rollout.is_new(facts.release)
            states[host] = ("new" if new else "old", facts.current)
    if untouched:
        counts = Counter(runs for runs, _ in states.values()) | {"done": len(results) - len(states)}
        text = ", ".join(f"{runs}: {count}" for runs, count in counts.items())
        log.error("stopped: %d boards failed, %d may; %s", len(failed), rollout.max_failures, text)
    return states


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
