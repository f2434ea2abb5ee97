"""Pictures and their true classes, in the common layouts.

- ``class folders``: ``<class>/<picture>``, at any depth below the class; names as in ``mixer_edge.class_names``,
  written as in ``mixer_edge.class_folders``. With the table of ``mixer_edge.collected`` the pictures that nobody has
  sorted are left out, and bursts are groups.
- ``table``: pictures, and one CSV file at the top with a column ``file`` (or ``filename``, ``image``) and one of
  ``wnid``, ``index``, ``label``, ``class``; if there are several, the first in this order. A column ``group`` names
  pictures that belong together; only the training uses it.
- ``ImageNet``: ``ILSVRC2012_val_<number>.JPEG`` and one ground-truth file, in the same folder or one folder up:
  ``imagenet_2012_validation_synset_labels.txt`` (one wnid per line), ``val.txt`` (name and index),
  ``LOC_val_solution.csv``, or ``ILSVRC2012_validation_ground_truth.txt``; the ids in the last one are not indices, so
  it also needs ``map_clsloc.txt`` (wnid and id).
- ``unlabelled``: pictures and nothing else.

Pictures are recognised by their file name extension; hidden files and folders are skipped. They are sorted by path, so
their order on disk does not matter.
"""

from __future__ import annotations

import csv
import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from mixer_edge import collected, imagenet
from mixer_edge.class_folders import UNSORTED, label_of
from mixer_edge.class_names import NAMES_IN_ERROR, ClassNames
from mixer_edge.errors import DataError

log = logging.getLogger(__name__)

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm"}
FILE_COLUMNS, CLASS_COLUMNS = ("file", "filename", "image"), ("wnid", "index", "label", "class")
GROUP_COLUMN = "group"


@dataclass(frozen=True, kw_only=True)
class LabelledImage:
    """A picture's path and the index of its true class, None if it is not known."""

    path: Path
    index: int | None
    stamp: str | None = None
    """What identifies the content of a picture that is not on this machine."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Pictures below a folder, sorted by path; either all have a class or none has."""

    folder: Path
    layout: str
    images: tuple[LabelledImage, ...]

    @property
    def labelled(self) -> bool:
        """Whether the true classes are known."""
        return self.images[0].index is not None

    def name(self, number: int) -> str:
        """Return the path of a picture relative to the folder, with ``/`` between its parts."""
        return self.images[number].path.relative_to(self.folder).as_posix()

    def limited(self, limit: int | None) -> Dataset:
        """Return at most ``limit`` pictures, spread evenly over the sorted paths; None for all."""
        if limit is None or limit >= len(self.images):
            return self
        return replace(self, images=tuple(self.images[number] for number in spread(len(self.images), limit)))

    def listing(self) -> str:
        """Return the sha256 over the pictures' relative paths, sizes, modification times and classes."""
        digest = hashlib.sha256()
        for number, image in enumerate(self.images):
            stamp = image.stamp
            if stamp is None:
                facts = image.path.stat()
                stamp = f"{facts.st_size}\0{facts.st_mtime_ns}"
            digest.update(f"{self.name(number)}\0{stamp}\0{image.index}\n".encode())
        return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class Named:
    """The class of every picture that has one, as folders or a table name it."""

    layout: str
    classes: Mapping[Path, str]
    groups: Mapping[Path, str] = field(default_factory=dict)
    """Pictures that belong to others -> the name of their group: the table's column ``group``, or a burst."""


def spread(count: int, limit: int) -> list[int]:
    """Return at most ``limit`` of the numbers from 0 to ``count - 1``, spread evenly, including both ends."""
    return [int(number) for number in np.linspace(0, count - 1, min(limit, count)).round()]


