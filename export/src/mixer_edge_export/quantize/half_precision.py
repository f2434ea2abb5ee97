"""Half precision: a metadata entry lets XNNPACK compute float layers in float16 where the processor can (Pi 5).

Float16 ends at 65504 and loses precision below 6e-5. In a Mixer the squares in the LayerNorms are the largest values,
and their means the smallest that matter. A LayerNorm does not depend on the scale of its input. So all that is added to
the residual stream can be multiplied by a power of two, and epsilon by its square: the outputs stay the same, in
float32 bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from mixer_edge_export.network.mixer import STEM
from mixer_edge_export.quantize.activation_ranges import Observed
from mixer_edge_export.quantize.layers import find_layers
from mixer_edge_export.tflite.graph import Graph, Operator
from mixer_edge_export.tflite.metadata import replace

ALLOWED, REFUSED = "reduced_precision_support", "reduced_precision_refused"
"""The entry's name: XNNPACK knows only the first. Both are equally long, so an entry is allowed without a copy of all
weights to another place."""
ENTRY = {REFUSED: b"fp16accfp16"}
"""The entry of a float32 file; XNNPACK reads exactly these bytes."""
LARGEST = 65504 / 4
"""Largest value wanted on the calibration pictures, so that other pictures may have twice as large activations."""
SMALLEST = 1e-3
"""Smallest variance wanted; its squares are then mostly above 6e-5."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """The values that float16 must represent."""

    largest: float
    """Largest magnitude of all activations."""
    square: float
    """Largest square in a LayerNorm; 0 if there is none."""
    variance: float
    """Smallest variance in a LayerNorm; infinite if there is none."""

    @property
    def fits(self) -> bool:
        """Whether float16 represents them well."""
        return self.largest <= LARGEST and self.variance >= SMALLEST

    @property
    def factor(self) -> float:
        """The power of two by which the residual stream is multiplied; 1 if that is not needed or does not help."""
        if self.fits or not self.square:
            return 1.0
        return 2.0 ** math.floor(math.log2(LARGEST / self.square) / 2)


def spread(model: bytes, observed: Mapping[str, Observed]) -> Spread:
    """Return the spread of a float32 file's activations, as observed on the calibration pictures."""
    means = [mean for mean, _ in layer_norms(model)]
    return Spread(
        largest=max(max(-values.low, values.high) for values in observed.values()),
        square=max((observed[mean.inputs[0].name].high for mean in means), default=0.0),
        variance=min((observed[mean.outputs[0].name].low for mean in means), default=math.inf),
    )


def allow(model: bytes) -> bytes:
    """Return a file, quantized from one with ``ENTRY``, that may be computed in half precision.

    Raises:
        ModelError: the file does not have the entry.
    """
    return replace(model, REFUSED.encode(), ALLOWED.encode())


def scale_stream(model: bytes, architecture: Mapping[str, int | None], factor: float) -> bytes:
    """Return a Mixer's float32 file with the residual stream multiplied by ``factor``, a power of two."""
    content = bytearray(model)
    operators = {op.outputs[0].name: op for op in Graph.read(content).operators}
    for layer in find_layers(model, architecture):
        if layer.name == STEM or layer.name.endswith("Dense_1"):
            _, kernel, bias = operators[layer.operators[0][1]].inputs
            kernel.values[...] *= factor
            bias.values[...] *= factor
    for epsilon in {add.inputs[1].index: add.inputs[1] for _, add in layer_norms(content)}.values():
        epsilon.values[...] *= factor**2
    return bytes(content)


def layer_norms(model: bytes | bytearray) -> list[tuple[Operator, Operator]]:
    """Return the mean of squares and the addition of epsilon to it, for each LayerNorm in the order of the network."""
    operators = Graph.read(model).operators
    means = {op.outputs[0].index: op for op in operators if op.name == "MEAN"}
    return [
        (means[op.inputs[0].index], op)
        for op in operators
        if op.name == "ADD"
        and op.inputs[0].index in means
        and op.inputs[1].buffer is not None
        and math.prod(op.inputs[1].shape) == 1
    ]
