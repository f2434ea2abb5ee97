"""``mixer-edge classes``: the taught classes, and how well they are told apart."""

from __future__ import annotations

import argparse

from mixer_edge.bundle import Bundle
from mixer_edge.strict_json import line
from mixer_edge.teach.folder import Extractor
from mixer_edge.teach.report import ClassesReport, Share, report

SHOWN = 5
"""Number of mistaken pictures in the text."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its flags."""
    parser = commands.add_parser(
        "classes",
        help="print the taught classes and how well they are told apart",
        description="Print the classes that were taught on a bundle that computes features. The accuracy is that of "
        "the pictures, each left out in turn: a class with one picture cannot be judged.",
    )
    parser.set_defaults(run=run)
    parser.add_argument("bundle", help="bundle folder")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the figures."""
    bundle = Bundle.open(arguments.bundle)
    extractor = Extractor.of(bundle, bundle.manifest.variants[0].name)
    found = report(extractor.folder, extractor.name, extractor.variant)
    print(line(found) if arguments.json else _text(found, arguments.bundle))
    return 0


def _text(found: ClassesReport, bundle: str) -> str:
    if not found.classes:
        return f"no class is taught; teach with: mixer-edge teach {bundle} CLASS PICTURE..."
    width = max(len(label) for label in ("all classes", *(item.label for item in found.classes)))
    lines = [f"{'class':<{width}}  pictures  left out  95 % interval      taken for"]
    for item in found.classes:
        taken_for = ", ".join(f"{label} {count}" for label, count in item.taken_for.items())
        lines.append(f"{item.label:<{width}}{item.pictures:>10}  {_share(item.left_out)}  {taken_for}".rstrip())
    lines.append(f"{'all classes':<{width}}{found.pictures:>10}  {_share(found.left_out)}".rstrip())
    lines += [f"{item.file}: {item.label}, taken for {item.answer}" for item in found.mistaken[:SHOWN]]
    if len(found.mistaken) > SHOWN:
        lines.append(f"and {len(found.mistaken) - SHOWN} more")
    if len(found.classes) == 1:
        lines.append("one class is taught; teach another one, they are told apart from two on")
    elif found.needs_pictures is not None:
        lines.append(f"needs more pictures: {found.needs_pictures}")
    return "\n".join(lines)


def _share(share: Share | None) -> str:
    if share is None:
        return f"{'-':>8}  {'-':<17}"
    low, high = share.interval
    return f"{share.share:>8.2%}  {f'{low:.2%} to {high:.2%}':<17}"
