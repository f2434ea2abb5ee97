"""``mixer-edge-export rollback``: switch boards back to the previous release."""

from __future__ import annotations

import argparse

from mixer_edge_export.commands.boards import add_hosts, print_outcomes


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its flags."""
    parser = commands.add_parser("rollback", help="switch boards back to the previous release")
    parser.set_defaults(run=run)
    add_hosts(parser)
    parser.add_argument("--to", metavar="RELEASE", help="a release that status lists (default: the previous one)")


def run(arguments: argparse.Namespace) -> int:
    """Switch every board after checking the golden vectors there; 1 if one of them failed."""
    from mixer_edge_export.deploy.actions import rollback

    return print_outcomes(arguments, lambda board: rollback(board, arguments.to))
