"""Distances of outputs and of blocks, computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from mixer_edge_export.drift.distances import between_blocks, distances, energy, standardized


def test_standardized_outputs() -> None:
    """Mean 0 and standard deviation 1 for each; a constant one is 0, and one that only rounds is constant."""
    outputs = np.array([[0, 5, 1], [2, 5, np.nextafter(np.float32(1), np.float32(2))]], np.float32)
    assert standardized(outputs).tolist() == [[-1, 0, 0], [1, 0, 0]]


def test_a_distance_does_not_grow_with_the_number_of_outputs() -> None:
    """The root of the mean squared difference."""
    assert distances(np.array([[0.0, 0.0], [1.0, 7.0]])).tolist() == [[0, 5], [5, 0]]
    assert distances(np.ones((2, 9)) * [[0], [5]]).tolist() == [[0, 5], [5, 0]]


def test_blocks_of_two() -> None:
    """The mean of four distances; the pictures of one block do not count."""
    places = np.array([0.0, 2.0, 10.0, 14.0])
    apart = np.abs(places[:, np.newaxis] - places)
    assert between_blocks(apart, 2).tolist() == [[0, 11], [11, 0]]


def test_the_energy_distance() -> None:
    """Blocks at 0 and 1, and at 10 and 11: 2 (10 + 11 + 9 + 10) / 4 - 1 - 1, and less for any other labels."""
    places = np.array([0.0, 1.0, 10.0, 11.0])
    statistic = energy(np.abs(places[:, np.newaxis] - places))
    labels = np.array([[False, False, True, True], [False, True, False, True]])
    assert statistic(labels) == pytest.approx([18, 2 * (1 + 11 + 9 + 1) / 4 - 10 - 10])


def test_it_is_zero_on_average_if_nothing_has_moved() -> None:
    """Over all draws of one distribution the mean is 0, also with more recent blocks than others."""
    generator = np.random.default_rng(0)
    found = []
    for _ in range(300):
        means = between_blocks(distances(generator.normal(size=(50, 3))), 5)
        found.append(energy(means)(np.arange(10)[np.newaxis] >= 3)[0])
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(len(found))
