"""The two parts of the pictures: those trained on and those held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixer_edge.dataset import open_dataset
from mixer_edge.engine import Engine
from mixer_edge.errors import DataError
from mixer_edge.evaluate import data_fingerprint
from mixer_edge_export.training.features import Extractor, Features, extract
from mixer_edge_export.training.groups import Groups, find_groups
from mixer_edge_export.training.options import HeldOut
from mixer_edge_export.training.pictures import Pictures, read_pictures
from mixer_edge_export.training.split import check_held_out, hold_out


@dataclass(frozen=True, kw_only=True)
class Part:
    """Pictures with their features, in the order of their names."""

    names: tuple[str, ...]
    """``<class>/<picture>``."""
    paths: tuple[Path, ...]
    classes: NDArray[np.int64]
    """``[n]`` indices of the classes."""
    groups: NDArray[np.str_]
    """``[n]``; pictures with the same key belong together."""
    features: NDArray[np.float32]
    """``[n, hidden]``."""
    digests: tuple[str, ...]
    """sha256 of the pixels at the network's size."""

    def counts(self, labels: Sequence[str]) -> dict[str, int]:
        """Return the number of pictures of each class, by label."""
        return dict(zip(labels, np.bincount(self.classes, minlength=len(labels)).tolist(), strict=True))

    def fingerprint(self) -> str:
        """Return a sha256 over pixels and classes, the one that an evaluation of these pictures has."""
        return data_fingerprint(self.digests, self.classes)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Both parts, and what was found on the way."""

    labels: tuple[str, ...]
    trained: Part
    held_out: Part
    groups: Groups
    unreadable: tuple[str, ...]


def read_parts(
    data: Path, extractor: Extractor, held_out: HeldOut, workers: int | None = None, engine: Engine | None = None
) -> Parts:
    """Return the user's pictures with their features, in two parts.

    Args:
        data: the pictures, in class folders or with a table.
        extractor: the feature extractor.
        held_out: which pictures are held out.
        workers: number of processes; None for one per core.
        engine: what computes the features instead of processes of this machine.

    Raises:
        DataError: the pictures cannot be used; the message says which and why.
    """
    pictures = read_pictures(data)
    features = extract(pictures, extractor, workers=workers, engine=engine)
    groups = find_groups(pictures, features)
    classes = pictures.classes[features.rows]
    if held_out.pictures is None:
        chosen = hold_out(classes, groups.keys, held_out.share, held_out.seed, pictures.labels)
        trained, rest = (_part(pictures, features, groups.keys, mask) for mask in (~chosen, chosen))
        unreadable = features.unreadable
    else:
        dataset = open_dataset(folder := held_out.pictures, pictures.labels)
        if not dataset.labelled:
            raise DataError(f"{folder}: pictures without a class; expected {folder}/<class>/<picture>, or a table")
        others = replace(
            pictures,
            folder=dataset.folder,
            paths=tuple(image.path for image in dataset.images),
            classes=np.array([image.index for image in dataset.images], np.int64),
            groups=(None,) * len(dataset.images),
        )
        their = extract(others, extractor, workers=workers, engine=engine)
        check_held_out(pictures, features, others, their)
        everything = np.ones(len(their.rows), np.bool_)
        trained = _part(pictures, features, groups.keys, np.ones(len(features.rows), np.bool_))
        rest = _part(others, their, np.array(their.digests), everything)
        unreadable = features.unreadable + their.unreadable
    return Parts(labels=pictures.labels, trained=trained, held_out=rest, groups=groups, unreadable=unreadable)


def _part(pictures: Pictures, features: Features, groups: NDArray[np.str_], chosen: NDArray[np.bool_]) -> Part:
    rows = np.flatnonzero(chosen)
    numbers = features.rows[rows]
    return Part(
        names=tuple(pictures.name(int(number)) for number in numbers),
        paths=tuple(pictures.paths[number] for number in numbers),
        classes=pictures.classes[numbers],
        groups=groups[rows],
        features=features.values[rows],
        digests=tuple(features.digests[row] for row in rows),
    )
