"""The features of pictures: each passes once through the feature extractor, with the board's preprocessing.

Features are stored in the user's cache by the sha256 of a picture's pixels at the network's size. So a second run only
computes those of new pictures, and a killed run continues where it stopped.
"""

from __future__ import annotations

import functools
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixer_edge.cache import CACHE_VARIABLE
from mixer_edge.decode import grey_thumbnail, time_taken
from mixer_edge.errors import DataError, ImageError, ModelError
from mixer_edge.interpreter import Interpreter, resolve_backend
from mixer_edge.journal import Journal, Wording, default_journal
from mixer_edge.manifest import PreprocessSpec
from mixer_edge.nearly_equal import THUMBNAIL
from mixer_edge.preprocess import load_pixels, normalize, pixels_sha256
from mixer_edge.progress import progress
from mixer_edge.workers import default_workers, map_here_first
from mixer_edge_export.tflite.graph import Graph
from mixer_edge_export.training.pictures import Pictures

WORDING = Wording(
    other_run="another training with the same extractor",
    other_owner="another extractor",
    elsewhere=f"set {CACHE_VARIABLE} to another folder",
)


@dataclass(frozen=True, kw_only=True)
class Extractor:
    """A feature extractor's float32 file, and how a picture becomes its input."""

    file: Path
    fingerprint: str
    """Of its weights."""
    spec: PreprocessSpec


@dataclass(frozen=True, kw_only=True)
class Features:
    """The features of the pictures that could be read, in the order of the pictures."""

    values: NDArray[np.float32]
    """``[n, hidden]``."""
    digests: tuple[str, ...]
    """sha256 of the pixels at the network's size."""
    thumbnails: NDArray[np.uint8]
    """``[n, side, side]`` grey."""
    taken: tuple[float | None, ...]
    """When it was taken, in seconds; None if the file does not say."""
    rows: NDArray[np.int64]
    """``[n]`` numbers of these pictures among all."""
    unreadable: tuple[str, ...]
    """One line for each picture that could not be read: its path and the reason."""


@dataclass(frozen=True, kw_only=True)
class _Seen:
    number: int
    digest: str
    features: NDArray[np.float32] | None
    """None if they were known."""
    thumbnail: NDArray[np.uint8]
    taken: float | None


class _Reader:
    """Reads pictures and computes the features that are not known; each process has one."""

    def __init__(self, extractor: Extractor, known: frozenset[str]) -> None:
        self.file, self.spec, self.known = extractor.file, extractor.spec, known
        self.table = normalize(np.arange(256, dtype=np.uint8), extractor.spec)

    @functools.cached_property
    def interpreter(self) -> Interpreter:
        """The extractor, loaded when the first picture needs it."""
        return Interpreter(self.file, threads=1)

    def __call__(self, item: tuple[int, Path]) -> _Seen | str:
        """Return what is to be known of a picture, or why it cannot be read.

        Raises:
            ModelError: a feature is NaN or infinite.
        """
        number, path = item
        try:
            pixels = load_pixels(path, self.spec)
        except ImageError as error:
            return str(error)
        digest, features = pixels_sha256(pixels), None
        if digest not in self.known:
            features = self.interpreter.invoke(self.table[pixels][np.newaxis])[0].astype(np.float32)
            if not np.isfinite(features).all():
                raise ModelError(f"the feature extractor gives NaN or infinity for {path}; use another one")
        thumbnail = grey_thumbnail(pixels, THUMBNAIL)
        return _Seen(number=number, digest=digest, features=features, thumbnail=thumbnail, taken=time_taken(path))


def extract(pictures: Pictures, extractor: Extractor, *, workers: int | None = None) -> Features:
    """Return the features of all pictures that can be read.

    Args:
        pictures: the pictures.
        extractor: the feature extractor.
        workers: number of processes; None for one per core, or fewer where memory is short.

    Raises:
        DataError: a class keeps fewer than two pictures that can be read, or the cache cannot be written.
        MixerEdgeError: the cache cannot be created, or a process was killed.
        ModelError: the extractor's file cannot be used, or gives NaN or infinity.
    """
    subject = {
        "journal": 1,
        "extractor": extractor.fingerprint,
        "preprocess": asdict(extractor.spec),
        "interpreter": {(backend := resolve_backend("auto")): version(backend)},
    }
    (output,) = Graph.read(extractor.file.read_bytes(), str(extractor.file)).outputs
    dtype = np.dtype([("pixels", "V32"), ("features", "<f4", output.shape[1:])])
    seen: list[_Seen] = []
    unreadable: list[str] = []
    with Journal(default_journal(subject, "features"), subject, dtype, WORDING) as journal:
        known = {record["pixels"].tobytes().hex(): record["features"] for record in journal.records}
        count = workers or default_workers(3 * extractor.file.stat().st_size + (200 << 20))
        make = functools.partial(_Reader, extractor, frozenset(known))
        results = map_here_first(make, list(enumerate(pictures.paths)), count)
        for result in progress(results, "computing features", len(pictures.paths)):
            if isinstance(result, str):
                unreadable.append(result)
                continue
            seen.append(result)
            if result.features is not None and result.digest not in known:
                known[result.digest] = result.features
                journal.append(np.array([(bytes.fromhex(result.digest), result.features)], dtype))
    seen.sort(key=lambda picture: picture.number)
    rows = np.array([picture.number for picture in seen], np.int64)
    _check_readable(pictures, rows, sorted(unreadable))
    return Features(
        values=np.stack([known[picture.digest] for picture in seen]),
        digests=tuple(picture.digest for picture in seen),
        thumbnails=np.stack([picture.thumbnail for picture in seen]),
        taken=tuple(picture.taken for picture in seen),
        rows=rows,
        unreadable=tuple(sorted(unreadable)),
    )


def _check_readable(pictures: Pictures, rows: NDArray[np.int64], unreadable: list[str]) -> None:
    """Check that each class with unreadable pictures keeps two."""
    found = np.bincount(pictures.classes, minlength=len(pictures.labels))
    kept = np.bincount(pictures.classes[rows], minlength=len(pictures.labels))
    for index in np.flatnonzero((kept < found) & (kept < 2)):
        raise DataError(
            f"{pictures.folder}: only {kept[index]} of {found[index]} pictures of {pictures.labels[index]!r} can be "
            f"read, expected at least 2; the first of {len(unreadable)} errors: {unreadable[0]}"
        )
