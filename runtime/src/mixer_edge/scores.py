"""The figures of a variant, computed from its answers for every picture, with or without labels.

What counts as right is defined by ``mixer_edge.evaluate.Evaluation.right``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixer_edge.evaluate import Evaluation
from mixer_edge.metrics import mcnemar_exact, paired_interval, wilson_interval

WORST = 5


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """A count of right answers, its share and the share's Wilson 95 % interval, all in [0, 1]."""

    correct: int
    share: float
    interval: tuple[float, float]

    @classmethod
    def of(cls, correct: int, total: int) -> Accuracy:
        """Return the share of ``correct`` in ``total``, with its interval."""
        return cls(correct=correct, share=correct / total, interval=wilson_interval(correct, total))


@dataclass(frozen=True, kw_only=True)
class ClassScore:
    """How often the pictures of one class are recognised, and how often the reference recognises them."""

    index: int
    label: str
    pictures: int
    correct: int
    reference_correct: int


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A variant's top-1 accuracy minus the reference's on the same pictures, in [-1, 1]."""

    lost: int
    """Pictures that the reference gets right and the variant wrong."""
    won: int
    """Pictures that the variant gets right and the reference wrong."""
    share: float
    interval: tuple[float, float]
    """95 %, by the paired bootstrap."""
    p_value: float
    """Of McNemar's exact test."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """The figures of one variant on all pictures; without labels, those that need labels are None.

    Accuracies are those of the nearest class, also of refused pictures; ``refused`` says how many there are. Only
    pictures of a class labelled ``none`` are right if they are refused, as well as if they are given this label.
    """

    name: str
    pictures: int
    top1: Accuracy | None
    top5: Accuracy | None
    difference: Difference | None
    changed: int
    """Predictions that differ from the reference's."""
    agreement: Accuracy
    """Share of predictions equal to the reference's."""
    refused: Accuracy | None
    """Number and share of the pictures answered "none of these"; None if the bundle has no threshold."""
    mean_kl_divergence: float
    """Of the softmax outputs from the reference's, in nats."""
    largest_difference: float
    """The largest difference between a logit and the reference's, over all pictures and classes."""
    worst_classes: tuple[ClassScore, ...]
    """Classes with errors: first those that lost most against the reference, then those with the lowest accuracy."""


@dataclass(frozen=True, kw_only=True)
class EvaluationReport:
    """What ``mixer-edge evaluate --json`` prints."""

    bundle_fingerprint: str
    data_fingerprint: str
    layout: str
    """The layout of the folder of pictures."""
    machine: str
    scores: tuple[Score, ...]
    """The reference first."""
    unreadable: tuple[str, ...]
    """One line for each picture that could not be read."""


def score(evaluation: Evaluation, name: str, label: Callable[[int], str]) -> Score:
    """Return the figures of one variant; ``label`` gives the name of a class."""
    truth, total = evaluation.truth(), len(evaluation.records)
    same = int((evaluation.predictions(name) == evaluation.predictions(evaluation.reference)).sum())
    answers = evaluation.records[name]
    # fsum rounds once, at the end: the order of the pictures does not matter
    return Score(
        name=name,
        pictures=total,
        top1=None if truth is None else Accuracy.of(int(evaluation.right(name).sum()), total),
        top5=None if truth is None else Accuracy.of(int(evaluation.right(name, 5).sum()), total),
        difference=None if truth is None else _difference(evaluation, name),
        changed=total - same,
        agreement=Accuracy.of(same, total),
        refused=Accuracy.of(int(answers["refused"].sum()), total) if evaluation.refuses else None,
        mean_kl_divergence=math.fsum(answers["kl_divergence"]) / total,
        largest_difference=float(answers["largest_difference"].max()),
        worst_classes=() if truth is None else _worst_classes(evaluation, name, truth, label),
    )


def _difference(evaluation: Evaluation, name: str) -> Difference:
    right, reference_right = evaluation.right(name), evaluation.right(evaluation.reference)
    lost, won = int((reference_right & ~right).sum()), int((right & ~reference_right).sum())
    return Difference(
        lost=lost,
        won=won,
        share=(won - lost) / len(right),
        interval=paired_interval(lost, won, len(right)),
        p_value=mcnemar_exact(lost, won),
    )


def _worst_classes(
    evaluation: Evaluation, name: str, truth: NDArray[np.int64], label: Callable[[int], str]
) -> tuple[ClassScore, ...]:
    right, reference_right = evaluation.right(name), evaluation.right(evaluation.reference)
    size = int(truth.max()) + 1
    pictures, correct, before = (
        np.bincount(truth[chosen], minlength=size) for chosen in (truth >= 0, right, reference_right)
    )
    order = sorted(
        (index for index in range(size) if correct[index] < pictures[index]),
        key=lambda index: (correct[index] - before[index], correct[index] / pictures[index], index),
    )
    return tuple(
        ClassScore(
            index=index,
            label=label(index),
            pictures=int(pictures[index]),
            correct=int(correct[index]),
            reference_correct=int(before[index]),
        )
        for index in order[:WORST]
    )
