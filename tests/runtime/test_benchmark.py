"""Latencies: percentiles by hand, thread counts, and one real run."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mixer_edge.benchmark import Latency, benchmark, synthetic_photo, thread_counts
from mixer_edge.bundle import Bundle


def test_latency_sums_up_by_linear_interpolation() -> None:
    """For 1 to 101 the median is 51, the 90th percentile 91 and the 99th 100."""
    latency = Latency.of(np.arange(1, 102, dtype=np.float64))
    assert latency == Latency(median_ms=51, p90_ms=91, p99_ms=100, runs=101)


@pytest.mark.parametrize(("cpus", "expected"), [(1, [1]), (2, [1, 2]), (4, [1, 2, 4]), (6, [1, 2, 4, 6])])
def test_thread_counts_double_up_to_the_processors(cpus: int, expected: list[int]) -> None:
    """The number of processors is included even if it is not a power of two."""
    assert thread_counts(cpus) == expected


def test_the_synthetic_photo_is_a_jpeg_of_its_size_and_always_the_same() -> None:
    """Odd sizes, too."""
    file = synthetic_photo((301, 203))
    image = Image.open(io.BytesIO(file))
    assert (image.format, image.size) == ("JPEG", (301, 203))
    assert file == synthetic_photo((301, 203))


def test_each_thread_count_has_a_row(tiny_bundle: Path) -> None:
    """The number of runs is as requested; the photo takes longer than the network, which it includes."""
    rows = benchmark(Bundle.open(tiny_bundle), "int8", [synthetic_photo((800, 600))], threads=(1, 2), runs=7, warm_up=1)
    assert [row.threads for row in rows] == [1, 2]
    for row in rows:
        assert (row.network.runs, row.photo_to_label.runs) == (7, 7)
        assert 0 < row.network.median_ms < row.photo_to_label.median_ms
