"""How far each variant's outputs on emulated boards are from the workstation's, for the golden pictures of ``digits``.

    python -m benchmarks.differences

writes the table of ``docs/quantization.md``. It needs x86-64 Debian and root, see emulator.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from benchmarks.page import DOCS, replace_part, table
from emulator.board import Board, BoardError, fresh_board
from emulator.instructions import infer

from mixer_edge.bundle import Bundle
from mixer_edge.metrics import relative_error
from mixer_edge.preprocess import normalize
from mixer_edge.tensors import dequantize, quantize
from mixer_edge_export.pipeline import export

MARK = "<!-- written by benchmarks.differences -->"
LITERT, TFLITE = "ai-edge-litert", "tflite-runtime"
BOARDS = {
    "pi5-bookworm": (LITERT, TFLITE),
    "pi5-trixie": (LITERT,),
    "pi4-bookworm": (LITERT, TFLITE),
    "pi-armhf": (TFLITE,),
}
"""The interpreters that have a wheel for each board."""


def difference(board: Board, bundle: Bundle, variant: str, backend: str) -> str:
    """Return ``0`` for bit-equal outputs, the largest difference over the largest output, or ``does not run``."""
    spec, golden = bundle.manifest.variant(variant), bundle.golden()
    images = quantize(normalize(golden["images"], bundle.manifest.preprocess_of(variant)), spec.input)
    try:
        found = np.concatenate(
            [infer(board, bundle.model_path(variant), image[np.newaxis], backend) for image in images]
        )
    except BoardError as error:
        print(f"{variant} on {backend}: {str(error).strip().splitlines()[-1]}", file=sys.stderr)
        return "does not run"
    if np.array_equal(found, golden[variant]):
        return "0"
    return f"{relative_error(dequantize(found, spec.output), dequantize(golden[variant], spec.output)):.1g}"


def main() -> int:
    """Run every variant on every board, and write the table."""
    folder = Path("build/benchmark/digits").resolve()
    export("digits", folder, overwrite=True)
    bundle = Bundle.open(folder)
    columns = {}
    for name, backends in BOARDS.items():
        with fresh_board(name) as board:
            for backend in backends:
                board.interpreter(backend)  # a failed installation is an error, not a file that does not run
                column = [difference(board, bundle, variant.name, backend) for variant in bundle.manifest.variants]
                columns[f"{board.model.hardware.partition(' Rev')[0]}, {board.model.suite}, {backend}"] = column
                print(f"{name}, {backend}: {', '.join(column)}", file=sys.stderr)
    header = ["", *(f"`{variant.name}`" for variant in bundle.manifest.variants)]
    replace_part(DOCS / "quantization.md", MARK, table(header, [[name, *column] for name, column in columns.items()]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
