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
_BLOCK = 64
"""Rows of a triangle in one block."""


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
        offsets = np.where(present[:, np.newaxis], raw - mean, 0)
        weighted = raw * np.sqrt(counts)[:, np.newaxis]
        covariance = (statistics.gram - weighted.T @ weighted) / counts.sum() + offsets.T @ offsets / present.sum()
        variance = np.maximum(np.diag(covariance), 0)
        spread = np.sqrt((counts.sum() * variance + PRIOR * variance.mean()) / (counts.sum() + PRIOR))
        spread[spread == 0] = 1
        return cls(
            mean=mean,
            spread=spread,
            class_means=offsets / spread,
            correlation=covariance / spread / spread[:, np.newaxis],
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
    factor = _Factor.of(standardized, strength)
    return _ridge(standardized, factor.backward(factor.forward(standardized.class_means.T)))


def ridge_left_out(
    standardized: Standardized,
    counts: NDArray[np.float64],
    strength: float,
    features: NDArray[np.float32],
    classes: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return kernel and bias as ``ridge`` does, and the logits ``[n, classes]`` of pictures, each left out in turn.

    The logits of a picture are those of a head for all other pictures: for one more solution of the same equations.
    Only the standard deviations and the divisor of the covariance within the classes stay those of all pictures.

    With z the standardized picture of class c, q the number of others in c, ``u = z - m_c``, and n pictures of k
    classes: without it m_c moves by ``-u / q``, and R changes by ``V N V'`` with ``V = (u, m_c)`` and
    ``N = ((a, b), (b, 0))``, ``a = (1 - 1 / k) / (k q²) - (q + 1) / (q n)``, ``b = -1 / (k q)``. So
    (Woodbury) its logit of class j is, with ``A = R + strength I``,
    ``(1 + 1 / (k q), 1) (I + V' A^-1 V N)^-1 V' A^-1 (m_j + u (1 / k - [j = c]) / q) 2 / k + 2 / k - 1``.

    Args:
        standardized: all pictures.
        counts: ``[classes]`` number of pictures.
        strength: of the regularization, above 0, in units of a feature's variance.
        features: ``[n, features]`` of some of these pictures.
        classes: ``[n]`` their classes.

    Raises:
        ValueError: a picture is the only one of its class.
    """
    others = counts[classes] - 1
    if (others < 1).any():
        raise ValueError("a picture is the only one of its class, expected another one to compare it with")
    means, kinds = standardized.class_means, standardized.present.sum()
    own = means[classes]
    offsets = (features - standardized.mean) / standardized.spread - own
    factor = _Factor.of(standardized, strength)
    halves = factor.forward(np.concatenate([means, offsets]).T)
    means_half, offsets_half = halves[:, : len(means)], halves[:, len(means) :]
    # V' A^-1 times the class means, and times u, for each picture: with A = L L' it is (L^-1 V)' L^-1 times them
    rows = np.stack([offsets_half.T @ means_half, (means_half.T @ means_half)[classes]], axis=1)
    mixed = rows[np.arange(len(classes)), 0, classes]
    itself = np.stack([(offsets_half**2).sum(axis=0), mixed], axis=1)
    inner = np.stack([itself, np.stack([mixed, rows[np.arange(len(classes)), 1, classes]], axis=1)], axis=2)
    change = np.zeros((len(classes), 2, 2))
    change[:, 0, 0] = (1 - 1 / kinds) / (kinds * others**2) - (others + 1) / (others * counts.sum())
    change[:, 0, 1] = change[:, 1, 0] = -1 / (kinds * others)
    weights = (1 / kinds - np.eye(len(means))[classes]) / others[:, np.newaxis]
    moved = rows + itself[:, :, np.newaxis] * weights[:, np.newaxis]
    corrected = np.linalg.solve(np.eye(2) + inner @ change, moved)
    scale = 2 / kinds
    logits: NDArray[np.float64] = (
        scale * ((1 + 1 / (kinds * others))[:, np.newaxis] * corrected[:, 0] + corrected[:, 1]) + scale - 1
    )
    logits[:, ~standardized.present] = -np.inf
    return *_ridge(standardized, factor.backward(means_half)), logits


@dataclass(frozen=True, kw_only=True)
class _Factor:
    """The lower triangle L with ``L L' = R + strength I``, and the inverses of its blocks on the diagonal.

    numpy solves no triangle; a block of rows after the other is solved by products.
    """

    triangle: NDArray[np.float64]
    inverses: list[NDArray[np.float64]]

    @classmethod
    def of(cls, standardized: Standardized, strength: float) -> _Factor:
        regularized = standardized.correlation.copy()
        np.einsum("ii->i", regularized)[:] += strength
        triangle = np.linalg.cholesky(regularized).astype(np.float64, copy=False)
        starts = range(0, len(triangle), _BLOCK)
        blocks = [triangle[start : start + _BLOCK, start : start + _BLOCK] for start in starts]
        inverses = [np.linalg.inv(block).astype(np.float64, copy=False) for block in blocks]
        return cls(triangle=triangle, inverses=inverses)

    def forward(self, columns: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``L^-1`` times the columns."""
        solved = np.array(columns)
        for number, inverse in enumerate(self.inverses):
            rows, before = slice(number * _BLOCK, (number + 1) * _BLOCK), slice(number * _BLOCK)
            solved[rows] = inverse @ (solved[rows] - self.triangle[rows, before] @ solved[before])
        return solved

    def backward(self, columns: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``L'^-1`` times the columns."""
        solved = np.array(columns)
        for number, inverse in reversed(list(enumerate(self.inverses))):
            rows, after = slice(number * _BLOCK, (number + 1) * _BLOCK), slice((number + 1) * _BLOCK, None)
            solved[rows] = inverse.T @ (solved[rows] - self.triangle[after, rows].T @ solved[after])
        return solved


def _ridge(standardized: Standardized, solved: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return kernel and bias from the solution for the class means."""
    scale = 2 / standardized.present.sum()
    return standardized.unfolded(solved * scale, np.where(standardized.present, scale - 1, -np.inf))
