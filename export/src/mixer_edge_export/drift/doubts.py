"""What makes an alarm doubtful: neighbouring blocks that are alike, and hours of the day that the reference lacks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mixer_edge_export.drift.captures import Capture

ALIKE = 0.05
"""Neighbours count as alike if this probability, or a smaller one, is that of blocks in an order of chance."""
DRAWS = 999
OTHER_HOURS = 0.1
"""Share of the recent captures from other hours of the day that is said."""


def neighbours_p(means: NDArray[np.float64]) -> float:
    """Return the probability that neighbouring blocks are as near each other as here, if their order is chance.

    A permutation of blocks is exact only if they are as alike as any others. In the reference nothing has moved yet:
    if neighbours are alike there, scenes last longer than a block, and the captures are fewer than they seem.

    Args:
        means: ``[blocks, blocks]`` mean distances of the reference's blocks, in time.
    """
    generator = np.random.default_rng(0)
    orders = np.concatenate(
        [
            np.arange(len(means))[np.newaxis],
            generator.permuted(np.tile(np.arange(len(means)), (DRAWS, 1)), axis=1),
        ]
    )
    sums = means[orders[:, :-1], orders[:, 1:]].sum(axis=1)
    return float((sums <= sums[0] * (1 + 1e-9)).mean())


def other_hours(reference: Sequence[Capture], recent: Sequence[Capture]) -> str | None:
    """Return a sentence if many recent captures are from hours of the day, in UTC, that the reference does not have."""
    hours = {capture.time[11:13] for capture in reference}
    others = sum(capture.time[11:13] not in hours for capture in recent)
    if others <= OTHER_HOURS * len(recent):
        return None
    return (
        f"{others} of {len(recent)} recent captures are from hours of the day that the reference does not have; "
        f"a longer one would: --reference {2 * len(reference)}"
    )
