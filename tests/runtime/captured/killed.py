"""Kill processes that capture, and check that each left what was there before its last change, or after it.

``killed.py FOLDER`` kills before every call that may write, for each kind of change, and prints how often it killed.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from tests.killing import killed_at_call
from tests.runtime.captured.test_store import ANSWERED, contents, kept

from mixer_edge.captured.store import read_captured, remove, remove_older, set_label

FILES = [b"0123456789", b"abcdefghijklmnopqrst", b"!"]
State = list[tuple[bytes, str | None]]
"""The pictures, with their labels."""


def day(number: int) -> str:
    """Return the time of a picture."""
    return f"2026-05-0{number + 1}T03:02:01.000Z"


def changes(folder: Path) -> list[tuple[Callable[[], object], State]]:
    """Return changes, each with what is there after it; the ring has room for 30 bytes."""

    def add(number: int) -> Callable[[], object]:
        return partial(kept, folder, FILES[number], answered=replace(ANSWERED, time=day(number)))

    first, second, third = ((content, None) for content in FILES)
    cat = (FILES[0], "cat")
    return [
        (add(0), [first]),
        (add(1), [first, second]),
        (lambda: set_label(folder, read_captured(folder)[0].file, "cat"), [cat, second]),
        (add(2), [cat, third]),
        (lambda: remove_older(folder, day(3)), [cat]),
        (lambda: remove(folder, [found.file for found in read_captured(folder)]), []),
    ]


def check(folder: Path) -> State:
    """Check that no file is left over, and return what is there."""
    remove(folder, [])  # the next program that writes tidies up
    assert list((folder / "pending").iterdir()) == []
    return list(zip(contents(folder), (found.label for found in read_captured(folder)), strict=True))


def main(folder: Path) -> int:
    """Return how often it killed."""
    kills, before = 0, folder.with_name("before")
    check(folder)
    for change, after in changes(folder):
        shutil.copytree(folder, before)
        allowed = check(folder), after
        number = 1
        while killed_at_call(number, change):
            assert check(folder) in allowed
            shutil.rmtree(folder)
            shutil.copytree(before, folder)
            number += 1
        kills += number - 1
        assert check(folder) == after
        shutil.rmtree(before)
    return kills


if __name__ == "__main__":
    print(main(Path(sys.argv[1])))
