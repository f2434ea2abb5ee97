"""The threshold below which the answer is "none of these"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu

from mixer_edge.confidence import quantile
from mixer_edge.head import Statistics
from mixer_edge.manifest import UnknownMeasure, UnknownSpec
from mixer_edge.metrics import unknown_score
from mixer_edge.progress import progress
from mixer_edge_export.training.choice import Choice
from mixer_edge_export.training.heads import fit
from mixer_edge_export.training.record import MeasureResult, ThresholdPoint

MEASURES: tuple[UnknownMeasure, ...] = get_args(UnknownMeasure)
LEFT_OUT = 20
"""Largest number of classes that are left out in turn, spread evenly over all."""
POINTS = 21
"""Number of points of the curve, from 0 to a quarter of the classes' pictures refused."""


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """When the answer is "none of these", and what that refuses."""

    spec: UnknownSpec
    measures: tuple[MeasureResult, ...]
    """The best first; empty with two classes: without one of them there is nothing to tell it from."""
    curve: tuple[ThresholdPoint, ...]


def find_threshold(
    features: NDArray[np.float32], classes: NDArray[np.int64], choice: Choice, share: float, none: int | None = None
) -> Threshold:
    """Return the measure that refuses most strangers, and the threshold at which it refuses ``share`` of the pictures.

    Strangers are the pictures of each class in turn, scored by a head that is trained on the other classes. The scores
    of the classes' own pictures are those of heads that did not see them.

    Args:
        features: ``[n, features]``.
        classes: ``[n]`` indices of the classes.
        choice: the head.
        share: part of the classes' pictures that may be refused.
        none: index of the class of pictures that are none of the others: they may all be refused.
    """
    own = classes != none
    friends = {measure: unknown_score(measure, choice.logits[own]) for measure in MEASURES}
    strangers = _strangers(features, classes, choice, none)
    measures = (
        []
        if strangers is None
        else sorted((_result(friends, strangers, measure, share) for measure in MEASURES), key=_quality)
    )
    best = measures[0].measure if measures else MEASURES[0]
    threshold = quantile(friends[best], share)
    return Threshold(
        spec=UnknownSpec(measure=best, threshold=threshold, refused=float((friends[best] < threshold).mean())),
        measures=tuple(measures),
        curve=() if strangers is None else _curve(friends[best], strangers[best]),
    )


def auroc(friends: NDArray[np.float64], strangers: NDArray[np.float64]) -> float:
    """Return the probability that a friend's score is above a stranger's; equal ones count half."""
    return float(mannwhitneyu(friends, strangers).statistic / (len(friends) * len(strangers)))


def _strangers(
    features: NDArray[np.float32], classes: NDArray[np.int64], choice: Choice, none: int | None
) -> dict[UnknownMeasure, NDArray[np.float64]] | None:
    """Return the scores of each class's pictures by a head that does not know the class."""
    kinds = np.array([index for index in np.unique(classes) if index != none])
    if len(kinds) - 1 + (none is not None) < 2:
        return None
    left_out = kinds[np.unique(np.linspace(0, len(kinds) - 1, min(LEFT_OUT, len(kinds))).round().astype(np.int64))]
    found: dict[UnknownMeasure, list[NDArray[np.float64]]] = {measure: [] for measure in MEASURES}
    count = choice.logits.shape[1]
    whole = Statistics.of(features, classes, count)
    for index in progress(left_out.tolist(), "leaving classes out"):
        known = classes != index
        rest = whole - Statistics.of(features[~known], classes[~known], count)
        logits = fit(choice.head.parts, features[known], classes[known], count, rest).logits(features[~known])
        for measure in MEASURES:
            found[measure].append(unknown_score(measure, logits))
    return {measure: np.concatenate(scores) for measure, scores in found.items()}


def _result(
    friends: Mapping[UnknownMeasure, NDArray[np.float64]],
    strangers: Mapping[UnknownMeasure, NDArray[np.float64]],
    measure: UnknownMeasure,
    share: float,
) -> MeasureResult:
    return MeasureResult(
        measure=measure,
        auroc=auroc(friends[measure], strangers[measure]),
        strangers_refused=float((strangers[measure] < quantile(friends[measure], share)).mean()),
    )


def _quality(result: MeasureResult) -> tuple[float, float, int]:
    """Return what measures are sorted by: strangers refused, then AUROC, most first."""
    return -result.strangers_refused, -result.auroc, MEASURES.index(result.measure)


def _curve(friends: NDArray[np.float64], strangers: NDArray[np.float64]) -> tuple[ThresholdPoint, ...]:
    thresholds = np.unique([quantile(friends, share) for share in np.linspace(0, 0.25, POINTS)])
    return tuple(
        ThresholdPoint(
            threshold=float(threshold),
            refused=float((friends < threshold).mean()),
            strangers_refused=float((strangers < threshold).mean()),
        )
        for threshold in thresholds
    )
