"""``mixer-edge kept``: the pictures that stay on this board."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable

from mixer_edge.counted import picture_count
from mixer_edge.errors import DataError
from mixer_edge.inventory import Forgotten, KeptPicture, forget_captured, list_kept
from mixer_edge.strict_json import line


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its flags."""
    parser = commands.add_parser(
        "kept",
        help="print which pictures stay on this board: the taught and the captured ones",
        description="Print how many pictures stay on this board, the taught and the captured ones; with --json one "
        "line for each. With --forget remove captured ones.",
    )
    parser.set_defaults(run=run)
    parser.add_argument(
        "--forget",
        action="store_true",
        help="remove the captured pictures whose sha256 are on standard input, one in a line, followed by a tab and "
        "the label if it has one; taught pictures stay: they are what the board answers with",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, one line for each picture")


def run(arguments: argparse.Namespace) -> int:
    """Print the pictures, or remove some."""
    if arguments.forget:
        done = forget_captured(_labels(sys.stdin))
        print(line(done) if arguments.json else _done(done))
        return 0
    kept = list_kept()
    for text in map(line, kept) if arguments.json else _summary(kept):
        print(text)
    return 0


def _labels(lines: Iterable[str]) -> dict[str, str | None]:
    expected = "expected a sha256 of 64 digits as in kept --json; nothing was removed"
    try:
        found = [text.strip() for text in lines]
    except UnicodeDecodeError:
        raise DataError(f"standard input: is no text, {expected}") from None
    labels: dict[str, str | None] = {}
    for number, text in enumerate(found, start=1):
        sha256, _, label = text.partition("\t")
        if not re.fullmatch("[0-9a-f]{64}", sha256):
            raise DataError(f"standard input, line {number}: {text[:80]!a}, {expected}")
        labels[sha256] = label or None
    return labels


def _done(done: Forgotten) -> str:
    text = f"{picture_count(done.forgotten, 'captured ')} forgotten"
    if done.changed:
        stay = "stays: it has" if done.changed == 1 else "stay: they have"
        text += f"; {picture_count(done.changed)} {stay} another label"
    if done.taught:
        stay = "stays" if done.taught == 1 else "stay"
        text += f"; {picture_count(done.taught, 'taught ')} {stay}: the board answers with them"
    return text


def _summary(kept: list[KeptPicture]) -> list[str]:
    taught = [picture for picture in kept if picture.kind == "taught"]
    captured = [picture for picture in kept if picture.kind == "captured"]
    labelled = sum(picture.label is not None for picture in captured)
    return [
        f"taught: {picture_count(len(taught))}, {_size(taught)}",
        f"captured: {picture_count(len(captured))}, {labelled} of them with a label, {_size(captured)}",
    ]


def _size(pictures: list[KeptPicture]) -> str:
    return f"{sum(picture.bytes for picture in pictures) / 1e6:.1f} MB"
