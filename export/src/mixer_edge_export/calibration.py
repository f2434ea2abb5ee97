"""The pictures that the activations' ranges are measured on: the user's, the bundled model's, or generated ones."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixer_edge.dataset import find_images
from mixer_edge.errors import DataError, ImageError
from mixer_edge.manifest import CalibrationSpec, PreprocessSpec
from mixer_edge.preprocess import load_pixels, normalize
from mixer_edge.progress import progress

GENERATED_COUNT = 64
MAX_IMAGES = 200


@dataclass(frozen=True, kw_only=True)
class CalibrationSet:
    """Pictures of the network's size, ``[height, width, 3]`` uint8, prepared as the device prepares them."""

    kind: str
    pixels: tuple[NDArray[np.uint8], ...]

    def manifest(self) -> CalibrationSpec:
        """Return what the manifest says about the set; the fingerprint does not depend on the pictures' order."""
        digests = sorted(hashlib.sha256(pixels.tobytes()).hexdigest() for pixels in self.pixels)
        fingerprint = hashlib.sha256("".join(digests).encode()).hexdigest()
        return CalibrationSpec(kind=self.kind, count=len(self.pixels), fingerprint=fingerprint)

    def representative_dataset(self, spec: PreprocessSpec) -> Iterator[NDArray[np.float32]]:
        """Yield each picture as ``[1, height, width, 3]`` float32 in [-1, 1]."""
        for pixels in self.pixels:
            yield normalize(pixels, spec)[np.newaxis]

    def golden(self, count: int) -> NDArray[np.uint8]:
        """Return ``count`` pictures spread evenly over the set, ``[count, height, width, 3]`` uint8."""
        indices = np.linspace(0, len(self.pixels) - 1, min(count, len(self.pixels))).round().astype(int)
        return np.stack([self.pixels[index] for index in indices])


def calibration_from_folder(folder: Path, spec: PreprocessSpec, kind: str = "folder") -> CalibrationSet:
    """Return the pictures below a folder, at most ``MAX_IMAGES`` of them, spread evenly over its sorted paths.

    Raises:
        DataError: no pictures, or one that cannot be read; the message names it.
    """
    paths = find_images(folder)
    chosen = np.unique(np.linspace(0, len(paths) - 1, min(MAX_IMAGES, len(paths))).round().astype(int))
    try:
        pixels = tuple(load_pixels(paths[index], spec) for index in progress(chosen, "reading calibration pictures"))
    except ImageError as error:
        raise DataError(f"{error}; take it out of the calibration folder") from None
    return CalibrationSet(kind=kind, pixels=pixels)


def generated_calibration(spec: PreprocessSpec, count: int = GENERATED_COUNT) -> CalibrationSet:
    """Return seeded pictures with a photograph's falling spectrum (amplitude 1/f), dark to bright, some grey."""
    height, width = spec.height, spec.width
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    frequency[0, 0] = 1.0
    pictures = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        channels = 1 if seed % 8 == 0 else 3
        noise = rng.standard_normal((channels, height, width))
        texture = np.fft.irfft2(np.fft.rfft2(noise) / frequency, s=(height, width))
        texture = (texture - texture.mean()) / texture.std() * rng.uniform(20, 80) + rng.uniform(40, 215)
        pictures.append(np.broadcast_to(texture, (3, height, width)).transpose(1, 2, 0).clip(0, 255).astype(np.uint8))
    return CalibrationSet(kind="generated", pixels=tuple(pictures))
