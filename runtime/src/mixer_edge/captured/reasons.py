"""Why an answer is unsure."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mixer_edge.captured.store import Reason
from mixer_edge.manifest import UnknownMeasure, UnknownSpec
from mixer_edge.metrics import unknown_score

NEAR = math.log(2)
"""What counts as near, in natural logarithms: a factor of two.

On the 815 held-out digits, 1 % of the answers are that near a tie, among them 4 of the 7 wrong ones (int8). With 25
taught pictures per class, 5 % are that near above the threshold of "none of these", and 9 % are below it.
"""


def find_reason(logits: NDArray[np.float32], unknown: UnknownSpec | None) -> Reason | None:
    """Return why the answer of ``[classes]`` logits is unsure, the first of these that is so; None if none is.

    - ``none``: it is none of the classes; ``mixer_edge.classifier.is_none``.
    - ``threshold``: it is just not none of them: the score is less than ``NEAR`` above the threshold. The scores
      ``logit`` and ``energy`` are natural logarithms as they are; of a ``probability`` p it is ``log(p / (1 - p))``.
    - ``tie``: the most probable class is less than twice as probable as the second: their logits differ by less than
      ``NEAR``.

    Args:
        logits: of the answer.
        unknown: the threshold; None if there is none.
    """
    if unknown is not None:
        score = float(unknown_score(unknown.measure, logits))
        if score < unknown.threshold:
            return "none"
        if _logarithm(unknown.measure, score) - _logarithm(unknown.measure, unknown.threshold) < NEAR:
            return "threshold"
    best = np.sort(logits)[-2:].astype(np.float64)
    return "tie" if len(best) == 2 and best[1] - best[0] < NEAR else None


def _logarithm(measure: UnknownMeasure, score: float) -> float:
    if measure != "probability":
        return score
    if score <= 0:
        return -math.inf
    return math.inf if score >= 1 else math.log(score / (1 - score))
