"""Find layers to keep in float so that int8 loses no more accuracy than allowed, for as little time as possible.

The layers are ranked by the noise in the output when only this layer is int8, per multiply-accumulate: the time that a
layer in float costs. Bisection finds the smallest number of layers, from the top of the ranking, that keeps the bound.
Then each of these layers is tried in int8, the last first, and stays in int8 if the bound still holds. The layers in
float may only have a limited share of the weights. If the bound is not kept with these, the layers are ranked by their
noise alone, then by noise per weight. For n layers this takes at most 2 n + log2 n + 5 files, each quantized in less
than a second and run on the selection set. The same input gives the same result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mixer_edge.errors import BoundError
from mixer_edge.progress import progress
from mixer_edge_export.quantize.activation_ranges import Ranges
from mixer_edge_export.quantize.apply import quantize_model
from mixer_edge_export.quantize.layers import Layer, keep_float, quantized_layers
from mixer_edge_export.quantize.selection import SelectionSet
from mixer_edge_export.quantize.variants import VARIANTS

BOUND_VARIANT = "int8"
"""The fastest recipe; the search starts from it."""
RANKING_SAMPLES = 32
LATENCY_ROUNDS = 5
LARGEST_SHARE = 1 / 3
"""Largest share of the weights in float: with 4 bytes each and 1 for the others, the file is as large as float16."""

Drop = Callable[[Sequence[Layer]], float]
"""Points lost with these layers in float."""


@dataclass(frozen=True, kw_only=True)
class Bound:
    """How much accuracy int8 may lose."""

    max_drop: float
    """In points: of top-1 if the selection set has labels, else of agreement with float32."""
    selection: Path | None = None
    """Pictures to measure it on; None for the calibration pictures, or more generated ones if these are generated."""


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """The further layers kept in float, and their cost; drops are points of the selection set's measure."""

    kept: tuple[Layer, ...]
    layer_count: int
    """Number of layers that int8 quantizes without a bound."""
    int8_drop: float
    drop: float
    int8_size_bytes: int
    size_bytes: int
    latency_ratio: float
    """Median time of one inference here, divided by that of int8 with no layer in float."""


def find_mixture(
    float_model: bytes,
    layers: Sequence[Layer],
    ranges: Ranges,
    pictures: SelectionSet,
    max_drop: float,
    *,
    always: Sequence[Layer] = (),
) -> Mixture:
    """Return the layers to keep in float.

    Args:
        float_model: the float32 TFLite file.
        layers: the file's layers.
        ranges: the ranges of its activations.
        pictures: the selection set; do not evaluate on it.
        max_drop: largest drop on it, in points.
        always: layers that are in float in any case.

    Raises:
        BoundError: the bound is not kept even with a third of the weights in float.
    """
    variant = keep_float(VARIANTS[BOUND_VARIANT], always)
    judge = pictures.with_input_of(variant)
    reference = pictures.outputs(float_model)
    candidates = quantized_layers(variant, layers)

    def build(kept: Sequence[Layer]) -> bytes:
        return quantize_model(float_model, keep_float(variant, kept), ranges)

    def drop(kept: Sequence[Layer]) -> float:
        return pictures.drop(judge.outputs(build(kept)), reference)

    kept: Sequence[Layer] = ()
    int8_drop = drop(kept)
    if int8_drop > max_drop:
        few = judge.head(RANKING_SAMPLES)
        expected = pictures.head(RANKING_SAMPLES).outputs(float_model)
        noise = {}
        for layer in progress(candidates, "ranking layers"):
            outputs = few.outputs(build([other for other in candidates if other != layer]))
            noise[layer] = float(np.square(outputs - expected).sum())
        try:
            kept = search(noise, drop, max_drop)
        except BoundError as error:
            raise BoundError(
                f"{BOUND_VARIANT} on {len(pictures.pixels)} pictures, {pictures.measure}: {error}"
            ) from None
    int8, mixture = build([]), build(kept)
    return Mixture(
        kept=tuple(layer for layer in candidates if layer in kept),
        layer_count=len(candidates),
        int8_drop=int8_drop,
        drop=drop(kept) if kept else int8_drop,
        int8_size_bytes=len(int8),
        size_bytes=len(mixture),
        latency_ratio=_latency_ratio(mixture, int8, judge) if kept else 1.0,
    )


def search(noise: Mapping[Layer, float], drop: Drop, max_drop: float) -> list[Layer]:
    """Return the layers to keep in float, given the noise of each layer when only this one is int8.

    Raises:
        BoundError: ``drop`` is above ``max_drop`` even with the largest share of the weights in float.
    """
    rankings = [
        _affordable(sorted(noise, key=lambda layer: -noise[layer] / layer.multiply_accumulates)),
        _affordable(sorted(noise, key=lambda layer: -noise[layer])),
        _affordable(sorted(noise, key=lambda layer: -noise[layer] / layer.kernel_size)),
    ]
    drops = []
    for kept in rankings:
        drops.append(drop(kept))
        if drops[-1] <= max_drop:
            break
    else:
        raise BoundError(
            f"{min(drops):.2f} points are lost even with a third of the weights in float, {max_drop:g} are allowed; "
            "raise --max-drop, or use float16, which is not larger then"
        )
    too_few, enough = 0, len(kept)
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        too_few, enough = (too_few, middle) if drop(kept[:middle]) <= max_drop else (middle, enough)
    kept = kept[:enough]
    for layer in progress(kept[::-1], "trying fewer layers in float"):
        if len(kept) > 1 and drop(fewer := [other for other in kept if other != layer]) <= max_drop:
            kept = fewer
    return kept


def _affordable(ranked: Sequence[Layer]) -> list[Layer]:
    """Return the layers, in order, that together fit into the share of the weights that may be in float."""
    left = LARGEST_SHARE * sum(layer.kernel_size for layer in ranked)
    chosen = []
    for layer in ranked:
        if layer.kernel_size <= left:
            chosen.append(layer)
            left -= layer.kernel_size
    return chosen


def _latency_ratio(model: bytes, base: bytes, pictures: SelectionSet) -> float:
    """Return the ratio of the median times of one inference; they alternate, so that a busy machine slows down both."""
    times = [(pictures.latency_ms(model), pictures.latency_ms(base)) for _ in range(LATENCY_ROUNDS)]
    model_ms, base_ms = np.median(times, axis=0)
    return float(model_ms / base_ms)


def format_mixture(mixture: Mixture, pictures: SelectionSet) -> str:
    """Return the cost of the bound as one line."""
    loses = f"{BOUND_VARIANT} loses {mixture.drop:.2f} points of {pictures.measure} on {len(pictures.pixels)} pictures"
    if not mixture.kept:
        return f"{loses} with no further layer in float"
    names = ", ".join(layer.name for layer in mixture.kept)
    return (
        f"{loses} with {len(mixture.kept)} more of {mixture.layer_count} layers in float ({names}) instead of "
        f"{mixture.int8_drop:.2f}; {mixture.size_bytes / 1e6:.2f} MB instead of "
        f"{mixture.int8_size_bytes / 1e6:.2f} MB, {mixture.latency_ratio:.2f} times the latency here"
    )
