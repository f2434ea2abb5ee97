"""What is counted and how sure it is; every formula is written out."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Z_95 = 1.959963984540054
"""97.5 % quantile of the normal distribution, for two-sided 95 % intervals."""


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``exp(logits - max) / sum`` over the last axis, float32 in [0, 1]."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return (exponentials / exponentials.sum(axis=-1, keepdims=True)).astype(np.float32)


def top_k(logits: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Return the indices of the ``k`` largest along the last axis, best first; of equal ones the lower index first."""
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
