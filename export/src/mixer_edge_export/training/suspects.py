"""Pictures whose label looks wrong."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mixer_edge.metrics import softmax
from mixer_edge_export.training.record import Suspect

SHOWN = 50
DOUBTED = 0.1
"""Largest probability of a label that looks wrong: where nothing is sure, no label is suspect."""


def find_suspects(
    logits: NDArray[np.float64], classes: NDArray[np.int64], names: Sequence[str], labels: Sequence[str]
) -> tuple[Suspect, ...]:
    """Return at most ``SHOWN`` pictures whose label looks wrong, the least probable label first.

    A picture is suspect if its own class has at most the probability ``DOUBTED``, and the answer at least the
    probability that the answer's own pictures have on average (confident learning, Northcutt 2021).

    Args:
        logits: ``[n, classes]``, of heads that did not see the picture.
        classes: ``[n]`` the pictures' classes.
        names: the pictures' names.
        labels: the classes' labels.
    """
    probabilities = softmax(logits.astype(np.float32))
    own = probabilities[np.arange(len(classes)), classes]
    confidence = np.array(
        [own[classes == index].mean() if (classes == index).any() else 1 for index in range(len(labels))]
    )
    answers = probabilities.argmax(axis=1)
    wrong = (
        (own <= DOUBTED)
        & (answers != classes)
        & (probabilities[np.arange(len(classes)), answers] >= confidence[answers])
    )
    order = sorted(np.flatnonzero(wrong).tolist(), key=lambda row: (own[row], names[row]))
    return tuple(
        Suspect(
            file=names[row],
            label=labels[classes[row]],
            likely=labels[answers[row]],
            probability=round(float(own[row]), 4),
        )
        for row in order[:SHOWN]
    )
