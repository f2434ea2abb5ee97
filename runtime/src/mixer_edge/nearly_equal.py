"""Nearly equal pictures: the same one encoded again, resized, brightened or slightly cropped.

What is compared is the detail of a grey thumbnail: the means of 16 x 16 equal areas without their local mean. The
likeness of two pictures is the correlation of their details. They are nearly equal if they are at least as like as each
of them is to itself without its border: the likeness must reach the mean of both pictures' own bounds. Fine detail
changes much with the border and gives a low bound, while smooth pictures, which are all alike, have a high one.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mixer_edge.progress import progress

THUMBNAIL = 32
"""Usual side of the grey thumbnails, in pixels; ``mixer_edge.decode.grey_thumbnail`` makes them."""
AREAS = 16
"""Areas of a picture in each direction."""
BORDER = 0.022
"""Part of the width and height that is cut off at each side for a picture's bound.

Chosen on 150 photographs of different things, changed copies of them, and the 1797 digits. No two different photographs
come nearer to the bound than 0.46, no two digits than 0.009; with a border of 0.025 some digits reach it. Found are all
copies encoded again at quality 75 to 15, resized to a half, a quarter or 64 pixels, grey, or with other contrast (0.8,
1.3) or gamma (0.7); 99 % and 96 % of those brightened by 1.2 and 1.4; of those cropped at each side by a part drawn up
to 2 % 93 %, up to 5 % 7 %.
"""
MIN_BOUND = 0.7
"""No bound is lower, however fine the detail: the likeness of different photographs was up to 0.39."""
MIN_DETAIL = 1.0
"""Standard deviation of the detail in grey values 0 to 255; a picture below it is like no other."""
BLOCK = 2048
_REACH = 4
"""Areas on each side that a local mean counts: beyond, the weight is below 0.0004."""


def nearly_equal(
    thumbnails: NDArray[np.uint8], others: NDArray[np.uint8] | None = None
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield the pairs of nearly equal pictures, block by block, as two arrays of their rows.

    Args:
        thumbnails: ``[n, side, side]`` grey.
        others: those to compare with; None for each other: then a pair comes once or twice, also a row with itself.
    """
    details, bounds = _details(thumbnails)
    their_details, their_bounds = (details, bounds) if others is None else _details(others)
    blocks = [
        (top, left)
        for top in range(0, len(details), BLOCK)
        for left in range(top if others is None else 0, len(their_details), BLOCK)
    ]
    for top, left in progress(blocks, "comparing pictures"):
        rows, columns = np.s_[top : top + BLOCK], np.s_[left : left + BLOCK]
        likeness = details[rows] @ their_details[columns].T
        found = np.nonzero(likeness >= (bounds[rows, np.newaxis] + their_bounds[columns]) / 2)
        if len(found[0]):
            yield found[0] + top, found[1] + left


def _details(thumbnails: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return each picture's detail, ``[n, areas * areas]`` of length 1, and its bound, ``[n]``."""
    parts = [np.zeros((0, AREAS * AREAS), np.float32)], [np.zeros(0, np.float32)]
    for start in range(0, len(thumbnails), BLOCK):
        block = thumbnails[start : start + BLOCK].astype(np.float32)
        whole, inner = _detail(block, 0), _detail(block, BORDER)
        plain = np.linalg.norm(whole, axis=1) < MIN_DETAIL * AREAS
        unit = whole / np.maximum(np.linalg.norm(whole, axis=1, keepdims=True), 1)
        inner /= np.maximum(np.linalg.norm(inner, axis=1, keepdims=True), 1)
        parts[0].append(unit)
        parts[1].append(np.where(plain, np.float32(3), (unit * inner).sum(axis=1).clip(MIN_BOUND)))
    return np.concatenate(parts[0]), np.concatenate(parts[1])


def _detail(thumbnails: NDArray[np.float32], border: float) -> NDArray[np.float32]:
    """Return the means of equal areas without a border, minus their local and their global mean."""
    side = thumbnails.shape[1]
    edges = np.linspace(border * side, (1 - border) * side, AREAS + 1)[:, np.newaxis]
    pixels = np.arange(side)
    overlap = (np.minimum(edges[1:], pixels + 1) - np.maximum(edges[:-1], pixels)).clip(0)
    weights = (overlap / overlap.sum(axis=1, keepdims=True)).astype(np.float32)
    means = weights @ thumbnails @ weights.T
    detail = (means - _LOCAL @ means @ _LOCAL.T).reshape(len(means), -1)
    return detail - detail.mean(axis=1, keepdims=True)


def _local_means() -> NDArray[np.float32]:
    """Return the matrix of the local mean in one direction, ``[areas, areas]``: a Gaussian of one area's width.

    Beyond the picture's edge its last area goes on.
    """
    steps = np.arange(-_REACH, _REACH + 1)
    weights = np.exp(-(steps**2) / 2)
    matrix = np.zeros((AREAS, AREAS))
    for area in range(AREAS):
        np.add.at(matrix[area], (area + steps).clip(0, AREAS - 1), weights / weights.sum())
    return matrix.astype(np.float32)


_LOCAL = _local_means()
