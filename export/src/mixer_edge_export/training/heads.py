"""The three kinds of heads, and averages of them; each folds into one kernel and one bias for raw features."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mixer_edge.head import Standardized, Statistics, class_means, ridge
from mixer_edge.manifest import HeadKind

RIDGE = (100.0, 10.0, 1.0, 0.1, 0.01)
"""Strengths that are tried, strongest first, in units of a feature's variance; an average needs none in between."""
LOGISTIC = (1e-2,)
"""Weights of the squared kernel, relative to the mean loss of a picture."""
LOGISTIC_LARGEST = 4e6
"""Pictures times features times classes above which logistic regression takes too long to be tried."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One head in a weighted sum."""

    kind: HeadKind
    strength: float | None = None
    """Of the regularization; None for class means."""
    factor: float = 1.0
    """What its logits are multiplied by, above 0."""


@dataclass(frozen=True, kw_only=True)
class Head:
    """A linear head for raw features: the sum of its parts."""

    parts: tuple[Part, ...]
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
            parts=tuple(replace(part, factor=part.factor / temperature) for part in self.parts),
            kernel=self.kernel / temperature,
            bias=self.bias / temperature,
        )


def fit(
    parts: Sequence[Part],
    features: NDArray[np.float32],
    classes: NDArray[np.int64],
    count: int,
    statistics: Statistics | None = None,
) -> Head:
    """Return the sum of these heads.

    Args:
        parts: which; at least one.
        features: ``[n, features]``.
        classes: ``[n]`` indices of the classes.
        count: number of classes; one without pictures gets the logit minus infinity.
        statistics: the sums over these pictures, if they are known.
    """
    standardized = Standardized.of(statistics or Statistics.of(features, classes, count))
    return fit_standardized(parts, standardized, features, classes)


def fit_standardized(
    parts: Sequence[Part],
    standardized: Standardized,
    features: NDArray[np.float32],
    classes: NDArray[np.int64],
) -> Head:
    """Return the sum of these heads for pictures whose standardization is known."""
    fitted = [_fit_part(part, standardized, features, classes) for part in parts]
    return Head(
        parts=tuple(parts),
        kernel=np.sum([part.factor * kernel for part, (kernel, _) in zip(parts, fitted, strict=True)], axis=0),
        bias=np.sum([part.factor * bias for part, (_, bias) in zip(parts, fitted, strict=True)], axis=0),
    )


def candidates(pictures: int, features: int, classes: int) -> list[Part]:
    """Return the kinds and strengths to try, the simplest first."""
    found = [Part(kind="class means")]
    found += [Part(kind="ridge", strength=strength) for strength in RIDGE]
    if pictures * features * classes <= LOGISTIC_LARGEST:
        found += [Part(kind="logistic", strength=strength) for strength in LOGISTIC]
    return found


def _fit_part(
    part: Part, standardized: Standardized, features: NDArray[np.float32], classes: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return kernel and bias of one part, without its factor."""
    if part.kind == "class means":
        return class_means(standardized)
    if part.kind == "ridge" and part.strength is not None:
        return ridge(standardized, part.strength)
    if part.kind == "logistic" and part.strength is not None:
        return _logistic(standardized, part.strength, features, classes)
    raise ValueError(f"{part.kind} with strength {part.strength}: no such head")


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
