"""``mixer-edge-export undeploy``: remove everything that deploy put on boards."""

from __future__ import annotations

import argparse

from mixer_edge_export.commands.boards import add_hosts, print_outcomes


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its flags."""
    parser = commands.add_parser("undeploy", help="remove everything that deploy put on boards")
    parser.set_defaults(run=run)
    add_hosts(parser)
    parser.add_argument(
        "--remove-signers", action="store_true", help="also remove the signers that deploy --signers has set"
    )


def run(arguments: argparse.Namespace) -> int:
    """Remove all releases, the command and the unit; 1 if a board failed."""
    from mixer_edge_export.deploy.actions import undeploy

    return print_outcomes(arguments, lambda board: undeploy(board, remove_signers=arguments.remove_signers))
