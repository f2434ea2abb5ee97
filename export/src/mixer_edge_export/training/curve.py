"""The accuracy with fewer pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixer_edge.progress import progress
from mixer_edge_export.training.choice import Choice
from mixer_edge_export.training.heads import fit
from mixer_edge_export.training.record import CurvePoint

DRAWS = 10
SMALLEST = 2
TESTED = 0.2
"""Part of the groups that every draw tests on."""


def learning_curve(
    features: NDArray[np.float32], classes: NDArray[np.int64], groups: NDArray[np.generic], choice: Choice, seed: int
) -> tuple[CurvePoint, ...]:
    """Return the accuracy of the chosen average of heads with 2, 4, 8, ... pictures per class.

    Each of ten draws orders the groups anew, tests on the last fifth of them, and trains on the first pictures of each
    class in the rest, at every size. ``low`` and ``high`` are the mean minus and plus one standard deviation over the
    draws.

    Args:
        features: ``[n, features]``.
        classes: ``[n]`` indices of the classes.
        groups: ``[n]``; pictures with the same value belong together.
        choice: the head.
        seed: decides the draws.
    """
    count = choice.logits.shape[1]
    names, group_of = np.unique(groups, return_inverse=True)
    largest = int(np.bincount(classes, minlength=count).max() * (1 - TESTED))
    sizes = [SMALLEST << step for step in range(16) if SMALLEST << step < largest] + [largest]
    accuracies = np.full((len(sizes), DRAWS), np.nan)
    means = np.zeros(len(sizes))
    for draw in progress(range(DRAWS), "learning curve"):
        rank = np.random.default_rng([seed, draw]).permutation(len(names))[group_of]
        order = np.lexsort((np.arange(len(classes)), rank))
        test = rank >= len(names) * (1 - TESTED)
        train = order[~test[order]]
        place = _places(classes[train])
        for row, size in enumerate(sizes):
            chosen = train[place < size]
            if len(np.unique(classes[chosen])) < count or not test.any():
                continue  # a class is missing in this draw
            head = fit(choice.head.parts, features[chosen], classes[chosen], count)
            accuracies[row, draw] = (head.logits(features[test]).argmax(axis=1) == classes[test]).mean()
            means[row] = len(chosen) / count
    return tuple(
        CurvePoint(
            pictures_per_class=float(means[row]),
            accuracy=float(found.mean()),
            low=float(max(0.0, found.mean() - found.std())),
            high=float(min(1.0, found.mean() + found.std())),
        )
        for row, found in enumerate(each[~np.isnan(each)] for each in accuracies)
        if len(found)
    )


def _places(classes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many earlier pictures of its class there are, for each picture."""
    places = np.zeros(len(classes), np.int64)
    for index in np.unique(classes):
        members = np.flatnonzero(classes == index)
        places[members] = np.arange(len(members))
    return places
