"""Compute the features of pictures with a feature extractor's file, and what else a training must know of them."""

from __future__ import annotations

import functools
import hashlib
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mixer_edge.decode import grey_thumbnail, time_taken
from mixer_edge.engine import Item, Records
from mixer_edge.errors import ImageError, ModelError
from mixer_edge.interpreter import Interpreter
from mixer_edge.manifest import PreprocessSpec
from mixer_edge.nearly_equal import THUMBNAIL
from mixer_edge.preprocess import load_pixels, normalize, pixels_sha256

NOISE = 4
"""Number of inputs on which two machines are compared."""


def record_dtype(width: int) -> np.dtype[np.void]:
    """Return the layout of a picture's record, with ``width`` features."""
    return np.dtype(
        [
            ("picture", "<i4"),
            ("pixels", "V32"),
            ("computed", "?"),  # False if the features were known: then they are 0 here
            ("features", "<f4", (width,)),
            ("thumbnail", "u1", (THUMBNAIL, THUMBNAIL)),
            ("taken", "<f8"),  # seconds, NaN if the file does not say
        ]
    )


@dataclass(frozen=True, kw_only=True)
class Extraction:
    """What to compute: the features that are not known yet."""

    file: Path
    """The extractor's float32 file."""
    spec: PreprocessSpec
    width: int
    """Number of features."""
    known: frozenset[bytes]
    """sha256 of the pixels whose features are known."""
    backend: str = "auto"

    @property
    def folder(self) -> Path:
        """The folder of the extractor's file."""
        return self.file.parent

    @property
    def files(self) -> tuple[str, ...]:
        """The name of the extractor's file."""
        return (self.file.name,)

    def moved(self, folder: Path) -> Extraction:
        """Return the same work with the extractor's file in another folder."""
        return replace(self, file=folder / self.file.name)

    def prove(self) -> dict[str, str]:
        """Return the hash of the features of some seeded noise.

        Raises:
            InterpreterError: no interpreter here can run the file.
        """
        reader = Reader(self)
        noise = np.random.default_rng(0).integers(0, 256, (NOISE, self.spec.height, self.spec.width, 3), np.uint8)
        features = [reader.interpreter.invoke(reader.table[pixels][np.newaxis]) for pixels in noise]
        return {self.file.name: f"features {hashlib.sha256(np.concatenate(features).tobytes()).hexdigest()[:16]}"}

    def __call__(self) -> Reader:
        """Return what reads the pictures; each process has one."""
        return Reader(self)


class Reader:
    """Reads pictures and computes the features that are not known; each process has one."""

    def __init__(self, extraction: Extraction) -> None:
        """Prepare; the file is loaded later."""
        self.extraction = extraction
        self.dtype = record_dtype(extraction.width)
        self.table = normalize(np.arange(256, dtype=np.uint8), extraction.spec)

    @functools.cached_property
    def interpreter(self) -> Interpreter:
        """The extractor, loaded when the first picture needs it."""
        return Interpreter(self.extraction.file, backend=self.extraction.backend, threads=1)

    def __call__(self, item: Item) -> Records | str:
        """Return the record of a picture, ``[1]``, or why it cannot be read.

        Raises:
            ModelError: a feature is NaN or infinite.
        """
        try:
            pixels = load_pixels(item.picture, self.extraction.spec)
        except ImageError as error:
            return str(error)
        record = np.zeros(1, self.dtype)
        digest = bytes.fromhex(pixels_sha256(pixels))
        record["picture"], record["pixels"] = item.number, digest
        if digest not in self.extraction.known:
            features = self.interpreter.invoke(self.table[pixels][np.newaxis])[0].astype(np.float32)
            if not np.isfinite(features).all():
                raise ModelError(f"the feature extractor gives NaN or infinity for {item.picture}; use another one")
            record["features"], record["computed"] = features, True
        record["thumbnail"] = grey_thumbnail(pixels, THUMBNAIL)
        taken = time_taken(item.picture)
        record["taken"] = math.nan if taken is None else taken
        return record
