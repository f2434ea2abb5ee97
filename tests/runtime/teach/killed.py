"""Kill processes that teach, and check that each left what was there before its last change, or after it.

``killed.py ROUNDS SEED``, with XDG_DATA_HOME set to an empty folder, kills before every call that may write, for each
kind of change, then ROUNDS times at random, and prints how often it killed. It forks, so it has no threads.
"""

from __future__ import annotations

import json
import os
import random
import sys
from functools import partial

from tests.killing import forked, killed_at_call
from tests.teaching import EXTRACTOR, check, contents, draw

from mixer_edge.teach.state import add, forget_class, forget_picture

Change = tuple[str, str, list[int]]
"""``add``, a class and pictures; ``forget class`` and a class; or ``forget``, nothing and a picture."""


def do(change: Change) -> None:
    """Make a change."""
    kind, label, numbers = change
    if kind == "add":
        add(EXTRACTOR, label, [draw(number) for number in numbers])
    elif kind == "forget class":
        forget_class(EXTRACTOR.folder, label)
    else:
        forget_picture(EXTRACTOR.folder, digest=draw(numbers[0]).digest)


def after(before: dict[str, str], change: Change) -> dict[str, str]:
    """Return the class of every picture after a change."""
    kind, label, numbers = change
    if kind == "add":
        return before | {f"{number}.png": label for number in numbers}
    if kind == "forget class":
        return {name: found for name, found in before.items() if found != label}
    return {name: found for name, found in before.items() if name != f"{numbers[0]}.png"}


def restore(state: dict[str, str]) -> None:
    """Undo a change."""
    for label in set(contents().values()):
        forget_class(EXTRACTOR.folder, label)
    for label in dict.fromkeys(state.values()):
        add(EXTRACTOR, label, [draw(int(name[:-4])) for name, found in state.items() if found == label])


def at_every_call() -> int:
    """Kill at every call of one change of each kind, from the first change on; return how often."""
    kills = 0
    before: dict[str, str] = {}
    for change in (
        ("add", "a", [1, 2]), ("add", "b", [3, 2]), ("forget", "", [3]), ("forget class", "b", []),
    ):  # fmt: skip
        number = 1
        while killed_at_call(number, partial(do, change)):
            kills += 1
            if check([before, after(before, change)]) != before:
                restore(before)
            number += 1
        before = check([after(before, change)])
    return kills


def at_random(rounds: int, seed: int) -> int:
    """Kill so often at a random time while changes are made, and return how often."""
    generator = random.Random(seed)
    state = check([contents()])
    for round_number in range(rounds):
        reader, writer = os.pipe()

        def work(round_number: int = round_number, writer: int = writer) -> None:
            choose = random.Random(1000 * seed + round_number)
            while True:
                kind = choose.choice(["add", "add", "add", "forget", "forget", "forget class"])
                numbers = choose.sample(range(30), 1 if kind == "forget" else 3)
                change = (kind, "" if kind == "forget" else choose.choice("abc"), numbers)
                os.write(writer, f"{json.dumps(change)}\n".encode())
                do(change)

        assert forked(work, generator.uniform(0, 0.1))
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            begun = [json.loads(line) for line in pipe]
        states = [state]
        for kind, label, numbers in begun:
            states.append(after(states[-1], (kind, label, numbers)))
        # the last one may be there or not; those before it were acknowledged
        state = check(states[-2:])
    return rounds


if __name__ == "__main__":
    rounds, seed = map(int, sys.argv[1:])
    print(at_every_call(), at_random(rounds, seed))
