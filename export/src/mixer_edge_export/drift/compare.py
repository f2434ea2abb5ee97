"""Compare the recent captures with the reference: two tests, the size of what they find, and the strangest pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mixer_edge_export.drift.blocks import Parts
from mixer_edge_export.drift.captures import Capture, outputs_of
from mixer_edge_export.drift.distances import between_blocks, distances, energy, standardized
from mixer_edge_export.drift.doubts import ALIKE, alike_p, other_hours
from mixer_edge_export.drift.permutation import Labels, difference, p_value, shift_interval
from mixer_edge_export.drift.told_apart import told_apart
from mixer_edge_export.drift.types import Confidence, Outputs, Result, Strange, Verdict

STRANGEST = 12
"""Number of strangest pictures."""
NEAREST = 5
"""A picture is as strange as its distance to so many pictures of the reference, those that are nearest."""


def compare(parts: Parts, number: int, threshold: float) -> Result:
    """Return what a look finds.

    Args:
        parts: what is compared.
        number: of the look.
        threshold: the largest p value of each of the two tests that is a drift.
    """
    blocks = [*parts.reference_blocks, *parts.recent_blocks]
    count = len(parts.reference_blocks)
    reference, recent = ([one for block in group for one in block] for group in (blocks[:count], blocks[count:]))
    is_recent = np.arange(len(blocks)) >= count
    values = standardized(outputs_of([*reference, *recent]))
    apart = distances(values)
    means = between_blocks(apart, parts.size)
    confidence = np.array([np.mean([capture.probability for capture in block]) for block in blocks])
    outputs_p, confidence_p = p_values(means, confidence, is_recent, threshold)
    reference_alike_p = alike_p(outputs_of(reference), parts.size)
    return Result(
        look=number,
        threshold=threshold,
        confidence=Confidence(
            reference=float(confidence[~is_recent].mean()),
            recent=float(confidence[is_recent].mean()),
            difference=float(difference(confidence, is_recent[np.newaxis])[0]),
            interval=shift_interval(confidence, is_recent, threshold),
            p_value=confidence_p,
        ),
        outputs=Outputs(
            energy=float(energy(means)(is_recent[np.newaxis])[0]),
            told_apart=told_apart(values, parts.size, count),
            p_value=outputs_p,
        ),
        alike_p=reference_alike_p,
        verdict=verdict(min(outputs_p, confidence_p), threshold, reference_alike_p),
        strangest=_strangest(apart, len(reference), recent),
        note=other_hours(reference, recent),
    )


def p_values(
    means: NDArray[np.float64], confidence: NDArray[np.float64], is_recent: Labels, threshold: float
) -> tuple[float, float]:
    """Return the p values of both tests: of the outputs, and of the confidence.

    Args:
        means: ``[blocks, blocks]`` mean distances of the blocks' outputs, 0 for a block and itself.
        confidence: ``[blocks]`` mean confidence of a block.
        is_recent: ``[blocks]`` which are the recent ones.
        threshold: p values above it may be inaccurate.
    """
    return (
        p_value(energy(means), is_recent, threshold),
        p_value(lambda labels: np.abs(difference(confidence, labels)), is_recent, threshold),
    )


def verdict(p: float, threshold: float, reference_alike_p: float) -> Verdict:
    """Return what the smaller p value of both tests says, with the look's threshold."""
    if p > threshold:
        return "no drift"
    return "alike" if reference_alike_p <= ALIKE else "drift"


def _strangest(apart: NDArray[np.float64], count: int, recent: Sequence[Capture]) -> tuple[Strange, ...]:
    """Return the recent pictures that are farthest from all that the reference has."""
    # the nearest of a picture of the reference is itself
    usual = np.median(np.sort(apart[:count, :count], axis=1)[:, 1 : NEAREST + 1].mean(axis=1)) or 1.0
    far = np.sort(apart[count:, :count], axis=1)[:, :NEAREST].mean(axis=1) / usual
    return tuple(
        Strange(
            file=recent[row].file,
            time=recent[row].time,
            label=recent[row].label,
            probability=recent[row].probability,
            none=recent[row].none,
            distance=float(far[row]),
        )
        for row in np.argsort(-far, kind="stable")[:STRANGEST]
    )
