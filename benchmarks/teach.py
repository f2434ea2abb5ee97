"""What teaching on a board costs, and how accurate it is: ``python -m benchmarks.teach``.

Writes ``docs/teach.json`` and the tables in ``docs/teach.md``. The stages ``instructions`` and ``accuracy`` need the
emulated boards, so x86-64 Debian and root. The exit code is 3 if a bound is missed.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks import taught
from benchmarks.boards import BOARDS
from benchmarks.measure import in_turns, machine, seconds, spreads
from benchmarks.page import replace_part, table
from benchmarks.results import write
from benchmarks.teach_accuracy import DRAWS, HELD_OUT, accuracy, installed
from emulator.board import fresh_board
from emulator.instructions import WORK, counted, instructions, work_folder
from threadpoolctl import threadpool_limits

from mixer_edge.classifier import Classifier
from mixer_edge_export.pipeline import export

DOCS = Path(__file__).parents[1] / "docs"
MARK = "<!-- written by benchmarks.teach -->"
FEW, MANY = 100, 10_000
TURNS = 25
SLOWER, POINTS, ERRORS = 1.2, 0.5, 0.5
"""Bounds: many pictures against few; int8 below float32; standard errors below the workstation's head."""
ACTIONS = ("one more picture", "one picture less", "reading the head")


def cost() -> dict[str, Any]:
    """Return the processor time of one more picture with few and with many, beside the network's, and the sizes."""
    with tempfile.TemporaryDirectory() as name, threadpool_limits(1):
        work = Path(name)
        homes = {count: work / str(count) for count in (FEW, MANY)}
        for count, home in homes.items():
            filled(count, home)
        export("random:mixer_b32", work / "b32", variants=("int8",))
        numbers = itertools.count(MANY)

        def at(count: int, action: Callable[[], object]) -> Callable[[], float]:
            def measured() -> float:
                os.environ["XDG_DATA_HOME"] = str(homes[count])
                return seconds(action, time.process_time)

            return measured

        with Classifier.load(work / "b32", threads=1) as network:
            noise = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
            tensor = network.tensor(noise)
            calls = {"the network": lambda: seconds(lambda: network.output(tensor), time.process_time)}
            for count in homes:
                calls |= {
                    f"one more picture, {count}": at(count, lambda: taught.teach_one(next(numbers))),
                    f"reading the head, {count}": at(count, taught.read_head),
                }
            turns = in_turns(calls, TURNS)
        rows = spreads(turns, "the network", "cpu_ms", 1000)
        ratios = {
            action: float(np.median(np.array(turns[f"{action}, {MANY}"]) / np.array(turns[f"{action}, {FEW}"])))
            for action in ("one more picture", "reading the head")
        }
        sizes = {str(count): next(home.rglob("taught.sqlite")).stat().st_size for count, home in homes.items()}
    return {"machine": machine(), "rows": rows, "many_to_few": ratios, "bytes": sizes}


def filled(pictures: int, home: Path) -> None:
    """Make a state of so many pictures in a folder."""
    command = [sys.executable, str(Path(taught.__file__)), str(pictures)]
    subprocess.run(command, env={**os.environ, "XDG_DATA_HOME": str(home)}, check=True)


