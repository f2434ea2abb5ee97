"""Instructions per image on emulated boards: exact, whatever this machine is doing, and no measure of time."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks.contestants import Contestant

from mixer_edge_export.mixer import MixerConfig

BOARDS = ("pi5-bookworm", "pi4-bookworm")
BACKENDS = {"litert": "ai-edge-litert", "onnx": "onnxruntime"}
MACS_PER_INSTRUCTION = {"pi5-bookworm": 16, "pi4-bookworm": 8}
"""int8 products per vector instruction: SDOT on a Cortex-A76; a multiply-accumulate of eight lanes on an A72."""


def multiply_accumulates(config: MixerConfig) -> int:
    """Return how many the network's convolution and matrix products take for one image."""
    total = 0
    for key, shape in config.shapes().items():
        if key.endswith("/kernel"):
            rows = config.hidden_dim if "token_mixing" in key else 1 if key.startswith("head") else config.num_tokens
            total += rows * math.prod(shape)
    return total


def count(everybody: Sequence[Contestant], config: MixerConfig) -> dict[str, Any]:
    """Return for every board the instructions of one inference, one thread, by contestant, and the floor."""
    from tests.device.board import BoardError, fresh_board
    from tests.device.instructions import instructions

    boards = {}
    for name in BOARDS:
        rows: dict[str, int | str] = {}
        with fresh_board(name) as board:
            for one in everybody:
                if one.kind in BACKENDS:
                    print(f"{name}: {one.name}", file=sys.stderr)
                    try:
                        rows[one.name] = instructions(board, one.model, None, BACKENDS[one.kind])["insn"]
                    except BoardError as error:
                        rows[one.name] = str(error).strip().splitlines()[-1]
        boards[name] = {"floor": multiply_accumulates(config) // MACS_PER_INSTRUCTION[name], "rows": rows}
    return boards
