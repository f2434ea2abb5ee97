"""Tests by permutation of blocks: exact if the blocks are exchangeable, whatever is alike within a block.

Which blocks are the recent ones is drawn anew many times. A label is True for a recent block.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.bool_]
Statistic = Callable[[Labels], NDArray[np.float64]]
"""From labels ``[m, blocks]`` to ``[m]`` values, large if the recent blocks are different."""

SEED = 0
EXCEEDING = 20
"""So many draws at least as large as what was observed are enough to know that it is not significant."""
FIRST_BATCH, LARGEST_BATCH = 64, 4096
"""Most tests end after a few draws."""
ROUNDING = 1e-9
"""Values that differ by less than this share of the observed one are equal: their sums have another order."""


def draws_needed(level: float) -> int:
    """Return the number of draws: p is at most ``level`` if and only if fewer than ``EXCEEDING`` of them exceed."""
    return math.ceil(EXCEEDING / level) - 1


def p_value(statistic: Statistic, recent: Labels, level: float) -> float:
    """Return the probability of a statistic at least as large as the observed one.

    If ``EXCEEDING`` draws are as large, the last one the l-th, it is ``EXCEEDING / l`` and the rest is not drawn
    (Besag and Clifford 1991). Otherwise it is ``(exceeding + 1) / (draws + 1)``. Both are exact: under the hypothesis
    that nothing has moved, p is at most x with a probability of at most x.

    Args:
        statistic: what to compare.
        recent: ``[blocks]`` the labels.
        level: p values above it may be inaccurate.
    """
    observed = float(statistic(recent[np.newaxis])[0])
    least = observed - ROUNDING * abs(observed)
    exceeding = drawn = 0
    for labels in _draws(recent, draws_needed(level)):
        places = np.flatnonzero(statistic(labels) >= least)
        if exceeding + len(places) >= EXCEEDING:
            return EXCEEDING / (drawn + int(places[EXCEEDING - exceeding - 1]) + 1)
        exceeding += len(places)
        drawn += len(labels)
    return (exceeding + 1) / (drawn + 1)


def difference(values: NDArray[np.float64], labels: Labels) -> NDArray[np.float64]:
    """Return the mean of the recent blocks minus that of the others, ``[m]``, for values ``[blocks]``."""
    count = labels.sum(axis=1)
    recent = labels @ values
    result: NDArray[np.float64] = recent / count - (values.sum() - recent) / (len(values) - count)
    return result


def shift_interval(values: NDArray[np.float64], recent: Labels, level: float) -> tuple[float, float]:
    """Return the shifts of the recent blocks' mean that the test does not reject at ``level``.

    If the shift is d, the values without it are ``values - d recent``. A draw has the difference A of the values, and B
    of the labels; its difference without the shift is ``A - d B``, and the observed one is ``O - d``. The draw is as
    large as the observed one up to ``d = max((A + O) / (1 + B), (O - A) / (1 - B))``, and down to the minimum of
    these. So the interval ends where only ``EXCEEDING`` draws are as large.
    """
    observed = float(difference(values, recent[np.newaxis])[0])
    highs, lows = [], []
    for labels in _draws(recent, draws_needed(level)):
        a, b = difference(values, labels), difference(recent.astype(np.float64), labels)
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = np.stack([(a + observed) / (1 + b), (observed - a) / (1 - b)])
        same, swapped = b > 1 - ROUNDING, b < ROUNDING - 1  # the draw of what was observed, and its opposite
        ends[:, same | swapped] = np.array([[np.inf], [-np.inf]])
        highs.append(ends.max(axis=0))
        lows.append(ends.min(axis=0))
    low, high = np.sort(np.concatenate(lows)), np.sort(np.concatenate(highs))
    return float(low[EXCEEDING - 1]), float(high[-EXCEEDING])


def _draws(recent: Labels, count: int) -> Iterator[Labels]:
    generator = np.random.default_rng(SEED)
    batch = FIRST_BATCH
    while count:
        batch = min(batch, count)
        yield generator.permuted(np.tile(recent, (batch, 1)), axis=1)
        count, batch = count - batch, min(2 * batch, LARGEST_BATCH)
