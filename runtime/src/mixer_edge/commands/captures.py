"""``mixer-edge captures``: the pictures that ``--capture`` kept."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from mixer_edge.bundle import Bundle
from mixer_edge.captured.store import Captured, picture_path, read_captured, remove
from mixer_edge.captured.tables import captured_folder
from mixer_edge.counted import picture_count
from mixer_edge.errors import DataError
from mixer_edge.strict_json import line

ALL = "all"


@dataclass(frozen=True, kw_only=True)
class CaptureList:
    """What ``mixer-edge captures --json`` prints."""

    folder: str
    captures: tuple[Captured, ...]
    """The oldest first."""


@dataclass(frozen=True, kw_only=True)
class Removed:
    """What ``mixer-edge captures --remove --json`` prints."""

    removed: int


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its flags."""
    parser = commands.add_parser(
        "captures",
        help="list or remove the pictures that were kept with --capture",
        description="Print the pictures that camera, watch and serve kept with --capture: when, why, the answer to the "
        "picture alone, the label that a person gave it, and the file. They are in one folder for all bundles.",
    )
    parser.set_defaults(run=run)
    parser.add_argument("bundle", nargs="?", help="bundle folder: only what its weights answered (default: everything)")
    parser.add_argument(
        "--remove",
        action="append",
        metavar="FILE",
        help=f"remove a picture, by name or path, or with the word {ALL} every one; repeat it for several pictures",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """List them, or remove some."""
    folder = captured_folder()
    weights = None if arguments.bundle is None else Bundle.open(arguments.bundle).manifest.source.fingerprint
    found = [picture for picture in read_captured(folder) if weights in (None, picture.answered.fingerprint)]
    if arguments.remove is not None:
        files = _named(arguments.remove, found, folder)
        count = remove(folder, files) if files else 0
        print(line(Removed(removed=count)) if arguments.json else f"{picture_count(count)} removed")
    elif arguments.json:
        print(line(CaptureList(folder=str(folder), captures=tuple(found))))
    else:
        print("\n".join([*(_text(folder, picture) for picture in found), _total(found)]))
    return 0


def _named(wanted: list[str], found: list[Captured], folder: Path) -> list[str]:
    """Return the names of the files that are to be removed; all of them are there."""
    known = [picture.file for picture in found]
    if wanted == [ALL]:
        return known
    names = [Path(text).name for text in wanted]
    for name, text in zip(names, wanted, strict=True):
        if name not in known:
            raise DataError(f"{text}: is not a captured picture in {folder}; see: mixer-edge captures")
    return names


def _text(folder: Path, picture: Captured) -> str:
    answered = picture.answered
    best = [f"{category.probability:.2%} {category.label}" for category in answered.categories[:1]]
    answer = f"none of these (nearest: {best[0]})" if answered.none else best[0] if best else "no answer"
    reason = " ".join(filter(None, (answered.reason, "random" if answered.random else None)))
    label = "" if picture.label is None else f"  labelled {picture.label}"
    return f"{answered.time}  {reason}  {answer}{label}  {picture_path(folder, picture.file)}"


def _total(found: list[Captured]) -> str:
    return f"{picture_count(len(found))}, {sum(picture.bytes for picture in found) / 1e6:.1f} MB"
