"""What makes an alarm doubtful: scenes as long as blocks, and hours of the day that the reference does not have."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mixer_edge_export.drift.captures import Capture
from mixer_edge_export.drift.distances import between_blocks, distances, standardized

ALIKE = 0.01
"""Neighbours count as alike if an order of chance has them as near with at most this probability."""
DRAWS = 999
OTHER_HOURS = 0.1
"""Share of the recent captures from other hours of the day that is said."""


def alike_p(outputs: NDArray[np.float32], size: int) -> float:
    """Return the probability that neighbouring half blocks are as near each other as here, if their order is chance.

    A permutation of blocks is exact only if neighbours are as far from each other as any others. In the reference
    nothing has moved yet: if neighbours are alike there, scenes last too long for these blocks. Half blocks notice it
    before the share of false alarms grows; docs/drift.md has the measurements.

    Args:
        outputs: ``[n, outputs]`` of the reference, in time.
        size: of a block, at least 2.
    """
    half = size // 2
    whole = outputs[: len(outputs) // half * half]
    return neighbours_p(between_blocks(distances(standardized(whole)), half))


def neighbours_p(means: NDArray[np.float64]) -> float:
    """Return the probability that neighbours are as near each other as here, if their order is chance.

    Args:
        means: ``[blocks, blocks]`` mean distances, the blocks in time.
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
