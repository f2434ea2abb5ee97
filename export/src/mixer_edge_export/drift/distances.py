"""How far outputs are from each other, and from that whether two groups have the same distribution."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from mixer_edge_export.drift.permutation import Labels, Statistic


def standardized(outputs: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return ``[n, outputs]`` with mean 0 and standard deviation 1 over all pictures; 0 for an output that is constant.

    Both groups together are standardized, so a permutation of the groups changes nothing.
    """
    values = outputs.astype(np.float64)
    centred = values - values.mean(axis=0)
    spread = values.std(axis=0)
    constant = spread <= np.finfo(np.float32).eps * np.abs(values).max(axis=0)
    result: NDArray[np.float64] = np.where(constant, 0, centred / np.where(constant, 1, spread))
    return result


def distances(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance of every two pictures, ``[n, n]``: the root of the mean squared difference of an output."""
    result: NDArray[np.float64] = cdist(values, values) / np.sqrt(values.shape[1])
    return result


def between_blocks(apart: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Return the mean distance of the pictures of every two blocks of ``size``, and 0 for a block and itself."""
    blocks = len(apart) // size
    means: NDArray[np.float64] = apart.reshape(blocks, size, blocks, size).mean(axis=(1, 3))
    np.fill_diagonal(means, 0)
    return means


def energy(means: NDArray[np.float64]) -> Statistic:
    """Return the energy distance of two groups of blocks as a statistic of the labels (Székely and Rizzo 2004).

    With D(a, b) the mean distance of pictures of two groups: ``2 D(reference, recent) - D(reference, reference) -
    D(recent, recent)``. It is 0 on average if both have the same distribution and above 0 for any two different ones,
    so nothing has to be chosen, such as the width of a kernel. Two pictures of one block do not count: they are alike
    because they are neighbours.
    """
    total = means.sum()

    def statistic(labels: Labels) -> NDArray[np.float64]:
        recent = labels.astype(np.float64)
        count = recent.sum(axis=1)
        others = len(means) - count
        to_recent = recent @ means
        inside = (to_recent * recent).sum(axis=1)
        across = to_recent.sum(axis=1) - inside
        outside = total - 2 * across - inside
        result: NDArray[np.float64] = (
            2 * across / (count * others) - inside / (count * (count - 1)) - outside / (others * (others - 1))
        )
        return result

    return statistic
