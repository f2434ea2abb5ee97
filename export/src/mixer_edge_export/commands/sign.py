"""``mixer-edge-export sign``: sign a bundle with a key of ssh-keygen."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its flags."""
    parser = commands.add_parser("sign", help="sign a bundle with an ssh key")
    parser.set_defaults(run=run)
    parser.add_argument("bundle", type=Path, help="bundle folder, e.g. build/digits")
    parser.add_argument(
        "--key",
        type=Path,
        required=True,
        help="private key, or a public one that ssh-agent has, e.g. ~/.ssh/id_ed25519",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the signature into the bundle."""
    from mixer_edge_export.signing import sign

    sign(arguments.bundle, arguments.key)
    return 0
