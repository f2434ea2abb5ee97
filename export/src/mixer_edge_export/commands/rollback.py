"""``mixer-edge-export rollback``: boards back to the release before."""

from __future__ import annotations

import argparse

from mixer_edge_export.commands.boards import add_hosts, run_and_tell


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its flags."""
    parser = commands.add_parser("rollback", help="put the release before to use again on boards")
    parser.set_defaults(run=run)
    add_hosts(parser)
    parser.add_argument("--to", metavar="RELEASE", help="one that status lists (default: the one used before)")


def run(arguments: argparse.Namespace) -> int:
    """Switch every board, once the golden vectors hold there; 1 if one of them failed."""
    from mixer_edge_export.deploy.actions import rollback

    return run_and_tell(arguments, lambda board: rollback(board, arguments.to))
