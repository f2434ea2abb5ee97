"""The three kinds of heads; each folds into one kernel and one bias for raw features."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixer_edge.head import Standardized, Statistics, class_means, ridge
from mixer_edge.manifest import HeadKind

RIDGE = (100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01)
"""Strengths that are tried, strongest first, in units of a feature's variance."""
LOGISTIC = (1e-1, 1e-2, 1e-3)
"""Weights of the squared kernel, relative to the mean loss of a picture."""
LOGISTIC_LARGEST = 4e6
"""Pictures times features times classes above which logistic regression takes too long to be tried."""


@dataclass(frozen=True, kw_only=True)
class Head:
    """A linear head for raw features."""

    kind: HeadKind
    strength: float | None
    """Of the regularization; None for class means."""
    kernel: NDArray[np.float64]
    """``[features, classes]``."""
    bias: NDArray[np.float64]
    """``[classes]``."""

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return ``features @ kernel + bias``, ``[n, classes]``."""
        return features.astype(np.float64) @ self.kernel + self.bias

    def divided(self, temperature: float) -> Head:
        """Return the head whose logits are divided by the temperature."""
        return Head(
            kind=self.kind, strength=self.strength, kernel=self.kernel / temperature, bias=self.bias / temperature
        )


def fit(
    kind: HeadKind,
    strength: float | None,
    features: NDArray[np.float32],
    classes: NDArray[np.int64],
    count: int,
    statistics: Statistics | None = None,
) -> Head:
    """Return one head.

    Args:
        kind: which.
        strength: of the regularization; None for class means.
        features: ``[n, features]``.
        classes: ``[n]`` indices of the classes.
        count: number of classes; one without pictures gets the logit minus infinity.
        statistics: the sums over these pictures, if they are known.
    """
    standardized = Standardized.of(statistics or Statistics.of(features, classes, count))
    return fit_standardized(kind, strength, standardized, features, classes)


def fit_standardized(
    kind: HeadKind,
    strength: float | None,
    standardized: Standardized,
    features: NDArray[np.float32],
    classes: NDArray[np.int64],
) -> Head:
    """Return one head for pictures whose standardization is known."""
    if kind == "class means":
        kernel, bias = class_means(standardized)
    elif kind == "ridge" and strength is not None:
        kernel, bias = ridge(standardized, strength)
    elif kind == "logistic" and strength is not None:
        kernel, bias = _logistic(standardized, strength, features, classes)
    else:
        raise ValueError(f"{kind} with strength {strength}: no such head")
    return Head(kind=kind, strength=strength, kernel=kernel, bias=bias)


def candidates(pictures: int, features: int, classes: int) -> list[tuple[HeadKind, float | None]]:
    """Return the kinds and strengths to try, the simplest first."""
    found: list[tuple[HeadKind, float | None]] = [("class means", None)]
    found += [("ridge", strength) for strength in RIDGE]
    if pictures * features * classes <= LOGISTIC_LARGEST:
        found += [("logistic", strength) for strength in LOGISTIC]
    return found


def _logistic(
    standardized: Standardized,
    strength: float,
    features: NDArray[np.float32],
    classes: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return kernel and bias of scikit-learn's logistic regression with an L2 penalty, every class with one weight."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    present = np.flatnonzero(standardized.present)
    # its penalty is for the sum of the losses
    model = LogisticRegression(C=1 / (strength * len(classes)), class_weight="balanced", max_iter=200, tol=1e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the strength decides, not the last digits
        model.fit((features - standardized.mean) / standardized.spread, classes)
    kernel, bias = np.zeros((features.shape[1], len(standardized.present))), np.full(len(standardized.present), -np.inf)
    if len(present) == 2:  # scikit-learn has one column for two classes
        kernel[:, present[1]], bias[present] = model.coef_[0], (0, model.intercept_[0])
    else:
        kernel[:, present], bias[present] = model.coef_.T, model.intercept_
    return standardized.unfolded(kernel, bias)
