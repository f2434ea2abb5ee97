"""Class means and ridge regression from sums, against the same computed directly."""

from __future__ import annotations

import numpy as np
import pytest

from mixer_edge.head import Standardized, Statistics, class_means, ridge, ridge_left_out


def draw(counts: tuple[int, ...], features: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return ``[n, features]`` float32 features and ``[n]`` classes."""
    rng = np.random.default_rng(seed)
    classes = np.repeat(np.arange(len(counts)), counts)
    return (rng.normal(classes[:, np.newaxis], 1 + np.arange(features), (len(classes), features))).astype(
        np.float32
    ), classes


def test_class_means_by_hand() -> None:
    """Means (0, 0) and (4, 2), variances 4 and 1, with the prior 2.75 and 2.25: halfway both logits are equal."""
    features = np.array([[0, 0], [4, 2]], np.float32)
    kernel, bias = class_means(Standardized.of(Statistics.of(features, np.array([0, 1]), 2)))
    # (2 * 4 + 10 * 2.5) / 12 and (2 * 1 + 10 * 2.5) / 12; the means are (-2, -1) and (2, 1) before the division
    np.testing.assert_allclose(kernel, [[-2 / 2.75, 2 / 2.75], [-1 / 2.25, 1 / 2.25]])
    size = 4 / 2.75 + 1 / 2.25
    np.testing.assert_allclose(bias, [size - size / 2, -size - size / 2])
    logits = np.array([2, 1]) @ kernel + bias
    assert logits[0] == pytest.approx(logits[1])


@pytest.mark.parametrize("counts", [(20, 20, 20), (40, 5, 9), (1, 1, 1)])
def test_ridge_solves_the_weighted_regression(counts: tuple[int, ...]) -> None:
    """The kernel is that of least squares on +1 and -1, the classes weighted equally around one pooled covariance."""
    features, classes = draw(counts, 6)
    statistics = Statistics.of(features, classes, 3)
    kernel, bias = ridge(Standardized.of(statistics), 0.3)
    means = np.array([features[classes == index].mean(axis=0, dtype=np.float64) for index in range(3)])
    middle = means.mean(axis=0)
    within = sum(
        np.outer(row - means[index], row - means[index])
        for row, index in zip(features.astype(np.float64), classes, strict=True)
    )
    covariance = within / len(classes) + (means - middle).T @ (means - middle) / 3
    variance = np.diag(covariance)
    spread = np.sqrt((len(classes) * variance + 10 * variance.mean()) / (len(classes) + 10))
    correlation = covariance / np.outer(spread, spread)
    expected = np.linalg.solve(correlation + 0.3 * np.eye(6), ((means - middle) / spread).T) * 2 / 3
    np.testing.assert_allclose(kernel, expected / spread[:, np.newaxis], rtol=1e-8)
    np.testing.assert_allclose(bias, 2 / 3 - 1 - middle @ kernel, rtol=1e-8)


def test_even_classes_give_ordinary_ridge_regression() -> None:
    """With as many pictures of each class it is the textbook's: minimize |XW + b - T|² / n + strength |W|²."""
    features, classes = draw((15, 15), 4)
    kernel, bias = ridge(Standardized.of(Statistics.of(features, classes, 2)), 0.5)
    values = features.astype(np.float64)
    variance = values.var(axis=0)
    z = (values - values.mean(axis=0)) / np.sqrt((30 * variance + 10 * variance.mean()) / 40)
    targets = 2 * np.eye(2)[classes] - 1
    expected = np.linalg.solve(z.T @ z / len(z) + 0.5 * np.eye(4), z.T @ targets / len(z))
    np.testing.assert_allclose(values @ kernel + bias, z @ expected + targets.mean(axis=0), rtol=1e-6, atol=1e-9)


def test_removing_a_picture_is_never_having_added_it() -> None:
    """To 1e-9 of the logits, for pictures of any class."""
    features, classes = draw((12, 8, 5), 10)
    whole = Statistics.of(features, classes, 3)
    for row in (0, 13, 24):
        rest = np.arange(len(classes)) != row
        without = whole - Statistics.of(features[[row]], classes[[row]], 3)
        anew = Statistics.of(features[rest], classes[rest], 3)
        for solve in (class_means, lambda standardized: ridge(standardized, 0.1)):
            (kernel, bias), (expected, shift) = solve(Standardized.of(without)), solve(Standardized.of(anew))
            np.testing.assert_allclose(features @ kernel + bias, features @ expected + shift, rtol=1e-9, atol=1e-9)
    again = (whole - Statistics.of(features[:1], classes[:1], 3)) + Statistics.of(features[:1], classes[:1], 3)
    np.testing.assert_allclose(again.gram, whole.gram)


def test_a_constant_feature_is_not_blown_up() -> None:
    """Its spread is that of the prior alone, so its weight is smaller than that of the others."""
    features, classes = draw((30, 30), 3)
    features[:, 2] = 5 + 1e-6 * np.random.default_rng(1).normal(size=60)
    standardized = Standardized.of(Statistics.of(features, classes, 2))
    variances = features[:, :2].astype(np.float64).var(axis=0)
    assert standardized.spread[2] == pytest.approx(np.sqrt(10 / 70 * variances.sum() / 3), rel=1e-6)
    kernel, _ = ridge(standardized, 0.01)
    assert np.abs(kernel[2]).max() < np.abs(kernel[:2]).max()


def test_a_class_without_pictures_is_never_the_answer() -> None:
    """Its logit is minus infinity, and the others are those of a head that does not know it."""
    features, classes = draw((10, 10), 4)
    for solve in (class_means, lambda standardized: ridge(standardized, 1.0)):
        kernel, bias = solve(Standardized.of(Statistics.of(features, classes, 3)))
        expected, shift = solve(Standardized.of(Statistics.of(features, classes, 2)))
        assert bias[2] == -np.inf
        np.testing.assert_array_equal(kernel[:, 2], 0)
        np.testing.assert_allclose(features @ kernel[:, :2] + bias[:2], features @ expected + shift)


def test_leaving_out_by_hand() -> None:
    """One feature, classes 0, 2 and 6, 10: without the first picture the means are 2 and 8, and 5 is the middle.

    The mean of all four is 4.5, the variance within the classes 2.5 and between them 12.25; with the prior, it is
    14.75 either way. Without the first picture the variance is 8 / 4 within, as the divisor stays, and 9 between.
    """
    features = np.array([[0], [2], [6], [10]], np.float32)
    statistics = Statistics.of(features, np.array([0, 0, 1, 1]), 2)
    standardized = Standardized.of(statistics)
    assert standardized.spread**2 == pytest.approx([14.75])
    _, _, logits = ridge_left_out(standardized, statistics.counts, 1.0, features[:1], np.array([0]))
    kernel = 3 / (2 + 9 + 14.75)
    np.testing.assert_allclose(logits, [[5 * kernel, -5 * kernel]])


@pytest.mark.parametrize("counts", [(5, 3, 2), (2, 2), (20, 7, 9, 4), (3, 1, 4), (3, 0, 4)])
def test_leaving_out_is_training_without_the_picture(counts: tuple[int, ...]) -> None:
    """To 1e-9, with the standard deviations and the divisor of all pictures; kernel and bias are those of ``ridge``."""
    features, classes = draw(counts, 6)
    statistics = Statistics.of(features, classes, len(counts))
    standardized = Standardized.of(statistics)
    rows = np.flatnonzero(statistics.counts[classes] > 1)
    kernel, bias, logits = ridge_left_out(standardized, statistics.counts, 0.3, features[rows], classes[rows])
    expected_kernel, expected_bias = ridge(standardized, 0.3)
    np.testing.assert_allclose(kernel, expected_kernel, rtol=1e-9)
    np.testing.assert_allclose(bias, expected_bias, rtol=1e-9)
    values, present = features.astype(np.float64) / standardized.spread, np.flatnonzero(counts)
    for found, row in zip(logits, rows, strict=True):
        rest = np.arange(len(classes)) != row
        means = np.stack([values[rest & (classes == index)].mean(axis=0) for index in present])
        offsets = means - means.mean(axis=0)
        within = sum(
            np.outer(value, value)
            for index, mean in zip(present, means, strict=True)
            for value in values[rest & (classes == index)] - mean
        )
        covariance = within / len(classes) + offsets.T @ offsets / len(present)
        weights = np.linalg.solve(covariance + 0.3 * np.eye(6), offsets.T) * 2 / len(present)
        expected = np.full(len(counts), -np.inf)
        expected[present] = (values[row] - means.mean(axis=0)) @ weights + 2 / len(present) - 1
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_the_only_picture_of_a_class_cannot_be_left_out() -> None:
    """Without it there is no class."""
    features, classes = draw((3, 1), 2)
    statistics = Statistics.of(features, classes, 2)
    with pytest.raises(ValueError, match="^a picture is the only one of its class, expected another one to compare"):
        ridge_left_out(Standardized.of(statistics), statistics.counts, 1.0, features[3:], classes[3:])