def find_images(folder: Path) -> list[Path]:
    """Return the pictures below ``folder``, by file name extension and sorted by path; what is hidden is skipped.

    Raises:
        DataError: the folder does not exist or holds no picture.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; expected a folder of pictures")
    paths = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    shown = (path for path in paths if not any(part.startswith(".") for part in path.relative_to(folder).parts))
    if images := sorted(path for path in shown if path.is_file()):
        return images
    raise DataError(f"{folder}: no pictures in it; expected files ending in {', '.join(sorted(SUFFIXES))}")


def open_dataset(folder: Path, labels: Sequence[str], elsewhere: Mapping[Path, str] | None = None) -> Dataset:
    """Return the pictures below ``folder`` with their classes; the layout is detected.

    Args:
        folder: in one of the layouts above.
        labels: the bundle's labels; without labels the pictures are unlabelled.
        elsewhere: if only the tables are on this machine, the pictures and their stamps.

    Raises:
        DataError: there are no pictures, or classes do not match the labels; the message lists the first few.
    """
    paths = find_images(folder) if elsewhere is None else sorted(elsewhere)
    stamps = elsewhere or {}
    names = ClassNames(labels)
    classes: Mapping[Path, str]
    if not labels:
        layout, classes = "unlabelled", {}
    elif truth := imagenet.ground_truth_file(folder, paths):
        layout, classes = "ImageNet", imagenet.read_ground_truth(truth, paths)
    elif named := read_names(folder, paths):
        layout, classes = named.layout, named.classes
        paths = [path for path in paths if path in classes]
    else:
        layout, classes = "unlabelled", {}
    indices = {path: names.find(name) for path, name in classes.items()}
    if unmatched := {classes[path] for path, index in indices.items() if index is None}:
        kind = "folders" if layout == "class folders" else "classes"
        raise DataError(f"{folder}: {len(unmatched)} {kind} match no class of this model: {names.explain(unmatched)}")
    images = tuple(LabelledImage(path=path, index=indices.get(path), stamp=stamps.get(path)) for path in paths)
    return Dataset(folder=folder, layout=layout, images=images)


def read_names(folder: Path, paths: Sequence[Path]) -> Named | None:
    """Return the class names in the table of a folder, or those of its class folders; None if it has neither.

    Raises:
        DataError: some pictures are in no class folder, none has a class, or the table cannot be used.
    """
    tables = sorted(folder.glob("*.csv"))
    if tables and tables != [folder / collected.TABLE]:
        return _read_table(tables, folder, paths)
    loose = [path for path in paths if path.parent == folder]
    if not tables and len(loose) == len(paths):
        return None
    if loose:
        raise DataError(
            f"{loose[0]}: {len(loose)} of {len(paths)} pictures are in no class folder; "
            f"expected {folder}/<label>/<picture>"
        )
    folders = {path: path.relative_to(folder).parts[0] for path in paths}
    if not tables:
        return Named(layout="class folders", classes={path: label_of(name) for path, name in folders.items()})
    classes = {path: label_of(name) for path, name in folders.items() if name != UNSORTED}
    if unsorted := len(paths) - len(classes):
        what = f"{folder / UNSORTED}: {unsorted} {'picture has' if unsorted == 1 else 'pictures have'} no class yet"
        if not classes:
            raise DataError(f"{what}, and there are no others; move them into folders {folder}/<class>")
        log.info("note: %s and %s left out", what, "is" if unsorted == 1 else "are")
    return Named(layout="class folders", classes=classes, groups=collected.bursts(classes, collected.read_rows(folder)))


def _read_table(tables: Sequence[Path], folder: Path, paths: Sequence[Path]) -> Named:
    """Return the class of every picture by the one CSV file; a row without a picture is an error."""
    table = tables[0]
    if len(tables) > 1:
        raise DataError(f"{folder}: {len(tables)} CSV files; expected one, with columns file and label")
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table}: cannot be read ({error}); expected CSV in UTF-8") from None
    columns = rows[0].keys() if rows else ()
    file_column = next((column for column in FILE_COLUMNS if column in columns), None)
    class_column = next((column for column in CLASS_COLUMNS if column in columns), None)
    if file_column is None or class_column is None:
        raise DataError(
            f"{table}: columns {', '.join(map(str, columns)) or 'missing'}; expected one of {', '.join(FILE_COLUMNS)} "
            f"and one of {', '.join(CLASS_COLUMNS)}"
        )
    classes = {folder / (row[file_column] or ""): (row[class_column] or "").strip() for row in rows}
    if len(classes) != len(rows):
        raise DataError(f"{table}: lists a picture twice; expected one row for each")
    _check_complete(table, classes, paths)
    groups = {folder / row[file_column]: group for row in rows if (group := (row.get(GROUP_COLUMN) or "").strip())}
    return Named(layout="table", classes=classes, groups=groups)


def _check_complete(source: Path, classes: Mapping[Path, str], paths: Sequence[Path]) -> None:
    """Check that a list names exactly the existing pictures.

    Raises:
        DataError: there are pictures without a row, or rows without a picture; the message lists the first few.
    """
    unlisted, missing = set(paths) - set(classes), set(classes) - set(paths)
    for names, problem in ((unlisted, "has no class for {} pictures"), (missing, "lists {} missing pictures")):
        if names:
            shown = ", ".join(path.name for path in sorted(names)[:NAMES_IN_ERROR])
            raise DataError(f"{source}: {problem.format(len(names))} ({shown}); expected one row for each picture")
