"""``mixer-edge-export verify-signature``: who signed a bundle."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its flags."""
    parser = commands.add_parser("verify-signature", help="check a bundle's signature and print who signed it")
    parser.set_defaults(run=run)
    parser.add_argument("bundle", type=Path, help="bundle folder, e.g. build/digits")
    parser.add_argument(
        "--signers",
        type=Path,
        required=True,
        metavar="FILE",
        help="names and public keys: ssh-keygen's ALLOWED SIGNERS",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the signer's name."""
    from mixer_edge_export.signing import check_signature

    print(check_signature(arguments.bundle, arguments.signers))
    return 0
