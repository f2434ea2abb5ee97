"""Latency on this machine: the network alone, and from a photo's bytes to its label."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixer_edge.board import Board
from mixer_edge.bundle import Bundle
from mixer_edge.classifier import Classifier
from mixer_edge.decode import ImageSource, encode_jpeg
from mixer_edge.stopwatch import times_ms

PHOTO_SIZE = (4000, 3000)
"""(width, height) of the synthetic photo: 12 megapixels, like a photo from a Pi's camera."""


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Statistics of times in milliseconds."""

    median_ms: float
    p90_ms: float
    p99_ms: float
    runs: int

    @classmethod
    def of(cls, milliseconds: NDArray[np.float64]) -> Latency:
        """Return the median and percentiles (linear interpolation) of ``[runs]`` times."""
        median, p90, p99 = np.percentile(milliseconds, (50, 90, 99))
        return cls(median_ms=float(median), p90_ms=float(p90), p99_ms=float(p99), runs=len(milliseconds))


@dataclass(frozen=True, kw_only=True)
class BenchmarkRow:
    """The latencies for one thread count: the network alone, and from a file's bytes to its label."""

    threads: int
    network: Latency
    photo_to_label: Latency


@dataclass(frozen=True, kw_only=True)
class Temperatures:
    """The processor's temperature in degrees Celsius before and after a benchmark; None if it is not reported."""

    before: float | None
    after: float | None


@dataclass(frozen=True, kw_only=True)
class BenchmarkReport:
    """What ``mixer-edge benchmark --json`` prints."""

    bundle: str
    """The bundle's fingerprint."""
    variant: str
    backend: str
    board: Board
    temperature_celsius: Temperatures
    throttling: tuple[str, ...] | None
    """What slows the board down now or has done so since it started; None if the board does not report it."""
    rows: tuple[BenchmarkRow, ...]
    """One for each thread count."""


def benchmark(
    bundle: Bundle,
    variant: str,
    photos: Sequence[ImageSource],
    *,
    threads: Iterable[int],
    runs: int = 50,
    warm_up: int = 5,
    seconds: float = math.inf,
    backend: str = "auto",
) -> list[BenchmarkRow]:
    """Return the latencies of a variant for each thread count.

    Args:
        bundle: an open bundle.
        variant: which of its files.
        photos: pictures for photo-to-label, used in turn, one at a time; nothing is decoded ahead.
        threads: thread counts of the interpreter.
        runs: timed inferences, and timed photos.
        warm_up: inferences and photos before them that are not timed.
        seconds: after this time there are no more timed inferences, or photos, but at least 3 of each.
        backend: interpreter to use.

    Raises:
        ImageError: a photo cannot be read.
        InterpreterError: no interpreter here can run the file.
    """
    rows = []
    for count in threads:
        with Classifier(bundle, variant, backend=backend, threads=count) as classifier:
            network = Latency.of(classifier.latencies_ms(runs, warm_up=warm_up, seconds=seconds))
            label = functools.partial(_label, classifier, itertools.cycle(photos))
            photo_to_label = Latency.of(times_ms(label, runs, warm_up=warm_up, seconds=seconds))
        rows.append(BenchmarkRow(threads=count, network=network, photo_to_label=photo_to_label))
    return rows


def _label(classifier: Classifier, photos: Iterator[ImageSource]) -> NDArray[np.float32]:
    """Return the output for the next photo; decode it first."""
    return classifier.output(classifier.tensor(next(photos)))


def thread_counts(cpus: int) -> list[int]:
    """Return 1, 2, 4 ... and the number of processors."""
    return sorted({1 << power for power in range(cpus.bit_length())} | {cpus})


def synthetic_photo(size: tuple[int, int] = PHOTO_SIZE) -> bytes:
    """Return a seeded JPEG of ``size``; it mixes coarse and fine structure, so it compresses like a photo."""
    width, height = size
    rng = np.random.default_rng(0)
    pixels = np.full((height, width, 3), 128, np.float32)
    for cell, contrast in ((256, 40), (32, 20), (4, 6)):
        noise = rng.standard_normal((-(-height // cell), -(-width // cell), 3), np.float32) * np.float32(contrast)
        pixels += noise.repeat(cell, axis=0).repeat(cell, axis=1)[:height, :width]
    return encode_jpeg(pixels.clip(0, 255).astype(np.uint8))
