"""The head of a classifier on fixed features, in closed form from sums over the pictures.

Adding or removing a picture changes only these sums, so the result equals that of training again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PRIOR = 10
"""The variance of a feature is estimated as if there were so many more pictures, in which all features vary the same.

With one picture of each of ten classes that gives up to 8 points of accuracy, with many none: docs/training.md. And a
feature that only rounds is not blown up.
"""


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """Sums over pictures; two of them can be added and subtracted."""

    counts: NDArray[np.float64]
    """``[classes]`` number of pictures."""
    sums: NDArray[np.float64]
    """``[classes, features]`` sum of the features."""
    gram: NDArray[np.float64]
    """``[features, features]`` sum of the outer products of the features with themselves."""

    @classmethod
    def of(cls, features: NDArray[np.float32], classes: NDArray[np.int64], count: int) -> Statistics:
        """Return the sums for ``[n, features]`` features of pictures in ``[n]`` classes, out of ``count``."""
        values = features.astype(np.float64)
        sums = np.zeros((count, values.shape[1]))
        np.add.at(sums, classes, values)
        counts = np.bincount(classes, minlength=count).astype(np.float64)
        return cls(counts=counts, sums=sums, gram=values.T @ values)

    def __add__(self, other: Statistics) -> Statistics:
        """Return the sums over the pictures of both."""
        return Statistics(counts=self.counts + other.counts, sums=self.sums + other.sums, gram=self.gram + other.gram)

    def __sub__(self, other: Statistics) -> Statistics:
        """Return the sums without the pictures of the other."""
        return Statistics(counts=self.counts - other.counts, sums=self.sums - other.sums, gram=self.gram - other.gram)


@dataclass(frozen=True, kw_only=True)
class Standardized:
    """The features with mean 0 and standard deviation 1, as if every class had the same number of pictures.

    With m_c the mean of class c and m the mean of all m_c, the covariance is that within the classes, over all
    pictures, plus that of the class means: ``(gram - sum_c n_c m_c m_c') / n + sum_c (m_c - m)(m_c - m)' / classes``.
    """

    mean: NDArray[np.float64]
    """``[features]``."""
    spread: NDArray[np.float64]
    """``[features]`` standard deviation, with the prior."""
    class_means: NDArray[np.float64]
    """``[classes, features]`` of the standardized features; zero for a class without pictures."""
    correlation: NDArray[np.float64]
    """``[features, features]`` covariance of the standardized features."""
    present: NDArray[np.bool_]
    """``[classes]`` whether a class has pictures."""

    @classmethod
    def of(cls, statistics: Statistics) -> Standardized:
        """Return the standardization of these pictures."""
        counts = statistics.counts
        present = counts > 0
        raw = statistics.sums / np.maximum(counts, 1)[:, np.newaxis]
        mean = raw[present].mean(axis=0)
        within = statistics.gram - (raw.T * counts) @ raw
        offsets = np.where(present[:, np.newaxis], raw - mean, 0)
        covariance = within / counts.sum() + offsets.T @ offsets / present.sum()
        variance = np.maximum(np.diag(covariance), 0)
        spread = np.sqrt((counts.sum() * variance + PRIOR * variance.mean()) / (counts.sum() + PRIOR))
        spread[spread == 0] = 1
        return cls(
            mean=mean,
            spread=spread,
            class_means=offsets / spread,
            correlation=covariance / np.outer(spread, spread),
            present=present,
        )

    def unfolded(
        self, kernel: NDArray[np.float64], bias: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return kernel and bias for raw features, from those for standardized ones."""
        raw = kernel / self.spread[:, np.newaxis]
        return raw, bias - self.mean @ raw


def class_means(standardized: Standardized) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return kernel ``[features, classes]`` and bias ``[classes]`` that score the nearest class mean highest.

    On standardized features z: ``z m_c - |m_c|² / 2``, which is ``-|z - m_c|² / 2`` but for a part that all share.
    """
    means = standardized.class_means
    bias = np.where(standardized.present, -0.5 * (means**2).sum(axis=1), -np.inf)
    return standardized.unfolded(means.T, bias)


def ridge(standardized: Standardized, strength: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return kernel ``[features, classes]`` and bias ``[classes]`` of ridge regression.

    The targets are +1 for the own class and -1 for the others, and every class has the same weight. With R the
    correlation of the standardized features and k the number of classes, the kernel is
    ``(R + strength I)^-1 m_c 2 / k`` and the bias ``2 / k - 1``.

    Args:
        standardized: the features.
        strength: of the regularization, above 0, in units of a feature's variance.
    """
    scale = 2 / standardized.present.sum()
    regularized = standardized.correlation + strength * np.eye(len(standardized.mean))
    kernel = np.linalg.solve(regularized, standardized.class_means.T) * scale
    return standardized.unfolded(kernel, np.where(standardized.present, scale - 1, -np.inf))
