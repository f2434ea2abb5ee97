"""A calibration set: pictures prepared as the device prepares them, and what the manifest says about them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixer_edge.errors import DataError
from mixer_edge.manifest import PreprocessSpec
from mixer_edge.preprocess import load_pixels, normalize
from mixer_edge_export.calibration.generated import generate

DEFAULT_SAMPLES = 200
GENERATED_COUNT = 64
GENERATED_FINGERPRINT = "fa19ffb9481fb09d88e16db403cd527c5e6381309766ee5575f780fbbca62c57"
"""Fingerprint of the generated set; the same on every machine."""


@dataclass(frozen=True, kw_only=True)
class CalibrationSet:
    """Pictures of the network's size, ``[height, width, 3]`` uint8, each with a name and a class ("" for none)."""

    kind: str
    """``folder`` or ``arrays`` (the user's), ``generated``, or the name of the bundled model they come with."""
    pixels: tuple[NDArray[np.uint8], ...]
    names: tuple[str, ...]
    classes: tuple[str, ...]
    found: int
    """How many pictures there were to choose from."""
    warnings: tuple[str, ...] = ()

    def digests(self) -> tuple[str, ...]:
        """Return the sha256 of each picture's pixels."""
        return tuple(hashlib.sha256(pixels.tobytes()).hexdigest() for pixels in self.pixels)

    def representative_dataset(self, spec: PreprocessSpec) -> Iterator[NDArray[np.float32]]:
        """Yield each picture as ``[1, height, width, 3]`` float32 in [-1, 1]."""
        for pixels in self.pixels:
            yield normalize(pixels, spec)[np.newaxis]

    def golden(self, count: int) -> NDArray[np.uint8]:
        """Return ``count`` pictures spread evenly over the set, ``[count, height, width, 3]`` uint8."""
        indices = np.linspace(0, len(self.pixels) - 1, min(count, len(self.pixels))).round().astype(int)
        return np.stack([self.pixels[index] for index in indices])


def fingerprint(digests: Iterable[str]) -> str:
    """Return one sha256 for pictures of these digests, whatever their order."""
    return hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()


def generated_calibration(spec: PreprocessSpec) -> CalibrationSet:
    """Return the generated set, brought to the network's size like any other picture.

    Raises:
        DataError: this machine generated other pictures than those that were measured.
    """
    pictures = generate(GENERATED_COUNT)
    if fingerprint(hashlib.sha256(picture.tobytes()).hexdigest() for picture in pictures) != GENERATED_FINGERPRINT:
        raise DataError("the generated calibration pictures differ on this machine; give photographs (--calibration)")
    return CalibrationSet(
        kind="generated",
        pixels=tuple(load_pixels(picture, spec) for picture in pictures),
        names=tuple(f"generated picture {index}" for index in range(len(pictures))),
        classes=("",) * len(pictures),
        found=len(pictures),
        warnings=("calibrated on generated pictures; give your own (--calibration, CALIBRATION=)",),
    )
