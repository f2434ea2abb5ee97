"""Accuracy figures and their confidence intervals; every formula is written out.

Two variants are compared on the same pictures. ``lost`` counts pictures that the reference gets right and the variant
gets wrong, ``won`` the opposite; the other pictures tell nothing about the difference (McNemar 1947).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mixer_edge.manifest import UnknownMeasure

Z_95 = 1.959963984540054
"""97.5 % quantile of the normal distribution, for two-sided 95 % intervals."""

BOOTSTRAP_SAMPLES, BOOTSTRAP_SEED = 20_000, 0


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``exp(logits - max) / sum`` over the last axis, float32 in [0, 1]."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return (exponentials / exponentials.sum(axis=-1, keepdims=True)).astype(np.float32)


def log_softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return ``logits - max - log(sum(exp(logits - max)))`` over the last axis, float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def top_k(logits: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Return the indices of the ``k`` largest along the last axis, largest first; ties by the lower index."""
    return np.argsort(-logits, axis=-1, kind="stable")[..., :k]


def wilson_interval(correct: int, total: int, z: float = Z_95) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion (Wilson 1927), both ends in [0, 1].

    With p = correct / total: ``(p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n)``.

    Raises:
        ValueError: total is not positive or correct is not in [0, total].
    """
    if total <= 0 or not 0 <= correct <= total:
        raise ValueError(f"{correct} of {total}: expected 0 <= correct <= total and total > 0")
    p = correct / total
    centre = p + z * z / (2 * total)
    half_width = z * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return max(0.0, (centre - half_width) / scale), min(1.0, (centre + half_width) / scale)


def in_top_k(top: NDArray[np.integer], truth: NDArray[np.integer], k: int) -> NDArray[np.bool_]:
    """Return which pictures have their true class among the first ``k`` answers, ``[n]`` bool.

    Args:
        top: ``[n, m]`` class indices, best first, m >= k.
        truth: ``[n]`` true class indices.
        k: how many answers count.
    """
    return (top[:, :k] == truth[:, np.newaxis]).any(axis=1)


def unknown_score(measure: UnknownMeasure, logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return a score of logits over the last axis, float64; it is low for a picture that is none of the classes.

    With m = max(logits) and s = sum(exp(logits - m)), where nothing overflows:

    - ``probability``: max(softmax(logits)) = 1 / s (Hendrycks and Gimpel 2017);
    - ``logit``: m (Hendrycks et al. 2022);
    - ``energy``: log(sum(exp(logits))) = m + log(s) (Liu et al. 2020).
    """
    exact = logits.astype(np.float64)
    largest = exact.max(axis=-1)
    if measure == "logit":
        return largest
    total = np.exp(exact - largest[..., np.newaxis]).sum(axis=-1)
    return 1 / total if measure == "probability" else largest + np.log(total)


def kl_divergence(reference: NDArray[np.float32], logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return ``sum p log(p / q)`` in nats over the last axis, p and q the softmax of reference and logits; >= 0."""
    log_p, log_q = log_softmax(reference), log_softmax(logits)
    return np.maximum((np.exp(log_p) * (log_p - log_q)).sum(axis=-1), 0.0)


def largest_difference(reference: NDArray[np.float32], logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``max |reference - logits|`` over the last axis."""
    return np.abs(reference - logits).max(axis=-1)


def relative_error(outputs: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Return ``max |outputs - expected| / max |expected|`` over all elements, at least 0.

    It is infinite if an output is not finite, or if all of ``expected`` is zero and an output is not.
    """
    difference, size = float(np.abs(outputs - expected).max()), float(np.abs(expected).max())
    if not np.isfinite(difference):
        return math.inf
    return difference / size if size else math.inf if difference else 0.0


def paired_interval(
    lost: int, won: int, total: int, *, samples: int = BOOTSTRAP_SAMPLES, seed: int = BOOTSTRAP_SEED
) -> tuple[float, float]:
    """Return the 95 % interval of the difference of two accuracies on the same pictures, variant minus reference.

    The n pictures are resampled with replacement ``samples`` times; each sample gives ``(won - lost) / n``, and the
    interval is from the 2.5 % to the 97.5 % quantile (percentile bootstrap, Efron 1979). There are only three kinds of
    pictures, so a sample is one multinomial draw. First, half a picture is added to ``lost`` and to ``won``, as in
    Agresti and Min (2005): otherwise no changed picture among ten would give an interval of width zero.

    Raises:
        ValueError: total is not positive, or lost and won are not counts within it.
    """
    if total <= 0 or lost < 0 or won < 0 or lost + won > total:
        raise ValueError(f"{lost} lost and {won} won of {total}: expected counts with lost + won <= total, total > 0")
    cells = np.array([lost + 0.5, won + 0.5, total - lost - won + 1.0]) / (total + 2.0)
    draws = np.random.default_rng(seed).multinomial(total, cells, samples)
    low, high = np.quantile((draws[:, 1] - draws[:, 0]) / total, [0.025, 0.975])
    return float(low), float(high)


def mcnemar_exact(lost: int, won: int) -> float:
    """Return the two-sided p-value of McNemar's exact test.

    It is the probability that ``lost`` and ``won`` differ at least this much if the variants are equally accurate.

    With n = lost + won and m = min(lost, won): ``min(1, 2 * sum_{i=0..m} C(n, i) / 2^n)``.

    Raises:
        ValueError: a count is negative.
    """
    if lost < 0 or won < 0:
        raise ValueError(f"{lost} lost and {won} won: expected counts")
    n = lost + won
    log_terms = [
        math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) - n * math.log(2)
        for i in range(min(lost, won) + 1)
    ]
    return min(1.0, 2 * math.fsum(math.exp(term) for term in log_terms))


def pictures_needed(difference: float, low: float, bound: float, total: int) -> int | None:
    """Return about how many pictures would show that accuracy drops by at most ``bound``; None if no number would.

    The width of an interval shrinks with the square root of the number of pictures. ``low`` is ``difference - low``
    below the measured difference and must rise to ``-bound``, so
    ``n = total * ((difference - low) / (difference + bound))²``.

    Args:
        difference: variant's accuracy minus reference's, in [-1, 1].
        low: lower end of its interval, below ``-bound``.
        bound: largest drop allowed, in [0, 1].
        total: pictures measured so far.
    """
    if difference <= -bound:
        return None
    return math.ceil(total * ((difference - low) / (difference + bound)) ** 2)
