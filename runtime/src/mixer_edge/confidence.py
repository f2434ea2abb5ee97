"""From scores of pictures that a head did not see: honest probabilities, and a threshold for "none of these"."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mixer_edge.metrics import log_softmax

REFUSED = 0.05
"""Default share of the classes' own pictures that may be answered with "none of these"."""
TEMPERATURES = (1e-3, 1e3)
FLOOR = -30.0
"""Smallest log-probability that counts: that of a class that a fold did not have is minus infinity."""
PRECISION = 1e-4
"""Of the temperature's logarithm."""

_GOLDEN = (math.sqrt(5) - 1) / 2


def temperature_of(logits: NDArray[np.float64], classes: NDArray[np.int64]) -> float:
    """Return the temperature t that minimizes the mean log loss of ``logits / t`` (Guo et al. 2017).

    The target is ``(n + 1) / (n + 2)`` for the class and the rest for the others, with n pictures (Platt 1999): if all
    predictions are right, probabilities of 1 would be the best otherwise. The minimum is found by golden-section
    search (Kiefer 1953).

    Args:
        logits: ``[n, classes]``, at least two classes.
        classes: ``[n]`` the pictures' classes.
    """
    pictures, count = logits.shape
    rest = 1 / (pictures + 2)
    targets = np.full(logits.shape, rest / (count - 1))
    targets[np.arange(pictures), classes] = 1 - rest

    def loss(log_t: float) -> float:
        return -float((targets * np.maximum(log_softmax(logits / math.exp(log_t)), FLOOR)).sum(axis=1).mean())

    low, high = map(math.log, TEMPERATURES)
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    left_loss, right_loss = loss(left), loss(right)
    while high - low > PRECISION:
        if left_loss <= right_loss:
            high, right, right_loss = right, left, left_loss
            left = high - _GOLDEN * (high - low)
            left_loss = loss(left)
        else:
            low, left, left_loss = left, right, right_loss
            right = low + _GOLDEN * (high - low)
            right_loss = loss(right)
    return math.exp((low + high) / 2)


def quantile(scores: NDArray[np.float64], share: float) -> float:
    """Return the threshold below which a new picture's score is with probability ``share``, at most.

    With n scores it is the k-th smallest, ``k = floor(share (n + 1))``: a new score is below it with probability
    ``k / (n + 1)`` (conformal prediction, Vovk 2005). For k = 0 it lies below all of them.
    """
    k = math.floor(share * (len(scores) + 1))
    ordered = np.sort(scores)
    return float(ordered[k - 1]) if k else float(np.nextafter(ordered[0], -np.inf))
