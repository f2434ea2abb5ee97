"""Half precision is used where the processor has it, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from emulator.board import Board
from emulator.instructions import infer, instructions

from mixer_edge.bundle import Bundle
from mixer_edge.metrics import relative_error
from mixer_edge.preprocess import normalize
from mixer_edge.tensors import dequantize, quantize

LITERT, TFLITE = "ai-edge-litert", "tflite-runtime"


@pytest.mark.parametrize(
    ("name", "backend", "least", "most"),
    [
        ("pi5-bookworm", LITERT, 1e-4, 2e-2),
        ("pi5-bookworm", TFLITE, 1e-4, 2e-2),
        ("pi4-bookworm", LITERT, 0, 1e-5),
        ("pi4-bookworm", TFLITE, 0, 1e-5),
    ],
)
def test_float16_is_rounded_on_a_pi_5_alone(
    board: Callable[[str], Board], digits: Path, name: str, backend: str, least: float, most: float
) -> None:
    """A Pi 5 rounds every activation, within the variant's tolerance; a Pi 4 computes what this machine does."""
    bundle = Bundle.open(digits)
    variant, golden = bundle.manifest.variant("float16"), bundle.golden()
    assert (variant.half_precision, variant.tolerance) == (True, 2e-2)
    image = quantize(normalize(golden["images"][:1], bundle.manifest.preprocess), variant.input)
    found = infer(board(name), bundle.model_path("float16"), image, backend)
    error = relative_error(dequantize(found, variant.output), golden["float16"][:1])
    assert least <= error <= most
    assert np.argmax(found) == np.argmax(golden["float16"][0])


@pytest.mark.parametrize(("name", "low", "high"), [("pi5-bookworm", 0.5, 0.6), ("pi4-bookworm", 0.99, 1.01)])
def test_float16_takes_half_the_instructions_on_a_pi_5(
    board: Callable[[str], Board], digits: Path, name: str, low: float, high: float
) -> None:
    """The count of the whole file, in terms of float32's."""
    bundle = Bundle.open(digits)
    counts = {
        variant: instructions(board(name), bundle.model_path(variant), None, LITERT)["insn"]
        for variant in ("float32", "float16")
    }
    assert low < counts["float16"] / counts["float32"] < high
