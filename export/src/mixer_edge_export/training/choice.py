"""Average heads by their results in cross-validation, and calibrate the probabilities."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mixer_edge.confidence import temperature_of
from mixer_edge.head import Standardized, Statistics
from mixer_edge.metrics import log_softmax
from mixer_edge.progress import progress
from mixer_edge_export.training.heads import Head, candidates, fit, fit_standardized
from mixer_edge_export.training.record import Candidate

SMALLEST = 0.05
"""Weight below which a candidate is left out of the average, relative to the best one's: it would only cost time."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The head that is used, and what it answers for pictures that it did not see."""

    head: Head
    """Fitted on all pictures, with all temperatures folded in."""
    temperature: float
    """Of the average of the candidates' logits."""
    candidates: tuple[Candidate, ...]
    logits: NDArray[np.float64]
    """``[n, classes]``, of heads that did not see the picture or its group, with the temperature."""


def choose(features: NDArray[np.float32], classes: NDArray[np.int64], folds: NDArray[np.int64], count: int) -> Choice:
    """Return the average of the best heads.

    Every candidate predicts each fold from the other folds; its temperature minimizes the log loss of these
    predictions. Its weight in the average of the calibrated logits is ``w = exp(-n b / 2)``, with n pictures and the
    Brier score b: the likelihood of the predictions if their errors were normal with variance 1 (pseudo-Bayesian model
    averaging, Geisser and Eddy 1979, Yao et al. 2018). So many candidates count if there are few pictures, and only
    the best if there are many. The best one alone is less accurate: docs/training.md.

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
        for place, candidate in enumerate(wanted):
            head = fit_standardized([candidate], standardized, features[~test], classes[~test])
            logits[place, test] = head.logits(features[test])
    temperatures = [temperature_of(each, classes) for each in logits]
    scores = [brier_score(each / t, classes) for each, t in zip(logits, temperatures, strict=True)]
    weights = weights_of(scores, len(classes))
    used = [replace(part, factor=w / t) for part, w, t in zip(wanted, weights, temperatures, strict=True) if w]
    average = np.sum([w / t * each for each, w, t in zip(logits, weights, temperatures, strict=True) if w], axis=0)
    temperature = temperature_of(average, classes)
    right = logits.argmax(axis=2) == classes
    return Choice(
        head=fit(used, features, classes, count, whole).divided(temperature),
        temperature=temperature,
        candidates=tuple(
            Candidate(
                head=part.kind,
                strength=part.strength,
                weight=weights[place],
                temperature=temperatures[place],
                accuracy=float(right[place].mean()),
                standard_error=float(right[place].std() / np.sqrt(len(classes))),
                brier_score=scores[place],
            )
            for place, part in enumerate(wanted)
        ),
        logits=average / temperature,
    )


def weights_of(scores: Sequence[float], pictures: int) -> list[float]:
    """Return weights ``exp(-pictures score / 2)`` with the sum 1; those that are too small to matter are 0."""
    weights = np.exp(-pictures / 2 * (np.array(scores) - min(scores)))
    weights[weights < SMALLEST] = 0
    found: list[float] = (weights / weights.sum()).tolist()
    return found


def brier_score(logits: NDArray[np.float64], classes: NDArray[np.int64]) -> float:
    """Return the mean over the pictures of ``sum (softmax(logits) - target)²``, target 1 for the class, 0 elsewhere."""
    targets = np.eye(logits.shape[1])[classes]
    return float(((np.exp(log_softmax(logits)) - targets) ** 2).sum(axis=1).mean())
