"""``mixer-edge verify``: check that a bundle is intact and that this machine computes its golden outputs."""

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
        help="check every file of a bundle, and this machine's outputs",
        description="Check the sha256 of every file. Then run the variants on the golden pictures and compare the "
        "outputs with the workstation's. A variant that does not run here is skipped and listed, unless the "
        "workstation has run it on this interpreter. Exit code 1: an output differs by more than the tolerance. "
        "Exit code 2: the bundle is damaged or cannot run here.",
    )
    parser.set_defaults(run=run)
    add_bundle(parser)
    parser.add_argument("--variant", help="only this one (default: all of the bundle's)")


def run(arguments: argparse.Namespace) -> int:
    """Print one line per variant; 1 if the outputs of one differ by more than its tolerance."""
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
            print(f"{'ok    ' if result.passed else 'FAILED'}  {result.variant:{width}}  {_result(result)}")
        for name, reason in skipped.items():
            print(f"-       {name:{width}}  {reason}")
    return 0 if all(result.passed for result in results) else 1


def _result(result: Verification) -> str:
    if result.bit_equal:
        return f"bit-equal on {result.count} golden pictures ({result.backend})"
    pictures = f"{result.top_1_equal} of {result.count} golden pictures"
    return f"{result.difference}, top-1 equal on {pictures} ({result.backend})"
