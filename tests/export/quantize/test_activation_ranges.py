"""Ranges of activations: the histogram, and the range computed from it."""

import numpy as np
import pytest

from mixer_edge_export.quantize.activation_ranges import BINS, Histogram, Observed, gelu, tune


def seen(values: np.ndarray) -> Observed:
    """Return the observation of a tensor with these values."""
    histogram = Histogram()
    histogram.add(values.astype(np.float32))
    return Observed(low=float(values.min()), high=float(values.max()), mean=float(values.mean()), histogram=histogram)


def rounded(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return the values as int8 holds them in a range that includes 0."""
    scale = (high - low) / 255
    zero_point = np.rint(-low / scale)
    return (np.clip(np.rint(values / scale) + zero_point, 0, 255) - zero_point) * scale


def test_a_histogram_counts_each_value_in_its_bin() -> None:
    """Over [-4, 4) a bin is 1/1024 wide: -4 is in the first, 0 in the middle one, the float below 4 in the last."""
    histogram = Histogram()
    histogram.add(np.array([-4 + 1e-6, 0, np.nextafter(np.float32(4), np.float32(0))], np.float32))
    assert histogram.limit == 4
    assert np.nonzero(histogram.counts)[0].tolist() == [0, BINS // 2, BINS - 1]
    assert histogram.centres()[BINS // 2] == 4 / BINS


def test_a_histogram_forgets_the_order() -> None:
    """Small values first or last, the counts are the same although the bins grew in between."""
    parts = [np.array([0.1, -0.2], np.float32), np.array([7.5], np.float32), np.array([-100, 3e-4], np.float32)]
    counts = []
    for order in (parts, parts[::-1]):
        histogram = Histogram()
        for part in order:
            histogram.add(part)
        counts.append(histogram.counts)
    np.testing.assert_array_equal(counts[0], counts[1])
    assert counts[0].sum() == 5


def test_min_max_is_what_was_seen() -> None:
    """The exact smallest and largest value."""
    assert tune({"a": seen(np.array([-0.3, 0, 2.7]))}, "min-max") == {"a": (-0.3, 2.7)}


def test_between_layers_every_method_is_min_max() -> None:
    """A tensor without a histogram keeps its extremes."""
    assert tune({"a": Observed(low=-1.5, high=2.5, mean=0.5, histogram=None)}) == {"a": (-1.5, 2.5)}


def test_percentiles_come_from_the_counts() -> None:
    """Of 0, 1 ... 1000 the 99th percentile is 990, to the width of a bin."""
    low, high = tune({"a": seen(np.arange(1001.0))}, "percentile-99")["a"]
    assert low == pytest.approx(10, abs=0.25)
    assert high == pytest.approx(990, abs=0.25)


def test_least_squared_error_gives_up_rare_outliers() -> None:
    """One value of 40 among 100,000 of a normal distribution: the tuned range is tighter and its error smaller."""
    values = np.append(np.random.default_rng(0).standard_normal(100_000), 40.0)
    low, high = tune({"a": seen(values)})["a"]
    assert high < 36
    tuned = np.square(rounded(values, low, high) - values).mean()
    assert tuned < np.square(rounded(values, values.min(), values.max()) - values).mean()


def test_no_steps_are_spent_below_minus_four_in_front_of_a_gelu() -> None:
    """Values down to -30, which GELU maps to zero, are clipped, but not without a GELU."""
    values = np.random.default_rng(0).uniform(-30, 3, 50_000)
    before, other = "MixerBlock_0/token_mixing/Dense_0/MatMul", "MixerBlock_0/token_mixing/Dense_1/MatMul"
    ranges = tune({before: seen(values), other: seen(values)})
    assert -7 < ranges[before][0] < -2.5
    assert ranges[other][0] == pytest.approx(-30, rel=0.03)
    assert abs(float(gelu(np.float64(-4)))) < 2e-4
