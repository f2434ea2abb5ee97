"""Which pictures belong together, so that a split must not part them.

Pictures belong together if

- their pixels are equal at the network's size;
- they are nearly equal, see ``mixer_edge.nearly_equal``;
- they are of one class and taken within 2 seconds, each of the one before it: a burst. Where the table has an entry in
  the column ``group``, the user knows better, and the time is not used;
- the table says so.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from mixer_edge.class_names import NAMES_IN_ERROR
from mixer_edge.errors import DataError
from mixer_edge.nearly_equal import nearly_equal
from mixer_edge_export.training.features import Features
from mixer_edge_export.training.pictures import Pictures
from mixer_edge_export.training.record import Reason, Together

BURST_S = 2.0
"""Largest time between two pictures of a burst."""


@dataclass(frozen=True, kw_only=True)
class Groups:
    """Pictures that belong together have the same number and the same key."""

    numbers: NDArray[np.int64]
    """``[n]``, from 0 in the order of the first picture."""
    keys: NDArray[np.str_]
    """``[n]``; they do not depend on names or on other groups: the first of the pictures' digests."""
    together: tuple[Together, ...]
    """For each reason the groups of more than one picture."""


def find_groups(pictures: Pictures, features: Features) -> Groups:
    """Return the groups of the pictures that could be read.

    Raises:
        DataError: all pictures of a class belong together.
    """
    classes = pictures.classes[features.rows]
    found: dict[Reason, NDArray[np.int64]] = {
        "equal pixels": _numbers(features.digests),
        "nearly equal": _nearly_equal(features),
        "taken together": _bursts(pictures, features),
        "group column": _numbers([pictures.groups[row] or int(row) for row in features.rows]),
    }
    together = tuple(
        Together(
            reason=reason,
            files=tuple(pictures.name(int(features.rows[member])) for member in members),
            labels=tuple(pictures.labels[index] for index in np.unique(classes[members])),
        )
        for reason, numbers in found.items()
        for members in _members(numbers)
        if len(members) > 1
    )
    numbers = np.arange(len(classes))
    for others in found.values():
        _, first, inverse = np.unique(others, return_index=True, return_inverse=True)
        numbers = _joined(numbers, np.arange(len(classes)), first[inverse])
    numbers = _numbers(numbers.tolist())
    _check_classes(pictures, classes, numbers, together)
    keys = [min(features.digests[member] for member in members) for members in _members(numbers)]
    return Groups(numbers=numbers, keys=np.array(keys)[numbers], together=together)


def _check_classes(
    pictures: Pictures, classes: NDArray[np.int64], numbers: NDArray[np.int64], together: Sequence[Together]
) -> None:
    """Check that each class has pictures that do not belong together."""
    for index in np.unique(classes):
        label, count = pictures.labels[index], int(np.sum(classes == index))
        if len(np.unique(numbers[classes == index])) == 1:
            groups = [group for group in together if label in group.labels]
            reasons = " and ".join(sorted({group.reason for group in groups}))
            files = ", ".join(groups[0].files[:NAMES_IN_ERROR])
            raise DataError(
                f"{pictures.folder}: all {count} pictures of {label!r} belong together ({reasons}, such as {files}), "
                "so none can be tested on; add pictures that were taken separately"
            )


def _nearly_equal(features: Features) -> NDArray[np.int64]:
    """Return the groups of nearly equal pictures; of equal ones only the first is in it."""
    _, first = np.unique(features.digests, return_index=True)
    first.sort()
    numbers = np.arange(len(features.digests))
    for one, other in nearly_equal(features.thumbnails[first]):
        numbers = _joined(numbers, first[one], first[other])
    return numbers


def _bursts(pictures: Pictures, features: Features) -> NDArray[np.int64]:
    """Return the groups of pictures taken together."""
    timed = sorted(
        (int(pictures.classes[row]), taken, member)
        for member, (row, taken) in enumerate(zip(features.rows, features.taken, strict=True))
        if taken is not None and pictures.groups[row] is None
    )
    numbers = np.arange(len(features.rows))
    for (index, taken, member), (later_index, later, later_member) in itertools.pairwise(timed):
        if index == later_index and later - taken <= BURST_S:
            numbers[later_member] = numbers[member]
    return numbers


def _numbers(keys: Sequence[Hashable]) -> NDArray[np.int64]:
    """Return a number for each key, equal for equal ones, from 0 in the order of the first."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64)


def _members(numbers: NDArray[np.int64]) -> list[NDArray[np.intp]]:
    """Return the rows of each group, ascending; the groups by their first row."""
    order = np.argsort(_numbers(numbers.tolist()), kind="stable")
    return np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1)


def _joined(numbers: NDArray[np.int64], one: NDArray[np.intp], other: NDArray[np.intp]) -> NDArray[np.int64]:
    """Return the groups after each row of ``one`` is joined with the row of ``other`` in the same place."""
    apart = numbers[one] != numbers[other]
    links = (numbers[one[apart]], numbers[other[apart]])
    graph = coo_array((np.ones(len(links[0])), links), shape=(len(numbers), len(numbers)))
    return connected_components(graph, directed=False)[1][numbers].astype(np.int64)
