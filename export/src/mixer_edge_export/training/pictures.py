"""The pictures to train on, with their classes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixer_edge.class_folders import folder_of, label_of
from mixer_edge.class_names import NAMES_IN_ERROR, ClassNames
from mixer_edge.dataset import find_images, read_names
from mixer_edge.errors import DataError

MAX_CLASSES = 1000
"""As many as the published models have."""
SPLITS = {"train", "training", "val", "valid", "validation", "test", "testing"}
"""Names of folders that are parts of a data set, not classes."""


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Pictures below a folder, sorted by path, each with its class."""

    folder: Path
    labels: tuple[str, ...]
    """The classes, sorted."""
    paths: tuple[Path, ...]
    classes: NDArray[np.int64]
    """``[n]`` indices of the labels."""
    groups: tuple[str | None, ...]
    """The groups of ``mixer_edge.dataset.Named``; pictures of the same one belong together."""

    def name(self, number: int) -> str:
        """Return the path of a picture relative to the folder, with ``/`` between its parts and its class in front."""
        path, label = self.paths[number].relative_to(self.folder), self.labels[self.classes[number]]
        in_class = len(path.parts) > 1 and label_of(path.parts[0]) == label
        return path.as_posix() if in_class else f"{folder_of(label)}/{path.as_posix()}"


def read_pictures(folder: Path) -> Pictures:
    """Return the pictures below a folder, in class folders or with a table as in ``mixer_edge.dataset``.

    Raises:
        DataError: the pictures have no classes, or their classes cannot be trained; the message says why.
    """
    paths = find_images(folder)
    named = read_names(folder, paths)
    if named is None:
        raise DataError(
            f"{folder}: {len(paths)} pictures without a class; expected {folder}/<class>/<picture>, or a CSV file with "
            "the columns file and class"
        )
    paths = [path for path in paths if path in named.classes]
    counts = Counter(named.classes.values())
    labels = tuple(sorted(counts))
    index = {label: index for index, label in enumerate(labels)}
    _check_number(folder, labels, None if named.layout == "table" else paths)
    _check_names(folder, labels)
    if few := [label for label in labels if counts[label] < 2]:
        raise DataError(
            f"{folder}: classes with a single picture: {_list(few)}; expected at least 2 of each, better 20; add "
            "pictures, or remove these classes"
        )
    return Pictures(
        folder=folder,
        labels=labels,
        paths=tuple(paths),
        classes=np.array([index[named.classes[path]] for path in paths], np.int64),
        groups=tuple(named.groups.get(path) for path in paths),
    )


def _check_number(folder: Path, labels: tuple[str, ...], paths: list[Path] | None) -> None:
    """Check that there are 2 to ``MAX_CLASSES`` classes; ``paths`` are the pictures if folders name the classes."""
    if len(labels) == 1:
        inside = {path.relative_to(folder).parts[1] for path in paths or () if path.parent != folder / labels[0]}
        hint = f"; if {_list(sorted(inside))} are the classes, choose {folder / labels[0]}" if len(inside) > 1 else ""
        raise DataError(f"{folder}: all pictures are of one class, {labels[0]!r}; expected at least 2 classes{hint}")
    if paths and {label.casefold() for label in labels} <= SPLITS:
        raise DataError(
            f"{folder}: {_list(labels)} are parts of a data set, not classes; choose one of them: {folder / labels[0]}"
        )
    if len(labels) > MAX_CLASSES:
        raise DataError(
            f"{folder}: {len(labels):,} classes ({_list(labels)}); expected at most {MAX_CLASSES:,}: is it the right "
            "folder or column?"
        )


def _check_names(folder: Path, labels: tuple[str, ...]) -> None:
    """Check that each label is a line of text, and a name of no other class."""
    for label in labels:
        if not label.strip() or label.splitlines() != [label] or label.encode("utf-8", "ignore").decode() != label:
            raise DataError(f"{folder}: the class name {label!r} is not a line of text; give this class another name")
    names = ClassNames(labels)
    for label in labels:
        if len(same := names.sharing(label)) > 1:
            raise DataError(
                f"{folder}: the classes {_list(same)} have the same name, because case and _ do not count and a comma "
                "separates names; rename or merge them"
            )


def _list(names: tuple[str, ...] | list[str]) -> str:
    more = f" and {len(names) - NAMES_IN_ERROR} more" if len(names) > NAMES_IN_ERROR else ""
    return ", ".join(map(repr, names[:NAMES_IN_ERROR])) + more
