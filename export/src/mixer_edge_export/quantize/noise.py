"""Estimate the noise that each static int8 layer adds to the residual stream, and choose the layers to keep in float.

A tensor with the int8 range of width ``w`` has the noise ``(w / 255)² / 12``. A layer adds that of its input, through
its weights, and that of its output. What counts is the noise relative to the stream it is added to, because every
LayerNorm scales the stream to the same size. So the same noise matters most in the first blocks, where the stream is
small. The estimates need no further run; docs/quantization.md compares them with measurements.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mixer_edge_export.network.mixer import HEAD, STEM
from mixer_edge_export.quantize.activation_ranges import Observed, Ranges
from mixer_edge_export.quantize.half_precision import layer_norms
from mixer_edge_export.quantize.layers import Layer
from mixer_edge_export.tflite.graph import Graph, Operator

LARGEST_SHARE = 0.03
"""Largest share of the multiply-accumulates in float: 4 % more instructions on a Pi 5."""


def noisiest_layers(
    model: bytes, layers: Sequence[Layer], observed: Mapping[str, Observed], ranges: Ranges
) -> tuple[Layer, ...]:
    """Return the layers to keep in float, in the order of the network: those with most noise per operation.

    Args:
        model: the float32 file of a Mixer.
        layers: its layers.
        observed: its activations on the calibration pictures.
        ranges: their int8 ranges.
    """
    noise = layer_noise(model, layers, observed, ranges)
    left = LARGEST_SHARE * sum(layer.multiply_accumulates for layer in layers)
    chosen = []
    for layer in sorted(noise, key=lambda layer: -noise[layer] / layer.multiply_accumulates):
        if layer.multiply_accumulates <= left:
            chosen.append(layer)
            left -= layer.multiply_accumulates
    return tuple(layer for layer in layers if layer in chosen)


def layer_noise(
    model: bytes, layers: Sequence[Layer], observed: Mapping[str, Observed], ranges: Ranges
) -> dict[Layer, float]:
    """Return each layer's noise power over the power of the residual stream it is added to; the head is left out."""
    by_output = {op.outputs[0].name: op for op in Graph.read(model).operators}
    operators = {layer: by_output[layer.operators[0][1]] for layer in layers}
    # the mean variance in each LayerNorm is the power of the stream behind the stem, token mixing, channel mixing ...
    powers = iter([observed[mean.outputs[0].name].mean for mean, _ in layer_norms(model)])
    noise, power = {}, 1.0
    for layer, following in zip(layers, [*layers[1:], None], strict=True):
        op = operators[layer]
        if layer.name == HEAD:
            continue
        if layer.name == STEM or layer.name.endswith("Dense_0"):
            power = next(powers)
        noise[layer] = _step_noise(ranges[op.outputs[0].name])
        if layer.name != STEM:  # its input is exact
            noise[layer] += _step_noise(ranges[op.inputs[0].name]) * _gain(op)
        if layer.name.endswith("Dense_0") and following is not None:
            noise[layer] *= _gain(operators[following]) / 2  # about half of a GELU's inputs pass
        noise[layer] /= power
    return noise


def _step_noise(limits: tuple[float, float]) -> float:
    low, high = min(limits[0], 0.0), max(limits[1], 0.0)
    return ((high - low) / 255) ** 2 / 12


def _gain(op: Operator) -> float:
    """Return the mean over a layer's outputs of the sum of its squared weights."""
    kernel = op.inputs[1].values
    return float(np.square(kernel).sum() / kernel.shape[0])
