"""The ranges of statically quantized activations: measured on the calibration pictures, then tuned.

Three methods were compared (docs/quantization.md has the figures): the smallest and largest value (``min-max``),
percentiles, and the range with the lowest mean squared error (``mse``). ``mse`` is used: it clips a few rare values
and has finer steps in return. Before a GELU, the error is computed on the GELU's output. Values below -4 then need no
steps, because GELU maps them to almost zero (``|gelu(-4)| < 2e-4``).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixer_edge.progress import progress
from mixer_edge_export.network.mixer import gelu
from mixer_edge_export.quantize.variants import LAYERS, MOVE_OPERATORS
from mixer_edge_export.tflite.graph import Graph

Ranges = dict[str, tuple[float, float]]
METHOD = "mse"
BINS = 8192
BEFORE_GELU = re.compile(r"_mixing/Dense_0/")
_SHRINK = np.linspace(1.0, 0.2, 41)
_LEVELS = np.arange(256)


class Histogram:
    """Counts of values in ``BINS`` bins over [-limit, limit); limit is a power of two that grows with the values.

    When it grows, pairs of bins are merged, so the counts do not depend on the order of the values.
    """

    def __init__(self) -> None:
        self.limit = 2.0**-20
        self.counts = np.zeros(BINS, np.int64)

    def add(self, values: NDArray[np.float32]) -> None:
        """Count the values."""
        largest = max(float(values.max()), -float(values.min()))
        while largest >= self.limit:
            middle = self.counts.reshape(-1, 2).sum(axis=1)
            self.counts = np.pad(middle, BINS // 4)
            self.limit *= 2
        bins = values + np.float32(self.limit)
        bins *= np.float32(BINS / 2 / self.limit)
        counts = np.bincount(bins.astype(np.intp), minlength=BINS)
        counts[BINS - 1] += counts[BINS:].sum()  # a value next to the limit is rounded up to it
        self.counts += counts[:BINS]

    def centres(self) -> NDArray[np.float64]:
        """Return the middle of each bin, ``[BINS]`` float64."""
        return np.asarray((np.arange(BINS) + 0.5) * (2 * self.limit / BINS) - self.limit, np.float64)


@dataclass(frozen=True, kw_only=True)
class Observed:
    """The observed values of one tensor: extremes, mean and, for inputs and outputs of layers, a histogram."""

    low: float
    high: float
    mean: float
    histogram: Histogram | None


def observe(float_model: bytes, images: Iterable[NDArray[np.float32]], total: int) -> dict[str, Observed]:
    """Return the observed values of every activation by name; the order of the images does not matter.

    Args:
        float_model: the float32 TFLite file.
        images: ``[1, H, W, 3]`` float32 in [-1, 1] each.
        total: number of images.
    """
    from ai_edge_litert.interpreter import Interpreter

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a warning that keeping all tensors takes memory
        interpreter = Interpreter(model_content=float_model, experimental_preserve_all_tensors=True)
        interpreter.allocate_tensors()
    graph = Graph.read(float_model)
    (input_tensor,) = graph.inputs
    activations = {input_tensor.index} | {tensor.index for op in graph.operators for tensor in op.outputs}
    layers = [op for op in graph.operators if op.name in LAYERS or op.name in MOVE_OPERATORS]
    edges = {tensor.index for op in layers for tensor in (op.inputs[0], op.outputs[0])}
    tensors = {t.index: t.name for t in graph.tensors if t.index in activations and t.dtype == "float32"}
    extremes = dict.fromkeys(tensors, (np.inf, -np.inf))
    sums = dict.fromkeys(tensors, 0.0)
    histograms = {index: Histogram() for index in edges}
    for image in progress(images, "calibrating", total):
        interpreter.set_tensor(input_tensor.index, image)
        interpreter.invoke()
        for index in tensors:
            tensor = interpreter.get_tensor(index).ravel()
            low, high = extremes[index]
            extremes[index] = (min(low, float(tensor.min())), max(high, float(tensor.max())))
            sums[index] += float(tensor.mean())
            if index in edges:
                histograms[index].add(tensor)
    return {
        name: Observed(
            low=extremes[index][0],
            high=extremes[index][1],
            mean=sums[index] / total,
            histogram=histograms.get(index),
        )
        for index, name in tensors.items()
    }


def tune(observed: Mapping[str, Observed], method: str = METHOD) -> Ranges:
    """Return the range of each tensor by name.

    Args:
        observed: the result of ``observe``.
        method: ``mse``, ``min-max`` or ``percentile-<p>``; between layers it is always ``min-max``.
    """
    return {name: _range(values, method, BEFORE_GELU.search(name) is not None) for name, values in observed.items()}


def _range(observed: Observed, method: str, before_gelu: bool) -> tuple[float, float]:
    histogram = observed.histogram
    if histogram is None or method == "min-max":
        return observed.low, observed.high
    if method == "mse":
        return _least_error(observed.low, observed.high, histogram, gelu if before_gelu else lambda x: x)
    top = float(method.removeprefix("percentile-")) / 100
    parts = np.cumsum(histogram.counts) / histogram.counts.sum()
    low, high = histogram.centres()[np.searchsorted(parts, (1 - top, top))]
    return float(low), float(high)


def _least_error(
    smallest: float,
    largest: float,
    histogram: Histogram,
    function: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> tuple[float, float]:
    """Return the int8 range with the lowest squared error of ``function``'s output.

    The search shrinks the upper end, then the lower end, twice.
    """
    (used,) = np.nonzero(histogram.counts)
    values, counts = histogram.centres()[used], histogram.counts[used]
    exact = function(values)

    def error(low: float, high: float) -> float:
        low, high = min(low, 0.0), max(high, 0.0)
        scale = (high - low) / 255 or 1.0
        zero_point = np.rint(-low / scale)
        steps = np.clip(np.rint(values / scale) + zero_point, 0, 255).astype(np.int64)
        return float(counts @ np.square(function((_LEVELS - zero_point) * scale)[steps] - exact))

    low, high = smallest, largest
    for _ in range(2):
        high = min((largest * part for part in _SHRINK), key=lambda end: error(low, end))
        low = min((smallest * part for part in _SHRINK), key=lambda end: error(end, high))
    return low, high