def count_on(name: str) -> dict[str, Any]:
    """Return the instructions of each action on an emulated board, and those of one inference of B/32, one thread."""
    with fresh_board(name) as board, tempfile.TemporaryDirectory() as folder:
        work, python = work_folder(board), installed(board)
        shutil.copy(taught.__file__, work / "taught.py")
        found: dict[str, Any] = {}
        for count in (FEW, MANY):
            home = work / str(count)
            filled(count, home)
            subprocess.run(["chown", "-R", "1000:1000", home], check=True)
            env = {
                "PYTHONPATH": f"{WORK}/source",
                "XDG_DATA_HOME": f"{WORK}/{count}",
                "OPENBLAS_NUM_THREADS": "1",
            }
            marks = counted(board, [python, f"{WORK}/taught.py", str(count), "--count"], env)
            runs = [after["insn"] - before["insn"] for before, after in itertools.pairwise(marks)]
            starts = range(0, len(runs), taught.RUNS)
            medians = [sorted(runs[start : start + taught.RUNS])[taught.RUNS // 2] for start in starts]
            found[str(count)] = dict(zip(ACTIONS, medians, strict=True))
        export("random:mixer_b32", Path(folder) / "b32", variants=("int8",))
        found["network"] = instructions(board, Path(folder) / "b32/int8.tflite", None, "ai-edge-litert")["insn"]
    return found


def on_boards(stage: Callable[[str], Any]) -> dict[str, Any]:
    """Return the figures of a stage on every board, several at a time: they do not depend on the load."""
    with ThreadPoolExecutor(len(BOARDS)) as pool:
        return dict(zip(BOARDS, pool.map(stage, BOARDS), strict=True))


def tables(found: Mapping[str, Any]) -> str:
    """Return the tables as Markdown."""
    rows = found["cost"]["rows"]
    lines = [
        f"Millions of instructions on one thread, with {taught.FEATURES} features and {taught.CLASSES} classes; "
        "in brackets relative to one inference of Mixer-B/32 int8 on the same board.",
        "",
        table(
            ["board", "pictures", *ACTIONS],
            [
                [name, f"{int(count):,}", *(_millions(each[count][action], each["network"]) for action in ACTIONS)]
                for name, each in found["instructions"].items()
                for count in map(str, (FEW, MANY))
            ],
        ),
        "",
        f"Processor time on {found['cost']['machine']['processor']}, one thread, {TURNS} turns: median and quartiles.",
        "",
        table(
            ["", "milliseconds", "relative to the network"],
            [[name, _spread(each["cpu_ms"], 1), _spread(each["ratio"], 2)] for name, each in rows.items()],
        ),
        "",
        f"Held-out accuracy in percent on {HELD_OUT} pictures of digits, mean over {DRAWS} draws; the workstation's "
        "head is that of `train`, with one picture per class ridge regression of strength 1.",
        "",
    ]
    sizes = next(iter(found["accuracy"].values()))
    columns = list(next(iter(sizes.values())))
    lines.append(
        table(
            ["board", "per class", *columns],
            [
                [name, shots, *(_percent(each[column]) for column in columns[:-1]), str(each[columns[-1]])]
                for name, every in found["accuracy"].items()
                for shots, each in every.items()
            ],
        )
    )
    return "\n".join(lines) + "\n"


def _millions(count: int, network: int) -> str:
    return f"{count / 1e6:.1f} ({count / network:.2f})"


def _spread(each: Mapping[str, float], digits: int) -> str:
    return f"{each['median']:.{digits}f} ({each['low']:.{digits}f} to {each['high']:.{digits}f})"


def _percent(value: float) -> str:
    return f"{100 * value:.2f}"


def missed(found: Mapping[str, Any]) -> list[str]:
    """Return a line for every bound that is missed."""
    lines = [
        f"{action} with {MANY} pictures: {ratio:.2f} times that with {FEW}, at most {SLOWER}"
        for action, ratio in found["cost"]["many_to_few"].items()
        if ratio > SLOWER
    ]
    for name, sizes in found["accuracy"].items():
        for shots, each in sizes.items():
            below = each["workstation"] - each["int8"]
            error = (each["workstation"] * (1 - each["workstation"]) / 815) ** 0.5
            if below > ERRORS * error:
                lines.append(
                    f"{name}, {shots} per class: {below:.2%} below the workstation, at most {ERRORS * error:.2%}"
                )
            if (lost := each["float32"] - each["int8"]) > POINTS / 100:
                lines.append(f"{name}, {shots} per class: int8 costs {lost:.2%}, at most {POINTS} points")
            if each["other answers there"]:
                lines.append(f"{name}, {shots} per class: {each['other answers there']} other answers than here, none")
    return lines


STAGES: Mapping[str, Callable[[], dict[str, Any]]] = {
    "cost": cost,
    "instructions": lambda: on_boards(count_on),
    "accuracy": lambda: on_boards(accuracy),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and write the results and the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.teach", description="Measure teaching.")
    parser.add_argument("--stages", nargs="+", choices=list(STAGES), default=list(STAGES), help="default: all")
    arguments = parser.parse_args(argv)
    target = DOCS / "teach.json"
    found = json.loads(target.read_text()) if target.exists() else {}
    for stage in arguments.stages:
        found[stage] = STAGES[stage]()
        write(target, found)
    if not set(STAGES) <= set(found):
        return 0
    replace_part(DOCS / "teach.md", MARK, tables(found))
    print(tables(found), end="")
    lines = missed(found)
    print("\n".join(f"missed: {line}" for line in lines) or "every bound is met", file=sys.stderr)
    return 3 if lines else 0


if __name__ == "__main__":
    raise SystemExit(main())
