"""``mixer-edge verify``: is this the bundle that was written, and does this machine compute the same with it?"""

from __future__ import annotations

import argparse

from mixer_edge.bundle import Bundle
from mixer_edge.commands import add_bundle
from mixer_edge.errors import InterpreterError
from mixer_edge.interpreter import resolve_backend
from mixer_edge.strict_json import line
from mixer_edge.verify import Verification, VerifyReport, check_files, verify


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its flags."""
    parser = commands.add_parser(
        "verify",
        help="check every file of a bundle, and what this machine computes with it",
        description="Check the sha256 of every file, then run the golden pictures through the variants and compare "
        "with what the workstation got. Exit code 1: an output differs by more than the tolerance. "
        "A variant that was never seen to run on this interpreter, and does not, is named and left out. "
        "Exit code 2: the bundle is damaged or cannot be run here.",
    )
    parser.set_defaults(run=run)
    add_bundle(parser)
    parser.add_argument("--variant", help="only this one (default: all of the bundle's)")


def run(arguments: argparse.Namespace) -> int:
    """Print one line per variant; 1 if one computes something else here."""
    bundle = Bundle.open(arguments.bundle)
    files = check_files(bundle)
    backend = resolve_backend(arguments.backend)
    variants = [bundle.manifest.variant(arguments.variant)] if arguments.variant else bundle.manifest.variants
    results, skipped = [], {}
    for variant in variants:
        known = variant.runtimes.get(backend)
        try:
            results.append(verify(bundle, variant.name, backend=backend))
        except InterpreterError as error:
            if arguments.variant or (known is not None and known.status == "ok"):
                raise
            skipped[variant.name] = str(error)
    if not results:
        raise InterpreterError(f"{bundle.folder}: none of its variants runs on {backend}; export it for {backend}")
    fingerprint = bundle.manifest.fingerprint()
    if arguments.json:
        print(line(VerifyReport(fingerprint=fingerprint, files=files, skipped=skipped, variants=tuple(results))))
    else:
        print(f"{bundle.folder}: {files} files as written, fingerprint {fingerprint[:16]}")
        width = max(len(name) for name in (*skipped, *(result.variant for result in results)))
        for result in results:
            print(f"{'ok    ' if result.passed else 'FAILED'}  {result.variant:{width}}  {_words(result)}")
        for name, reason in skipped.items():
            print(f"-       {name:{width}}  {reason}")
    return 0 if all(result.passed for result in results) else 1


def _words(result: Verification) -> str:
    if result.bit_equal:
        return f"bit-equal on {result.count} golden pictures ({result.backend})"
    pictures = f"{result.top_1_equal} of {result.count} golden pictures"
    return f"{result.difference}, top-1 equal on {pictures} ({result.backend})"
