"""Which pictures are held out, and the folds of the others.

Pictures that belong together are never on both sides of a split. The sha256 of seed and group gives the order in which
groups are taken, so a split depends neither on the order of the pictures nor on chance.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mixer_edge.class_names import NAMES_IN_ERROR
from mixer_edge.errors import DataError
from mixer_edge.nearly_equal import nearly_equal
from mixer_edge_export.training.features import Features
from mixer_edge_export.training.pictures import Pictures

log = logging.getLogger(__name__)

KEPT = 2
"""Groups of each class that always stay: cross-validation needs one to train on and one to test on."""


def hold_out(
    classes: NDArray[np.int64], groups: NDArray[np.generic], share: float, seed: int, labels: Sequence[str]
) -> NDArray[np.bool_]:
    """Return which pictures are held out, ``[n]``.

    At most the share of each class is held out, in whole groups; at least one group of a class that has three, even if
    it is larger than the share; and two groups of every class always stay.

    Args:
        classes: ``[n]`` the pictures' classes.
        groups: ``[n]``; pictures with the same value belong together.
        share: between 0 and 1; of a small class one picture.
        seed: decides which groups.
        labels: the classes' labels.

    Raises:
        DataError: no class has three groups.
    """
    members = _members(groups, seed)
    parts = [(rows, *np.unique(classes[rows], return_counts=True)) for rows in members]
    left = np.bincount(np.concatenate([found for _, found, _ in parts]), minlength=len(labels))
    wanted = np.rint(share * np.bincount(classes, minlength=len(labels))).clip(1)
    held = np.zeros(len(labels), np.int64)
    chosen = np.zeros(len(classes), np.bool_)
    for fill, order in ((True, parts), (False, sorted(parts, key=lambda part: len(part[0])))):
        for rows, found, sizes in order:
            useful = (held[found] + sizes <= wanted[found]).all() if fill else (held[found] == 0).any()
            if useful and (left[found] > KEPT).all():
                chosen[rows] = True
                held[found] += sizes
                left[found] -= 1
    none = [repr(label) for label, count in zip(labels, held, strict=True) if count == 0]
    if len(none) == len(labels):
        raise DataError(
            "no class has three pictures that do not belong together, so none can be held out; add pictures, or name a "
            "folder of pictures to hold out"
        )
    if none:
        shown = ", ".join(none[:NAMES_IN_ERROR])
        log.warning("nothing is held out of %d classes with too few pictures (%s)", len(none), shown)
    return chosen


def folds(classes: NDArray[np.int64], groups: NDArray[np.generic], count: int, seed: int) -> NDArray[np.int64]:
    """Return each picture's fold, ``[n]``, 0 to ``count - 1``; a class with two groups of its own is in two or more.

    Whole groups, the largest first, each go to the fold with the smallest part of their classes; among equal ones to
    the fold with the fewest pictures.

    Args:
        classes: ``[n]`` the pictures' classes.
        groups: ``[n]``; pictures with the same value belong together.
        count: number of folds; none is empty if there are as many groups.
        seed: decides the order of groups of one size.
    """
    totals = np.bincount(classes)
    filled = np.zeros((count, len(totals)))
    sizes = np.zeros(count, np.int64)
    numbers = np.empty(len(classes), np.int64)
    for rows in sorted(_members(groups, seed), key=len, reverse=True):
        found, counts = np.unique(classes[rows], return_counts=True)
        fold = np.lexsort((sizes, (filled[:, found] / totals[found]).sum(axis=1)))[0]
        numbers[rows] = fold
        filled[fold, found] += counts
        sizes[fold] += len(rows)
    return numbers


def check_held_out(pictures: Pictures, features: Features, held_out: Pictures, their_features: Features) -> None:
    """Check that no picture held out is equal or nearly equal to one that is trained on.

    Raises:
        DataError: some are; the message lists the first few.
    """
    first = {digest: row for row, digest in reversed(list(enumerate(features.digests)))}
    copies = {row: first[digest] for row, digest in enumerate(their_features.digests) if digest in first}
    for theirs, ours in nearly_equal(their_features.thumbnails, features.thumbnails):
        for row, copy in zip(theirs.tolist(), ours.tolist(), strict=True):
            copies.setdefault(row, copy)
    if copies:
        shown = ", ".join(
            f"{held_out.name(int(their_features.rows[row]))} and {pictures.name(int(features.rows[copies[row]]))}"
            for row in sorted(copies)[:NAMES_IN_ERROR]
        )
        raise DataError(
            f"{held_out.folder}: {len(copies)} of {len(their_features.rows)} pictures to hold out are equal or nearly "
            f"equal to some in {pictures.folder} ({shown}); remove them from one of the folders"
        )


def _members(groups: NDArray[np.generic], seed: int) -> list[NDArray[np.intp]]:
    """Return the rows of each group, ascending; the groups in the order of the sha256 of seed and value."""
    values, inverse = np.unique(groups, return_inverse=True)
    members = np.split(np.argsort(inverse, kind="stable"), np.bincount(inverse).cumsum()[:-1])
    ranks = [hashlib.sha256(f"{seed}/{value}".encode()).digest() for value in values.tolist()]
    return [rows for _, rows in sorted(zip(ranks, members, strict=True), key=lambda pair: pair[0])]
