"""``mixer-edge verify``: is this the bundle that was written, and does this machine compute the same with it?"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from mixer_edge.bundle import Bundle
from mixer_edge.commands import add_bundle
from mixer_edge.verify import Verification, check_files, verify


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its flags."""
    parser = commands.add_parser(
        "verify",
        help="check every file of a bundle, and what this machine computes with it",
        description="Check the sha256 of every file, then run the golden pictures through the variants and compare "
        "with what the workstation got. Exit code 1: an output differs by more than the tolerance. "
        "Exit code 2: the bundle is damaged or cannot be run here.",
    )
    parser.set_defaults(run=run)
    add_bundle(parser)
    parser.add_argument("--variant", help="only this one (default: all of the bundle's)")


def run(arguments: argparse.Namespace) -> int:
    """Print one line per variant; 1 if one computes something else here."""
    bundle = Bundle.open(arguments.bundle)
    files = check_files(bundle)
    names = [arguments.variant] if arguments.variant else [variant.name for variant in bundle.manifest.variants]
    results = [verify(bundle, name, backend=arguments.backend) for name in names]
    if arguments.json:
        variants = [asdict(result) | {"passed": result.passed} for result in results]
        print(json.dumps({"fingerprint": bundle.manifest.fingerprint(), "files": files, "variants": variants}))
    else:
        print(f"{bundle.folder}: {files} files as written, fingerprint {bundle.manifest.fingerprint()[:16]}")
        width = max(len(name) for name in names)
        for result in results:
            print(f"{'ok    ' if result.passed else 'FAILED'}  {result.variant:{width}}  {_words(result)}")
    return 0 if all(result.passed for result in results) else 1


def _words(result: Verification) -> str:
    if result.bit_equal:
        return f"bit-equal on {result.count} golden pictures ({result.backend})"
    return (
        f"differs by {result.max_error:.2g} of the largest output, tolerance {result.tolerance:g}, "
        f"top-1 equal on {result.top_1_equal} of {result.count} golden pictures ({result.backend})"
    )
