"""Count instructions per inference on the 64-bit boards; the count does not depend on the host or its load.

python -m emulator.instructions pi5-bookworm MODEL... prints one JSON object per file.
"""

import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from emulator.board import BACKENDS, UIDS, Board, BoardError, fresh_board
from emulator.hardware import MODELS
from emulator.host import HostError
from numpy.typing import NDArray

Array = NDArray[Any]

HERE = Path(__file__).parent
WORK = "/opt/infer"
RUNS = 3
# qemu-user-static has no plugins, so the host's dynamic qemu runs inside the board with the host's own loader.
HOST = f"{WORK}/host"
HOST_LIBRARIES = "/usr/lib/x86_64-linux-gnu"
QEMU = (f"{HOST}/ld-linux-x86-64.so.2", "--library-path", HOST, f"{WORK}/qemu-aarch64")


def infer(board: Board, model: Path, image: Array | None, backend: str) -> Array:
    """Return the model's first output for `image`, or for seeded noise, computed on the board.

    Raises:
        BoardError: the interpreter failed; the message is what it printed.
    """
    board.run(_prepare(board, model, image, backend, runs=0))
    output: Array = np.load(work_folder(board) / "output.npy")
    return output


def instructions(board: Board, model: Path, image: Array | None, backend: str) -> dict[str, int]:
    """Return what one inference on one thread executes.

    Args:
        board: A board with a 64-bit system.
        model: A .tflite file; an .onnx file for "onnxruntime".
        image: One input, of the model's own input shape and dtype; None for seeded noise.
        backend: One of `BACKENDS`.

    Returns:
        Numbers of instructions: "insn" all, and of these "simd" floating point and vector, "fmla" vector
        multiply-accumulate in floating point, "dot" int8 dot product. The median of three inferences.

    Raises:
        BoardError: the interpreter failed; the message is what it printed.
    """
    return median(counted(board, _prepare(board, model, image, backend, runs=RUNS)))


def counted(board: Board, command: Sequence[str], env: Mapping[str, str] | None = None) -> list[dict[str, int]]:
    """Return what a program on the board has executed at each of its calls of getppid.

    Args:
        board: A board with a 64-bit system.
        command: A path on the board, and arguments.
        env: Variables to add to those of a plain session.

    Raises:
        BoardError: it failed; the message is what it printed.
    """
    if board.model.architecture != "arm64":
        raise BoardError(f"instructions are counted on 64-bit boards only, {board.model.hardware} here runs 32-bit")
    work = work_folder(board)
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", work / "insn.so", HERE / "insn.c"], check=True)
    shutil.copy("/usr/bin/qemu-aarch64", work)
    board.run(
        # Python's caches are indexed by addresses and by seeded hashes: with both fixed the counts repeat exactly.
        ["setarch", "--addr-no-randomize", *QEMU, "-plugin", f"{WORK}/insn.so,out={WORK}/counts", *command],
        env={"PYTHONHASHSEED": "0", **(env or {})},
        binds={HOST_LIBRARIES: HOST},
    )
    return _read(work / "counts")


def host_instructions(python: Path, model: Path, backend: str, processor: str) -> int:
    """Return what one inference on one thread executes on an x86-64 processor, on the host's own files.

    Args:
        python: An interpreter of the host that has the backend.
        model: A .tflite or .onnx file.
        backend: "ai-edge-litert", "tflite-runtime" or "onnxruntime".
        processor: A name of qemu's, e.g. "Haswell": AVX2, and nothing newer.

    Raises:
        BoardError: the interpreter failed; the message is what it printed.
    """
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        build = ["gcc", "-O2", "-shared", "-fPIC", "-DGETPPID=110", "-o", work / "insn.so", HERE / "insn.c"]
        subprocess.run(build, check=True)
        files = [str(model), str(work / "none"), str(work / "output.npy"), str(RUNS)]
        qemu = ["setarch", "--addr-no-randomize", "qemu-x86_64", "-cpu", processor]
        done = subprocess.run(
            [
                *qemu,
                "-plugin",
                f"{work}/insn.so,out={work}/counts",
                str(python),
                str(HERE / "infer.py"),
                backend,
                *files,
            ],
            env={"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PATH": os.defpath},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise BoardError(f"{model} failed under qemu-x86_64 -cpu {processor}: {done.stderr}")
        return median(_read(work / "counts"))["insn"]


def median(marks: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """Return the median of what the runs between the marks took, by kind."""
    runs = list(itertools.pairwise(marks))
    return {kind: sorted(after[kind] - before[kind] for before, after in runs)[len(runs) // 2] for kind in marks[0]}


def _read(counts: Path) -> list[dict[str, int]]:
    return [json.loads(line) for line in counts.read_text().splitlines()]


def _prepare(board: Board, model: Path, image: Array | None, backend: str, *, runs: int) -> list[str]:
    """Put what infer.py needs on the board and return the command that runs it."""
    python = board.interpreter(backend)
    work = work_folder(board)
    shutil.copy(HERE / "infer.py", work)
    shutil.copy(model, work / "model")
    (work / "input.npy").unlink(missing_ok=True)
    if image is not None:
        np.save(work / "input.npy", image)
    files = [f"{WORK}/{name}" for name in ("model", "input.npy", "output.npy")]
    return [python, f"{WORK}/infer.py", backend, *files, str(runs)]


def work_folder(board: Board) -> Path:
    """Return `WORK` of the board as the host sees it; it is made, and the user pi's."""
    work = board.root / WORK.lstrip("/")
    work.mkdir(parents=True, exist_ok=True)
    os.chown(work, UIDS["pi"], UIDS["pi"])
    return work


def main(argv: list[str] | None = None) -> int:
    """Count and print, one line per file."""
    parser = argparse.ArgumentParser(prog="python -m emulator.instructions", description=main.__doc__)
    parser.add_argument("board", choices=[name for name, model in MODELS.items() if model.architecture == "arm64"])
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL")
    parser.add_argument("--backend", choices=list(BACKENDS), default="ai-edge-litert")
    parser.add_argument("--input", type=Path, metavar="INPUT.npy", help="one input of the models' shape (noise)")
    arguments = parser.parse_args(argv)
    image = np.load(arguments.input) if arguments.input else None
    try:
        with fresh_board(arguments.board) as board:
            for model in arguments.models:
                row = {"board": arguments.board, "backend": arguments.backend, "model": str(model)}
                print(json.dumps(row | instructions(board, model, image, arguments.backend)))
    except (HostError, BoardError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
