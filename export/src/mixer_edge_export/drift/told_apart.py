"""How large a difference of two groups is, as a number that a person can check by looking at pairs of pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixer_edge.head import Standardized, Statistics, ridge
from mixer_edge.teach.sums import STRENGTH
from mixer_edge_export.drift.distances import standardized

MOST_OUTPUTS = 768
"""More outputs are projected to so many random directions, which keeps distances (Johnson and Lindenstrauss 1984)."""


def told_apart(values: NDArray[np.float64], size: int, reference_blocks: int) -> float:
    """Return the share of pairs, a reference and a recent picture, in which the outputs tell the recent one.

    0.5 is chance and 1 always; it is the area under the ROC curve. A ridge classifier scores the pictures of one block
    of the reference and of a share of the recent blocks, and was trained on all other blocks: a neighbour of a scored
    picture never helps. Every block is scored at least once. The classifier sees the outputs and their squares: also a
    spread that has changed is seen.

    Args:
        values: ``[n, outputs]`` standardized outputs, the reference first.
        size: of a block.
        reference_blocks: number of blocks in the reference.
    """
    projected = _projected(values)
    features = standardized(np.concatenate([projected, projected**2], axis=1).astype(np.float32)).astype(np.float32)
    blocks = len(features) // size
    classes = np.repeat(np.arange(blocks) >= reference_blocks, size).astype(np.int64)
    total = Statistics.of(features, classes, 2)
    shares = []
    recent_blocks = np.arange(blocks - reference_blocks)
    for number in range(reference_blocks):
        chosen = recent_blocks[recent_blocks % reference_blocks == number % len(recent_blocks)]
        left_out = np.concatenate([_rows(block, size) for block in (number, *(reference_blocks + chosen))])
        others = total - Statistics.of(features[left_out], classes[left_out], 2)
        kernel, _ = ridge(Standardized.of(others), STRENGTH)
        scores = features[left_out] @ (kernel[:, 1] - kernel[:, 0])
        pairs = scores[size:, np.newaxis] - scores[:size]
        shares.append((pairs > 0).mean() + (pairs == 0).mean() / 2)
    return float(np.mean(shares))


def _rows(block: int, size: int) -> NDArray[np.int64]:
    return np.arange(block * size, (block + 1) * size)


def _projected(values: NDArray[np.float64]) -> NDArray[np.float64]:
    if values.shape[1] <= MOST_OUTPUTS:
        return values
    directions = np.random.default_rng(0).normal(size=(values.shape[1], MOST_OUTPUTS)) / np.sqrt(MOST_OUTPUTS)
    projected: NDArray[np.float64] = values @ directions
    return projected
