"""The features of pictures: each passes once through the feature extractor, with the board's preprocessing.

Features are stored in the user's cache by the sha256 of a picture's pixels at the network's size. So a second run only
computes those of new pictures, and a killed run continues where it stopped.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixer_edge.cache import CACHE_VARIABLE
from mixer_edge.engine import Engine, Item, Processes, size_of
from mixer_edge.errors import DataError
from mixer_edge.features import Extraction
from mixer_edge.interpreter import resolve_backend
from mixer_edge.journal import Journal, Wording, default_journal
from mixer_edge.manifest import PreprocessSpec
from mixer_edge.progress import progress
from mixer_edge.workers import default_workers
from mixer_edge_export.tflite.graph import Graph
from mixer_edge_export.training.pictures import Pictures

KEPT = ("picture", "pixels", "thumbnail", "taken")
"""The fields of a record that stay in memory beside the features."""
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


def extract(
    pictures: Pictures, extractor: Extractor, *, workers: int | None = None, engine: Engine | None = None
) -> Features:
    """Return the features of all pictures that can be read.

    Args:
        pictures: the pictures.
        extractor: the feature extractor.
        workers: number of processes; None for one per core, or fewer where memory is short.
        engine: what computes them instead of processes of this machine.

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
    (width,) = output.shape[1:]
    dtype = np.dtype([("pixels", "V32"), ("features", "<f4", (width,))])
    seen: list[NDArray[np.void]] = []
    unreadable: list[str] = []
    with Journal(default_journal(subject, "features"), subject, dtype, WORDING) as journal:
        known = {record["pixels"].tobytes(): record["features"] for record in journal.records}
        work = Extraction(file=extractor.file, spec=extractor.spec, width=width, known=frozenset(known))
        items = [Item(number=number, picture=path) for number, path in enumerate(pictures.paths)]
        if engine is None:
            engine = Processes(count=workers or default_workers(3 * extractor.file.stat().st_size + (200 << 20)))
        for result in progress(engine.map(work, items), "computing features", len(items), size_of):
            if isinstance(result, str):
                unreadable.append(result)
                continue
            seen += [result[row : row + 1][list(KEPT)].copy() for row in range(len(result))]
            for record in result[result["computed"]]:
                digest = record["pixels"].tobytes()
                if digest not in known:
                    known[digest] = record["features"].copy()
                    journal.append(np.array([(digest, known[digest])], dtype))
    seen.sort(key=lambda picture: int(picture["picture"][0]))
    rows = np.array([picture["picture"][0] for picture in seen], np.int64)
    _check_readable(pictures, rows, sorted(unreadable))
    digests = [picture["pixels"][0].tobytes() for picture in seen]
    times = [float(picture["taken"][0]) for picture in seen]
    return Features(
        values=np.stack([known[digest] for digest in digests]),
        digests=tuple(digest.hex() for digest in digests),
        thumbnails=np.stack([picture["thumbnail"][0] for picture in seen]),
        taken=tuple(None if math.isnan(taken) else taken for taken in times),
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
