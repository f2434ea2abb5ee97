"""``mixer-edge-export deploy``: install a bundle on boards, check it there, then switch to it."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from mixer_edge.commands import positive
from mixer_edge.errors import DataError
from mixer_edge.interpreter import BACKENDS
from mixer_edge_export.commands.boards import Rollout, add_hosts, print_outcomes
from mixer_edge_export.deploy.layout import KEEP


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its flags."""
    parser = commands.add_parser(
        "deploy",
        help="install a bundle on Raspberry Pis and switch to it",
        description="Copy a bundle and everything it needs to boards over ssh, check it there with the golden vectors, "
        "and only then switch to it. If a step fails, the board runs the same release as before. "
        "Exit code 1: a board failed.",
    )
    parser.set_defaults(run=run)
    parser.add_argument("bundle", type=Path, help="bundle folder, e.g. build/digits")
    add_hosts(parser)
    parser.add_argument("--variant", default="int8", help="which of the bundle's files to run (default: %(default)s)")
    parser.add_argument("--backend", choices=["auto", *BACKENDS], default="auto", help="(default: %(default)s)")
    parser.add_argument(
        "--keep",
        type=_at_least_two,
        default=KEEP,
        metavar="N",
        help="releases to keep there: the one in use, the previous one, and those used last (default: %(default)s)",
    )
    parser.add_argument(
        "--service",
        metavar="WHAT",
        help="run watch:/FOLDER, camera, camera:SOURCE, serve or serve:SOURCE on the board as a systemd service",
    )
    parser.add_argument(
        "--capture", action="store_true", help="let the service keep pictures whose answer is unsure (docs/teach.md)"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="check the boards and print the plan, but change nothing"
    )
    parser.add_argument(
        "--signers",
        type=Path,
        metavar="FILE",
        help="from now on the boards switch only to bundles that somebody in this file signed (ssh-keygen's "
        "ALLOWED SIGNERS)",
    )
    parser.add_argument("--replace-signers", action="store_true", help="replace other signers that a board has")
    parser.add_argument(
        "--canary", type=positive, metavar="N", help="deploy to the first N boards before the others (default: to all)"
    )
    parser.add_argument(
        "--max-failures",
        type=_not_negative,
        metavar="M",
        help="start no further board when more than M have failed (default: 0 with --canary, else no limit)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="pictures on which the boards of --canary must give the same answers as this machine",
    )


def run(arguments: argparse.Namespace) -> int:
    """Deploy to every board; 1 if one of them failed."""
    from mixer_edge.bundle import Bundle
    from mixer_edge_export.deploy.actions import Job, deploy
    from mixer_edge_export.deploy.service import Service

    if arguments.capture and arguments.service is None:
        raise DataError("--capture is for the service; add --service")
    job = Job(
        bundle=Bundle.open(arguments.bundle),
        variant=arguments.variant,
        backend=arguments.backend,
        keep=arguments.keep,
        service=None if arguments.service is None else Service.parse(arguments.service, capture=arguments.capture),
        dry_run=arguments.dry_run,
        signers=arguments.signers,
        replace_signers=arguments.replace_signers,
    )
    job.check()
    canary, limit, rollout = arguments.canary or 0, arguments.max_failures, None
    if arguments.data is not None and not canary:
        raise DataError(f"{arguments.data}: these pictures are for the boards of --canary; add --canary")
    if canary or limit is not None:
        fingerprint = job.bundle.manifest.fingerprint()
        rollout = Rollout(
            canary=canary,
            max_failures=limit or 0,
            is_new=lambda release: (release.bundle, release.variant) == (fingerprint, job.variant),
        )
    with ExitStack() as stack:
        prove = None
        if arguments.data is not None:
            from mixer_edge_export.comparison.boards import agreement

            prove = stack.enter_context(agreement(job.bundle, job.variant, arguments.data))
        jobs = dict.fromkeys(arguments.hosts[:canary], replace(job, prove=prove))
        return print_outcomes(arguments, lambda board: deploy(board, jobs.get(board.host, job)), rollout)


def _at_least_two(text: str) -> int:
    if (keep := positive(text)) < KEEP:
        raise argparse.ArgumentTypeError(f"{keep}; expected {KEEP} or more: rollback needs the previous release")
    return keep


def _not_negative(text: str) -> int:
    return 0 if text == "0" else positive(text)
