"""The check of a calibration set: the mistakes that nobody notices, for they only cost accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixer_edge.errors import DataError
from mixer_edge_export.calibration.pictures import CalibrationSet

FEWEST = 32
"""Below this the ranges still grow with every picture (``calibration_data/README.md`` shows by how much)."""
FLAT = 2.0
"""Standard deviation of each colour, of 255, below which a picture shows nothing."""


def check(pictures: CalibrationSet, source: Path, labels: Sequence[str]) -> CalibrationSet:
    """Return the set with each picture once and with a warning for everything in it that looks like a mistake.

    Args:
        pictures: as chosen from ``source``.
        source: where they come from, for the messages.
        labels: the model's, to recognize a folder that is called like a class.

    Raises:
        DataError: there is but one picture, or none shows anything: ranges measured on it would be of no use.
    """
    warnings = []
    count = len(pictures.pixels)
    first = {digest: index for index, digest in reversed(list(enumerate(pictures.digests())))}
    if count > 1 and len(first) == 1:
        raise DataError(f"{source}: {count} times the same picture; expected different ones")
    if copies := count - len(first):
        warnings.append(f"{copies} of {count} calibration pictures are copies of others and count once; take them out")
        pictures = _take(pictures, sorted(first.values()))
    flat = [name for name, pixels in zip(pictures.names, pictures.pixels, strict=True) if _is_flat(pixels)]
    if len(flat) == len(first):
        raise DataError(f"{source}: no picture shows anything, all are of one colour; expected photographs")
    if flat:
        warnings.append(f"{len(flat)} calibration pictures are of one colour, the first is {flat[0]}; take them out")
    if all(_is_grey(pixels) for pixels in pictures.pixels):
        warnings.append("all calibration pictures are grey; if the model will see colours, give coloured ones")
    classes = set(pictures.classes) if set(pictures.classes) != {""} else {source.name} & set(labels)
    if len(classes) == 1 and (folder := classes.pop()):
        warnings.append(f"all calibration pictures are in one folder, {folder!r}; if it is a class, give some of each")
    if len(first) < FEWEST:
        warnings.append(f"only {len(first)} calibration pictures, too few for steady ranges; give 100 to 200")
    return replace(pictures, warnings=tuple(warnings))


def _is_flat(pixels: NDArray[np.uint8]) -> bool:
    return bool((pixels.std(axis=(0, 1)) < FLAT).all())


def _is_grey(pixels: NDArray[np.uint8]) -> bool:
    return bool((pixels == pixels[..., :1]).all())


def _take(pictures: CalibrationSet, indices: list[int]) -> CalibrationSet:
    return replace(
        pictures,
        pixels=tuple(pictures.pixels[index] for index in indices),
        names=tuple(pictures.names[index] for index in indices),
        classes=tuple(pictures.classes[index] for index in indices),
    )
