"""What could make an alarm a false one: blocks that are too short, and hours of the day that the reference lacks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mixer_edge_export.drift.captures import Capture

ALIKE = 0.01
"""Neighbouring blocks count as alike if they are so near with at most this probability."""
DRAWS = 999
OTHER_HOURS = 0.1
"""Share of the recent captures from other hours of the day that is said."""


def notes(means: NDArray[np.float64], reference: Sequence[Capture], recent: Sequence[Capture]) -> list[str]:
    """Return a sentence for each doubt.

    Args:
        means: ``[blocks, blocks]`` mean distances of the blocks, those of the reference first, each group in time.
        reference: the captures of the reference.
        recent: the recent ones, in blocks of the same size.
    """
    found = []
    blocks = round(len(means) * len(reference) / (len(reference) + len(recent)))
    if neighbours_p(means, blocks) <= ALIKE:
        found.append(
            "neighbouring blocks of captures are alike, so an alarm may be a false one: "
            f"a longer reference has longer blocks (--reference {2 * len(reference)})"
        )
    hours = {capture.time[11:13] for capture in reference}
    others = sum(capture.time[11:13] not in hours for capture in recent)
    if others > OTHER_HOURS * len(recent):
        found.append(
            f"{others} of {len(recent)} recent captures are from hours of the day of which the reference has none: "
            f"a longer reference would know these hours (--reference {2 * len(reference)})"
        )
    return found


def neighbours_p(means: NDArray[np.float64], reference_blocks: int) -> float:
    """Return the probability that neighbours in a group are as near as here if the order of its blocks is chance."""
    groups = [np.arange(reference_blocks), np.arange(reference_blocks, len(means))]

    def nearness(orders: Sequence[NDArray[np.int64]]) -> float:
        return float(sum(means[order[:-1], order[1:]].sum() for order in orders))

    observed = nearness(groups) * (1 + 1e-9)
    generator = np.random.default_rng(0)
    nearer = sum(nearness([generator.permutation(group) for group in groups]) <= observed for _ in range(DRAWS))
    return (nearer + 1) / (DRAWS + 1)
