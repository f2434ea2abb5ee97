"""Check a calibration set for mistakes that are hard to notice, because they only cost accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixer_edge.errors import DataError
from mixer_edge_export.calibration.pictures import CalibrationSet

MIN_PICTURES = 32
"""Below this, ranges still grow with every picture (``calibration_data/README.md`` shows by how much)."""
MIN_CONTRAST = 2.0
"""Standard deviation of the pixel values 0..255 of each colour; a picture below it shows nothing."""


def check(pictures: CalibrationSet, source: Path, labels: Sequence[str]) -> CalibrationSet:
    """Return the set with each picture once, and with a warning for everything that looks like a mistake.

    Args:
        pictures: the pictures chosen from ``source``.
        source: where they come from, for the messages.
        labels: the model's labels, to recognize a folder named like a class.

    Raises:
        DataError: all pictures are the same, or none shows anything: ranges measured on them would be useless.
    """
    warnings = []
    count = len(pictures.pixels)
    first = {digest: index for index, digest in reversed(list(enumerate(pictures.digests())))}
    if count > 1 and len(first) == 1:
        raise DataError(f"{source}: the same picture {count} times; expected different pictures")
    if copies := count - len(first):
        warnings.append(f"{copies} of {count} calibration pictures are copies of others and count once; remove them")
        pictures = _take(pictures, sorted(first.values()))
    flat = [name for name, pixels in zip(pictures.names, pictures.pixels, strict=True) if _is_flat(pixels)]
    if len(flat) == len(first):
        raise DataError(f"{source}: every picture has a single colour; expected photographs")
    if flat:
        warnings.append(f"{len(flat)} calibration pictures have a single colour, the first is {flat[0]}; remove them")
    if all(_is_grey(pixels) for pixels in pictures.pixels):
        warnings.append("all calibration pictures are grey; if the model will see colours, use coloured ones")
    classes = set(pictures.classes) if set(pictures.classes) != {""} else {source.name} & set(labels)
    if len(classes) == 1 and (folder := classes.pop()):
        warnings.append(f"all calibration pictures are in one folder, {folder!r}; if it is a class, use some of each")
    if len(first) < MIN_PICTURES:
        warnings.append(f"only {len(first)} calibration pictures, too few for stable ranges; use 100 to 200")
    return replace(pictures, warnings=tuple(warnings))


def _is_flat(pixels: NDArray[np.uint8]) -> bool:
    return bool((pixels.std(axis=(0, 1)) < MIN_CONTRAST).all())


def _is_grey(pixels: NDArray[np.uint8]) -> bool:
    return bool((pixels == pixels[..., :1]).all())


def _take(pictures: CalibrationSet, indices: list[int]) -> CalibrationSet:
    return replace(
        pictures,
        pixels=tuple(pictures.pixels[index] for index in indices),
        names=tuple(pictures.names[index] for index in indices),
        classes=tuple(pictures.classes[index] for index in indices),
    )
