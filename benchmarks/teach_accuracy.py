"""How accurate classes are that were taught on a board, beside a head that was trained on the workstation."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from emulator.board import BACKENDS, Board, fresh_board
from emulator.instructions import WORK, work_folder

import mixer_edge
from mixer_edge.classifier import Classifier
from mixer_edge_export.digits.images import write_images
from mixer_edge_export.pipeline import export
from mixer_edge_export.training.choice import choose
from mixer_edge_export.training.heads import Part, fit
from mixer_edge_export.training.split import folds

SHOTS = (1, 5, 25)
DRAWS = 3
ONE_SHOT = Part(kind="ridge", strength=1.0)
FOLDS = 10
HELD_OUT = 815
TEACH = """
import json, sys
from mixer_edge.cli import main
for arguments in json.loads(sys.argv[1]):
    assert main(["teach", *arguments]) == 0
"""


def accuracy(name: str) -> dict[str, dict[str, float]]:
    """Return the accuracy on the held-out digits for each number of pictures per class, taught here and on a board.

    The board teaches the first draw: an emulated one classifies the 815 pictures in minutes.
    """
    with fresh_board(name) as board:
        work, python = work_folder(board), installed(board)
        export("digits_fe", work / "digits_fe", variants=("float32", "int8"))
        write_images(work / "digits")
        features = _features(work / "digits_fe", work / "digits")
        found = {}
        for shots in SHOTS:
            draws = [draw(work / "digits/train", shots, seed) for seed in range(DRAWS)]
            answers = {variant: [here(work, drawn, variant) for drawn in draws] for variant in ("int8", "float32")}
            there = on_board(board, python, draws[0])
            found[str(shots)] = {
                **{variant: float(np.mean([right(each) for each in every])) for variant, every in answers.items()},
                "workstation": float(
                    np.mean([workstation(features, drawn, shots, seed) for seed, drawn in enumerate(draws)])
                ),
                "first draw": right(answers["int8"][0]),
                "first draw on the board": right(there),
                "other answers there": sum(answers["int8"][0][path] != label for path, label in there.items()),
            }
    return found


def installed(board: Board) -> str:
    """Put the runtime package's source and what it needs on the board; return the interpreter."""
    shutil.copytree(Path(mixer_edge.__file__).parent, work_folder(board) / "source/mixer_edge")
    return board.install("/opt/mixer-edge", [*BACKENDS["ai-edge-litert"], "pillow"])


def draw(folder: Path, shots: int, seed: int) -> list[Path]:
    """Return so many pictures of each class."""
    rng = np.random.default_rng(seed)
    return [
        path
        for digit in sorted(folder.iterdir())
        for path in rng.choice(sorted(digit.iterdir()), shots, replace=False).tolist()
    ]


def workstation(features: dict[Path, np.ndarray], drawn: Sequence[Path], shots: int, seed: int) -> float:
    """Return the accuracy of the head that ``train`` makes of these pictures."""
    known = np.stack([features[path] for path in drawn])
    classes = np.array([int(path.parent.name) for path in drawn])
    if shots == 1:
        head = fit([ONE_SHOT], known, classes, 10)
    else:
        head = choose(known, classes, folds(classes, np.arange(len(classes)), min(FOLDS, shots), seed), 10).head
    held_out = [path for path in features if path.parent.parent.name == "held_out"]
    answers = head.logits(np.stack([features[path] for path in held_out])).argmax(axis=1)
    return float(np.mean([answer == int(path.parent.name) for answer, path in zip(answers, held_out, strict=True)]))


def _features(bundle: Path, pictures: Path) -> dict[Path, np.ndarray]:
    with Classifier.load(bundle, "float32", threads=1) as classifier:
        return {path: classifier.output(classifier.tensor(path)) for path in sorted(pictures.rglob("*.png"))}


def here(work: Path, drawn: Sequence[Path], variant: str) -> dict[str, str]:
    """Return the label of every held-out picture after these were taught on this machine, by the same commands."""
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, "XDG_DATA_HOME": home, "OPENBLAS_NUM_THREADS": "1"}

        def run(*command: str) -> str:
            return subprocess.run(
                [sys.executable, *command], env=env, check=True, capture_output=True, text=True
            ).stdout

        return _answers(run, drawn, work, variant)


def on_board(board: Board, python: str, drawn: Sequence[Path]) -> dict[str, str]:
    """Return the same on the board, by int8."""
    env = {"PYTHONPATH": f"{WORK}/source", "XDG_DATA_HOME": f"{WORK}/home/{len(drawn)}", "OPENBLAS_NUM_THREADS": "1"}
    work = work_folder(board)
    there = [Path(WORK) / path.relative_to(work) for path in drawn]
    return _answers(lambda *command: board.run([python, *command], env=env).stdout, there, Path(WORK), "int8")


def _answers(run: Callable[..., str], drawn: Sequence[Path], work: Path, variant: str) -> dict[str, str]:
    flags = [str(work / "digits_fe"), "--variant", variant, "--json"]
    lessons = [[*flags, digit, *(str(path) for path in drawn if path.parent.name == digit)] for digit in "0123456789"]
    run("-c", TEACH, json.dumps(lessons))  # one process: an emulated one starts slowly
    printed = run("-m", "mixer_edge", "classify", *flags, str(work / "digits/held_out"))
    answers = [json.loads(line) for line in printed.splitlines()]
    assert len(answers) == HELD_OUT
    return {str(Path(each["image"]).relative_to(work)): each["categories"][0]["label"] for each in answers}


def right(answers: Mapping[str, str]) -> float:
    """Return the share of pictures that got the label of their folder."""
    return float(np.mean([label == Path(path).parent.name for path, label in answers.items()]))
