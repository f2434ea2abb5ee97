"""Count instructions per image on emulated processors: exact under any load of this machine, but not a time."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from itertools import repeat
from typing import Any

from benchmarks.contestants import Contestant
from emulator.board import BoardError, fresh_board
from emulator.instructions import host_instructions, instructions

from mixer_edge_export.network.mixer import MixerConfig

BOARDS = ("pi5-bookworm", "pi4-bookworm")
BACKENDS = {"litert": "ai-edge-litert", "onnx": "onnxruntime"}
HASWELL = "x86-64, AVX2 alone"
MACS_PER_INSTRUCTION = {"pi5-bookworm": 16, "pi4-bookworm": 8, HASWELL: 32}
"""int8 products per vector instruction: SDOT on a Cortex-A76; multiply-accumulate of 8 lanes on an A72; VPMADDUBSW."""


def multiply_accumulates(config: MixerConfig) -> int:
    """Return the number of multiply-accumulates in the network's convolution and matrix products for one image."""
    total = 0
    for key, shape in config.shapes().items():
        if key.endswith("/kernel"):
            rows = config.hidden_dim if "token_mixing" in key else 1 if key.startswith("head") else config.num_tokens
            total += rows * math.prod(shape)
    return total


def count(everybody: Sequence[Contestant], config: MixerConfig) -> dict[str, Any]:
    """Return for every board the instructions of one inference, one thread, by contestant, and the floor.

    The last one is this host with the processor features of a Haswell.
    """
    runnable = [one for one in everybody if one.kind in BACKENDS]
    macs = multiply_accumulates(config)
    # counts do not depend on what else runs
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        rows = dict(zip(MACS_PER_INSTRUCTION, pool.map(count_on, MACS_PER_INSTRUCTION, repeat(runnable)), strict=True))
    return {name: {"floor": macs // MACS_PER_INSTRUCTION[name], "rows": counts} for name, counts in rows.items()}


def count_on(name: str, runnable: Sequence[Contestant]) -> dict[str, int | str]:
    """Return the count of every contestant on one processor, or the last line of the tool's error."""
    rows: dict[str, int | str] = {}
    with fresh_board(name) if name in BOARDS else nullcontext() as board:
        for one in runnable:
            backend = BACKENDS[one.kind]
            try:
                if board:
                    rows[one.name] = instructions(board, one.model, None, backend)["insn"]
                else:
                    rows[one.name] = host_instructions(one.python, one.model, backend, "Haswell")
            except BoardError as error:
                rows[one.name] = str(error).strip().splitlines()[-1]
            print(f"{name}, {one.name}: {rows[one.name]}", file=sys.stderr)
    return rows
