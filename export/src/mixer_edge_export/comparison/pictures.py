"""Details of the comparison about single pictures: changed predictions, confusions and copies."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mixer_edge.bundle import Bundle
from mixer_edge.classifier import Category
from mixer_edge.evaluate import Evaluation
from mixer_edge_export.comparison.types import ChangedPicture, Confusion

GALLERY = 200
"""Largest number of pictures in the gallery: phones cannot open a much larger page."""
TOP = 3


def duplicates(evaluation: Evaluation) -> tuple[tuple[str, ...], ...]:
    """Return groups of files with the same pixels at the network's size."""
    groups: dict[bytes, list[str]] = defaultdict(list)
    for record in evaluation.records:
        groups[record["pixels"].tobytes()].append(evaluation.dataset.name(record["picture"]))
    return tuple(sorted(tuple(sorted(group)) for group in groups.values() if len(group) > 1))


def changed_pictures(evaluation: Evaluation, bundle: Bundle) -> tuple[int, tuple[ChangedPicture, ...]]:
    """Return how many pictures do not get the same label from all variants, and at most ``GALLERY`` of them.

    They are sorted by the distance of their outputs from the reference's (KL divergence, largest first), then by file
    name.
    """
    predictions = np.stack([evaluation.predictions(name) for name in evaluation.names])
    rows = np.flatnonzero((predictions != predictions[0]).any(axis=0))
    distance = np.max([evaluation.records[name]["kl_divergence"] for name in evaluation.names], axis=0)
    chosen = sorted(rows, key=lambda row: (-distance[row], evaluation.records["picture"][row]))[:GALLERY]
    kinds = {name: _kinds(evaluation, name) for name in evaluation.names[1:]}
    return len(rows), tuple(_changed_picture(evaluation, bundle, kinds, int(row)) for row in chosen)


def _kinds(evaluation: Evaluation, name: str) -> NDArray[np.str_]:
    """Return what a change of each prediction means: ``lost``, ``won`` or ``changed``."""
    before, after = evaluation.right(evaluation.reference), evaluation.right(name)
    return np.where(before & ~after, "lost", np.where(after & ~before, "won", "changed"))


def _changed_picture(
    evaluation: Evaluation, bundle: Bundle, kinds: Mapping[str, NDArray[np.str_]], row: int
) -> ChangedPicture:
    record = evaluation.records[row]
    image = evaluation.dataset.images[int(record["picture"])]
    before = record[evaluation.reference]["classes"][0]
    return ChangedPicture(
        file=evaluation.dataset.name(record["picture"]),
        truth=None if image.index is None else bundle.label(image.index),
        answers={
            name: tuple(
                Category(index=int(index), label=bundle.label(int(index)), probability=round(float(probability), 4))
                for index, probability in zip(
                    record[name]["classes"][:TOP], record[name]["probabilities"][:TOP], strict=True
                )
            )
            for name in evaluation.names
        },
        changes={name: str(kind[row]) for name, kind in kinds.items() if record[name]["classes"][0] != before},
    )


def confusions(evaluation: Evaluation, bundle: Bundle) -> tuple[Confusion, ...]:
    """Return the changed predictions of each variant, before and after, the most frequent first."""
    before = evaluation.predictions(evaluation.reference)
    found = []
    for name in evaluation.names[1:]:
        after, kinds = evaluation.predictions(name), _kinds(evaluation, name)
        counts: dict[tuple[int, int], Counter[str]] = defaultdict(Counter)
        for row in np.flatnonzero(after != before):
            counts[int(before[row]), int(after[row])][str(kinds[row])] += 1
        found += [
            Confusion(
                variant=name,
                before=bundle.label(old),
                after=bundle.label(new),
                count=count.total(),
                lost=count["lost"],
                won=count["won"],
            )
            for (old, new), count in sorted(counts.items(), key=lambda item: (-item[1].total(), item[0]))
        ]
    return tuple(found)
