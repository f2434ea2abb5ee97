"""Choose a head by cross-validation, and calibrate its probabilities."""

from __future__ import annotations

import functools
import operator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixer_edge.confidence import temperature_of
from mixer_edge.head import Standardized, Statistics
from mixer_edge.metrics import log_softmax
from mixer_edge.progress import progress
from mixer_edge_export.training.heads import Head, candidates, fit, fit_standardized
from mixer_edge_export.training.record import Candidate


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The head that is used, and what it answers for pictures that it did not see."""

    head: Head
    """Fitted on all pictures, with the temperature folded in."""
    temperature: float
    candidates: tuple[Candidate, ...]
    logits: NDArray[np.float64]
    """``[n, classes]``, of heads that did not see the picture or its group, with the temperature."""


def choose(features: NDArray[np.float32], classes: NDArray[np.int64], folds: NDArray[np.int64], count: int) -> Choice:
    """Return the best head.

    Every candidate predicts each fold from the other folds; its temperature minimizes the log loss of these
    predictions. The candidate with the smallest Brier score is chosen, the simplest among equal ones. (The simplest
    within one standard error of the best, a common rule, was less accurate: docs/training.md.)

    Args:
        features: ``[n, features]``.
        classes: ``[n]`` indices of the classes.
        folds: ``[n]`` the fold of each picture.
        count: number of classes.
    """
    wanted = candidates(len(features), features.shape[1], count)
    logits = np.zeros((len(wanted), len(classes), count))
    parts = {fold: Statistics.of(features[folds == fold], classes[folds == fold], count) for fold in np.unique(folds)}
    whole = functools.reduce(operator.add, parts.values())
    for fold, part in progress(list(parts.items()), "cross-validation"):
        test = folds == fold
        standardized = Standardized.of(whole - part)
        for place, (kind, strength) in enumerate(wanted):
            head = fit_standardized(kind, strength, standardized, features[~test], classes[~test])
            logits[place, test] = head.logits(features[test])
    temperatures = [temperature_of(each, classes) for each in logits]
    scores = [brier_score(each / t, classes) for each, t in zip(logits, temperatures, strict=True)]
    chosen = int(np.argmin(scores))
    kind, strength = wanted[chosen]
    right = logits.argmax(axis=2) == classes
    return Choice(
        head=fit(kind, strength, features, classes, count, whole).divided(temperatures[chosen]),
        temperature=temperatures[chosen],
        candidates=tuple(
            Candidate(
                head=each,
                strength=power,
                accuracy=float(right[place].mean()),
                standard_error=float(right[place].std() / np.sqrt(len(classes))),
                brier_score=scores[place],
            )
            for place, (each, power) in enumerate(wanted)
        ),
        logits=logits[chosen] / temperatures[chosen],
    )


def brier_score(logits: NDArray[np.float64], classes: NDArray[np.int64]) -> float:
    """Return the mean over the pictures of ``sum (softmax(logits) - target)²``, target 1 for the class, 0 elsewhere."""
    targets = np.eye(logits.shape[1])[classes]
    return float(((np.exp(log_softmax(logits)) - targets) ** 2).sum(axis=1).mean())
