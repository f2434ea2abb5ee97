"""How accurate classes are that were taught on a board, beside a head that was trained on the workstation."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
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
    """Return the accuracy on the held-out digits for each number of pictures per class, and where they were taught."""
    with fresh_board(name) as board:
        work, python = work_folder(board), installed(board)
        export("digits_fe", work / "digits_fe", variants=("float32", "int8"))
        write_images(work / "digits")
        features = _features(work / "digits_fe", work / "digits")
        found: dict[str, dict[str, list[float]]] = {}
        for shots in SHOTS:
            rows = found.setdefault(str(shots), {"board, int8": [], "board, float32": [], "workstation": []})
            for seed in range(DRAWS):
                drawn = draw(work / "digits/train", shots, seed)
                rows["workstation"].append(workstation(features, drawn, shots, seed))
                for variant in ("int8", "float32"):
                    home = f"{shots}-{seed}-{variant}"
                    rows[f"board, {variant}"].append(on_board(board, python, drawn, variant, home))
    return {shots: {key: float(np.mean(each)) for key, each in rows.items()} for shots, rows in found.items()}


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


def on_board(board: Board, python: str, drawn: Sequence[Path], variant: str, home: str) -> float:
    """Return the accuracy after these pictures were taught by the command, and the held-out ones classified by it."""
    env = {"PYTHONPATH": f"{WORK}/source", "XDG_DATA_HOME": f"{WORK}/home/{home}", "OPENBLAS_NUM_THREADS": "1"}
    command = [python, "-m", "mixer_edge"]
    flags = [f"{WORK}/digits_fe", "--variant", variant, "--json"]
    work = work_folder(board)
    lessons = [
        [*flags, digit, *(f"{WORK}/{path.relative_to(work)}" for path in drawn if path.parent.name == digit)]
        for digit in "0123456789"
    ]
    board.run([python, "-c", TEACH, json.dumps(lessons)], env=env)  # one process: an emulated one starts slowly
    classified = board.run([*command, "classify", *flags, f"{WORK}/digits/held_out"], env=env)
    answers = [json.loads(line) for line in classified.stdout.splitlines()]
    assert len(answers) == HELD_OUT
    return float(np.mean([each["categories"][0]["label"] == Path(each["image"]).parent.name for each in answers]))
