"""``mixer-edge-export collect``: bring pictures home from boards, to train on."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from mixer_edge_export.commands.boards import FAILED, add_hosts, run_on_boards

if TYPE_CHECKING:
    from mixer_edge_export.collect.action import Collected
    from mixer_edge_export.deploy.board import Board


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its flags."""
    parser = commands.add_parser(
        "collect",
        help="bring home what boards were taught and what they were unsure of",
        description="Copy the taught and the captured pictures of boards into class folders, those without a class "
        "into OUT/unsorted, and write the table OUT/collected.csv. What is there already is not copied again; what you "
        "have moved or removed there stays as it is.",
    )
    parser.set_defaults(run=run)
    add_hosts(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder of the pictures, e.g. photos")
    parser.add_argument(
        "--forget",
        action="store_true",
        help="let the boards forget captured pictures whose copies were read from the disk again and are right; "
        "taught pictures stay there",
    )


def run(arguments: argparse.Namespace) -> int:
    """Collect from every board; 1 if a board failed or a picture could not be copied."""
    from mixer_edge_export.collect.action import collect
    from mixer_edge_export.collect.photos import opened

    failed: list[str] = []

    def action(board: Board) -> Collected:
        collected = collect(board, photos, free=arguments.forget)
        failed.extend(collected.failed)
        return collected

    columns = ("pictures", "new", "moved", "unsorted", "failed", "forgotten")
    with opened(arguments.out) as photos:
        code = run_on_boards(arguments, action, columns, _row, asdict)
    for line in sorted(failed):
        print(f"error: {line}", file=sys.stderr)
    counts = photos.counts()
    unsorted, total = counts.pop("", 0), sum(counts.values())
    print(f"{arguments.out}: {total} pictures of {len(counts)} classes, {unsorted} unsorted", file=sys.stderr)
    return FAILED if failed else code


def _row(collected: Collected) -> list[tuple[str, ...]]:
    forgotten = "-" if collected.forgotten is None else str(collected.forgotten)
    numbers = (collected.pictures, collected.new, collected.moved, collected.unsorted, len(collected.failed))
    return [(*map(str, numbers), forgotten)]
