"""Why an answer is unsure: values on both sides of each bound, computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mixer_edge.captured.reasons import NEAR, find_reason
from mixer_edge.captured.store import Reason
from mixer_edge.manifest import UnknownMeasure, UnknownSpec


def probabilities(*values: float) -> np.ndarray:
    """Return logits whose softmax is this."""
    return np.log(np.array(values)).astype(np.float32)


@pytest.mark.parametrize(
    ("logits", "reason"),
    [
        (probabilities(0.6, 0.3, 0.1), None),
        (probabilities(0.59, 0.31, 0.1), "tie"),
        (probabilities(0.1, 0.31, 0.59), "tie"),
        (probabilities(0.5, 0.5), "tie"),
        (probabilities(1.0), None),
        (np.full(3, np.nan, np.float32), None),
    ],
)
def test_a_tie_is_less_than_a_factor_of_two(logits: np.ndarray, reason: Reason | None) -> None:
    """Of the two largest probabilities, in any order; one class alone, or no number, is no tie."""
    assert math.log(2) == NEAR
    assert find_reason(logits + np.float32(1e-6), None) == reason


@pytest.mark.parametrize(
    ("measure", "threshold", "logits", "reason"),
    [
        ("logit", 2.0, (1.99, -9, -9), "none"),
        ("logit", 2.0, (2.0, -9, -9), "threshold"),
        ("logit", 2.0, (2.69, -9, -9), "threshold"),
        ("logit", 2.0, (2.7, -9, -9), None),
        # log(e² + 2e²) = 2 + log(3) = 3.0986
        ("energy", 3.1, (2 + math.log(2), 2), "none"),
        ("energy", 3.0, (2 + math.log(2), 2), "threshold"),
        ("energy", 2.4, (2 + math.log(2.01), 2), None),
        # odds of 1 at the threshold: near up to odds of 2
        ("probability", 0.5, (math.log(0.49), math.log(0.2), math.log(0.31)), "none"),
        ("probability", 0.5, (math.log(0.51), math.log(0.25), math.log(0.24)), "threshold"),
        ("probability", 0.5, (math.log(0.666), math.log(0.3), math.log(0.034)), "threshold"),
        ("probability", 0.5, (math.log(0.667), math.log(0.3), math.log(0.033)), None),
        ("probability", 0.5, (100, 0), None),
        ("probability", 1.5, (100, 0), "none"),
        ("probability", 0.0, (0.5, 0), "tie"),
    ],
)
def test_the_threshold(
    measure: UnknownMeasure, threshold: float, logits: tuple[float, ...], reason: Reason | None
) -> None:
    """Below it, less than a factor of two above it, and beyond; a tie is said only if neither is so."""
    unknown = UnknownSpec(measure=measure, threshold=threshold, refused=0.05)
    assert find_reason(np.array(logits, np.float32), unknown) == reason
