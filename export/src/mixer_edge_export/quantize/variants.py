"""The table of variants; a variant's name is the same in flags, file names, manifests and documents.

- ``float32``: the reference.
- ``float16``: weights stored as float16, computed in float16 where the processor can (Pi 5), else in float32.
- ``int8``: convolution and dense layers static int8, calibrated, the head, the noisiest layers and the rest float32.
- ``int8-dynamic``: weights int8, the inputs of dense layers quantized row by row at run time.
- ``int8-integer``: no float tensor in the file, int8 throughout.
- ``int16-integer``: no float tensor in the file, layers int8, the residual stream and LayerNorm int16.

A quantized input is lossless: ``q = pixel - 128`` at scale 1/127.5; see
``mixer_edge_export.quantize.apply.shift_input``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from mixer_edge.errors import ModelError
from mixer_edge_export.acceptance.tolerances import (
    FLOAT_TOLERANCE,
    HALF_TOLERANCE,
    INTEGER_TOLERANCE,
    MAX_FLOAT16_ERROR,
    MAX_FLOAT_ERROR,
    MAX_INTEGER_ERROR,
)

LAYERS = ("CONV_2D", "FULLY_CONNECTED")
MOVE_OPERATORS = ("RESHAPE", "TRANSPOSE")
"""Operators that pass on the values of a layer unchanged, and its range."""
Method = Literal["static", "dynamic", "float16", "none"]
"""Int8 with calibrated ranges, int8 with ranges measured at run time, float16 weights, or no change."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How to quantize the operators in some layers; a later rule of a recipe overrides an earlier one."""

    operators: tuple[str, ...]
    method: Method
    layers: str = ".*"
    """Regular expression for the names of an operator's outputs, which start with the layer's key."""
    activation_bits: int = 8


@dataclass(frozen=True, kw_only=True)
class Variant:
    """How to make one file from the float32 file."""

    name: str
    purpose: str
    recipe: str
    """The description in the manifest."""
    bytes_per_weight: int
    """Lower bound of the file's size per parameter of the network: a smaller file has lost weights."""
    max_error: float
    """Largest error allowed on the golden pictures, from the source."""
    rules: tuple[Rule, ...] = ()
    half: bool = False
    """Whether float layers are computed in float16 where the processor can.

    See ``mixer_edge_export.quantize.half_precision``.
    """

    @property
    def calibrated(self) -> bool:
        """Whether ranges of activations are needed; the input is then int8 and lossless."""
        return any(rule.method == "static" for rule in self.rules)

    @property
    def tolerance(self) -> float:
        """Largest difference allowed on a board, from the golden outputs and over the largest of them."""
        if any(rule.method in ("static", "dynamic") for rule in self.rules):
            return INTEGER_TOLERANCE
        return HALF_TOLERANCE if self.half else FLOAT_TOLERANCE


STATIC = Rule(operators=LAYERS, method="static")
INTEGER_INPUT = Rule(operators=("INPUT",), method="static")
INTEGER_EDGES = Rule(operators=("INPUT", "OUTPUT"), method="static")
GELU = Rule(operators=("GELU",), method="static")
AROUND = Rule(operators=("ADD", "MEAN", "MUL", "RSQRT", "SUB"), method="static")
"""LayerNorm and the residual stream."""
FLOAT_HEAD = Rule(operators=("FULLY_CONNECTED",), method="none", layers="^PartitionedCall")
"""The converter's name for the output of the last layer."""

INTEGER_MOVES = Rule(operators=MOVE_OPERATORS, method="static")
"""Next to an int8 layer, int8 values are cheaper to move than wider ones, and equal to them."""
NARROW_AFFINE = Rule(operators=("MUL", "ADD"), method="static", layers="/LayerNorm_0/(mul_2|add_1)")
"""Scale and bias before token mixing, whose input is int8 anyway."""

VARIANTS: dict[str, Variant] = {
    variant.name: variant
    for variant in (
        Variant(
            name="float32",
            purpose="the reference",
            recipe="float32",
            bytes_per_weight=4,
            max_error=MAX_FLOAT_ERROR,
        ),
        Variant(
            name="float16",
            purpose="half the size, and twice as fast on a Pi 5, which computes it in half precision",
            recipe="weights float16, computed in float16 where the processor can, else in float32",
            bytes_per_weight=2,
            max_error=MAX_FLOAT16_ERROR,
            rules=(Rule(operators=("*",), method="float16"),),
            half=True,
        ),
        Variant(
            name="int8",
            purpose="a quarter of the size and the fastest on a Pi: the one to ship",
            recipe="convolution and dense layers static int8 (weights per channel), the head and the rest float32",
            bytes_per_weight=1,
            max_error=MAX_INTEGER_ERROR,
            rules=(INTEGER_INPUT, STATIC, INTEGER_MOVES, FLOAT_HEAD),
            half=True,
        ),
        Variant(
            name="int8-dynamic",
            purpose="no calibration; closest to float32 of the int8 files, slower on a Pi",
            recipe="weights int8 per channel, inputs of dense layers quantized at run time, the rest float32",
            bytes_per_weight=1,
            max_error=MAX_INTEGER_ERROR,
            rules=(Rule(operators=LAYERS, method="dynamic"),),
            half=True,
        ),
        Variant(
            name="int8-integer",
            purpose="integers only, for accelerators and readers without floats; runs in every runtime",
            recipe="every operator static int8, no float tensor",
            bytes_per_weight=1,
            max_error=MAX_INTEGER_ERROR,
            rules=(INTEGER_EDGES, STATIC, GELU, AROUND, INTEGER_MOVES),
        ),
        Variant(
            name="int16-integer",
            purpose="integers only and closer to float32, twice as slow; needs int16 kernels",
            recipe="layers and GELU static int8, LayerNorm and residual stream int16, no float tensor",
            bytes_per_weight=1,
            max_error=MAX_INTEGER_ERROR,
            rules=(INTEGER_EDGES, STATIC, GELU, replace(AROUND, activation_bits=16), INTEGER_MOVES, NARROW_AFFINE),
        ),
    )
}


def select_variants(names: Sequence[str]) -> list[Variant]:
    """Return the variants with these names, in the table's order; float32, the reference, is always included.

    Raises:
        ModelError: a name is not in the table; the message lists the known ones.
    """
    if unknown := [name for name in names if name not in VARIANTS]:
        raise ModelError(f"unknown variant {unknown[0]!r}; expected some of {', '.join(VARIANTS)}")
    return [variant for variant in VARIANTS.values() if variant.name in {"float32", *names}]
