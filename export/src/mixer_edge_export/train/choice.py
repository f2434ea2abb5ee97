"""Choose a head by cross-validation, and calibrate its probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from mixer_edge_export.train.heads import Head, candidates, fit, fit_all
from mixer_edge_export.train.record import Candidate

TEMPERATURES = (1e-3, 1e3)
FLOOR = -30.0
"""Smallest log-probability that counts, for a class that a fold did not have."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The head that is used, and what it answers for pictures that it did not see."""

    head: Head
    """Fitted on all pictures, with the temperature folded in."""
    temperature: float
    candidates: tuple[Candidate, ...]
    logits: NDArray[np.float64]
    """``[n, classes]``, of heads that did not see the picture or its group, with the temperature."""


def choose(
    features: NDArray[np.float32], classes: NDArray[np.int64], folds: NDArray[np.int64], count: int
) -> Choice:
    """Return the best head.

    Every candidate predicts each fold from the other folds; its temperature minimizes the log loss of these
    predictions. The simplest candidate is chosen whose log loss is at most one standard error above the smallest. The
    standard error is that of the paired difference, so it does not count what both find hard.

    Args:
        features: ``[n, features]``.
        classes: ``[n]`` indices of the classes.
        folds: ``[n]`` the fold of each picture.
        count: number of classes.
    """
    wanted = candidates(*features.shape, count)
    logits = np.zeros((len(wanted), len(classes), count))
    for fold in np.unique(folds):
        test = folds == fold
        for place, head in enumerate(fit_all(wanted, features[~test], classes[~test], count)):
            logits[place, test] = head.logits(features[test])
    temperatures = [temperature_of(each, classes) for each in logits]
    losses = np.array([log_losses(each / t, classes) for each, t in zip(logits, temperatures, strict=True)])
    best = int(losses.mean(axis=1).argmin())
    differences = losses - losses[best]
    errors = differences.std(axis=1) / np.sqrt(len(classes))
    chosen = int(np.flatnonzero(differences.mean(axis=1) <= errors)[0])
    kind, strength = wanted[chosen]
    right = logits.argmax(axis=2) == classes
    return Choice(
        head=fit(kind, strength, features, classes, count).divided(temperatures[chosen]),
        temperature=temperatures[chosen],
        candidates=tuple(
            Candidate(
                head=each,
                strength=power,
                accuracy=float(right[place].mean()),
                standard_error=float(right[place].std() / np.sqrt(len(classes))),
                log_loss=float(losses[place].mean()),
            )
            for place, (each, power) in enumerate(wanted)
        ),
        logits=logits[chosen] / temperatures[chosen],
    )


def log_losses(logits: NDArray[np.float64], classes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return ``-log(softmax(logits)[class])`` of each picture in nats, ``[n]``, at most ``-FLOOR``."""
    return -np.maximum(log_softmax(logits, axis=1)[np.arange(len(classes)), classes], FLOOR)


def temperature_of(logits: NDArray[np.float64], classes: NDArray[np.int64]) -> float:
    """Return the temperature t that minimizes the mean log loss of ``logits / t`` (Guo et al. 2017)."""
    low, high = np.log(TEMPERATURES)
    found = minimize_scalar(
        lambda log_t: float(log_losses(logits / np.exp(log_t), classes).mean()), bounds=(low, high), method="bounded"
    )
    return float(np.exp(found.x))
