"""Compare the recent captures with the reference: two tests, the size of what they find, and the strangest pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mixer_edge_export.drift.blocks import Block, Parts
from mixer_edge_export.drift.captures import Capture, outputs_of
from mixer_edge_export.drift.distances import between_blocks, distances, energy, standardized
from mixer_edge_export.drift.neighbours import notes
from mixer_edge_export.drift.permutation import Labels, difference, p_value, shift_interval
from mixer_edge_export.drift.told_apart import told_apart
from mixer_edge_export.drift.types import Confidence, Outputs, Result, Strange

STRANGEST = 12
"""Number of strangest pictures."""


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
    statistic = energy(means)
    outputs = Outputs(
        energy=float(statistic(is_recent[np.newaxis])[0]),
        told_apart=told_apart(values, parts.size, count),
        p_value=p_value(statistic, is_recent, threshold),
    )
    confidence = _confidence(blocks, is_recent, threshold)
    return Result(
        look=number,
        threshold=threshold,
        confidence=confidence,
        outputs=outputs,
        moved=min(outputs.p_value, confidence.p_value) <= threshold,
        strangest=_strangest(apart, len(reference), recent),
        notes=tuple(notes(means, reference, recent)),
    )


def _confidence(blocks: Sequence[Block], is_recent: Labels, threshold: float) -> Confidence:
    values = np.array([np.mean([capture.probability for capture in block]) for block in blocks])
    return Confidence(
        reference=float(values[~is_recent].mean()),
        recent=float(values[is_recent].mean()),
        difference=float(difference(values, is_recent[np.newaxis])[0]),
        interval=shift_interval(values, is_recent, threshold),
        p_value=p_value(lambda labels: np.abs(difference(values, labels)), is_recent, threshold),
    )


def _strangest(apart: NDArray[np.float64], count: int, recent: Sequence[Capture]) -> tuple[Strange, ...]:
    inside = apart[:count, :count].sum() / (count * (count - 1)) or 1.0
    far = apart[count:, :count].mean(axis=1) / inside
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
