"""A calibration set: pictures with the device's preprocessing, and their facts for the manifest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixer_edge.dataset import spread
from mixer_edge.errors import DataError
from mixer_edge.manifest import CalibrationSpec, FileSpec, PreprocessSpec
from mixer_edge.preprocess import load_pixels, normalize, pixels_sha256
from mixer_edge_export.calibration.generated import generate, tone
from mixer_edge_export.files import write

MANIFEST_NAME = "manifest.csv"
MANIFEST_COLUMNS = ["file", "label", "sha256"]
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
        return tuple(map(pixels_sha256, self.pixels))

    def representative_dataset(self, spec: PreprocessSpec) -> Iterator[NDArray[np.float32]]:
        """Yield each picture as ``[1, height, width, 3]`` float32 in [-1, 1]."""
        for pixels in self.pixels:
            yield normalize(pixels, spec)[np.newaxis]

    def golden(self, count: int) -> NDArray[np.uint8]:
        """Return ``count`` pictures spread evenly over the set, ``[count, height, width, 3]`` uint8."""
        return np.stack([self.pixels[index] for index in spread(len(self.pixels), count)])

    def facts(self, file: FileSpec) -> CalibrationSpec:
        """Return the facts about the set for a manifest; ``file`` is its record."""
        return CalibrationSpec(
            kind=self.kind,
            count=len(self.pixels),
            found=self.found,
            fingerprint=fingerprint(self.digests()),
            warnings=self.warnings,
            file=file,
        )


def fingerprint(digests: Iterable[str]) -> str:
    """Return one sha256 for pictures with these digests; their order does not matter."""
    return hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()


def generated_pictures() -> list[NDArray[np.uint8]]:
    """Return the generated set, ``[224, 224, 3]`` uint8 each.

    Raises:
        DataError: this machine generated different pictures.
    """
    pictures = generate(GENERATED_COUNT)
    if fingerprint(map(pixels_sha256, pictures)) != GENERATED_FINGERPRINT:
        raise DataError("the generated calibration pictures differ on this machine; use photographs (--calibration)")
    return pictures


def generated_calibration(spec: PreprocessSpec) -> CalibrationSet:
    """Return the generated set, preprocessed to the network's size; errors as above."""
    pictures = generated_pictures()
    return CalibrationSet(
        kind="generated",
        pixels=tuple(load_pixels(picture, spec) for picture in pictures),
        names=tuple(f"generated picture {index}" for index in range(len(pictures))),
        classes=("",) * len(pictures),
        found=len(pictures),
        warnings=("calibrated on generated pictures; use your own (--calibration, CALIBRATION=)",),
    )


def write_generated(folder: Path) -> int:
    """Write the generated set as PPM files with their ``manifest.csv``; return their number.

    Raises:
        DataError: as above, or the folder cannot be written to.
    """
    lines = [",".join(MANIFEST_COLUMNS)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for index, picture in enumerate(generated_pictures()):
            # PPM, because the bytes of a compressed file depend on the library that wrote it
            content = f"P6\n{picture.shape[1]} {picture.shape[0]}\n255\n".encode() + picture.tobytes()
            write(folder / f"{index:02d}.ppm", content)
            lines.append(f"{index:02d}.ppm,{tone(index)},{hashlib.sha256(content).hexdigest()}")
        write(folder / MANIFEST_NAME, "".join(f"{line}\n" for line in lines).encode())
    except OSError as error:
        raise DataError(f"{folder}: cannot be written to ({error}); choose another folder") from None
    return GENERATED_COUNT
