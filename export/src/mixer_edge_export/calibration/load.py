"""The user's pictures: a folder, a folder with a verified manifest, or an array file."""

from __future__ import annotations

import csv
import hashlib
import zipfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixer_edge.dataset import find_images
from mixer_edge.errors import DataError, ImageError
from mixer_edge.manifest import PreprocessSpec, file_sha256
from mixer_edge.preprocess import load_pixels
from mixer_edge.progress import progress
from mixer_edge_export.calibration.check import check
from mixer_edge_export.calibration.pictures import MANIFEST_COLUMNS, MANIFEST_NAME, CalibrationSet


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """The pictures on which activation ranges are measured."""

    pictures: Path | None = None
    """Folder of pictures, or file of arrays; None uses the model's own or generated ones."""
    samples: int = 200
    """The largest number of pictures to use, spread over the classes as evenly as possible."""
    seed: int = 0
    """Decides which pictures are used if there are more."""


def load_calibration(
    source: Path,
    spec: PreprocessSpec,
    options: Calibration = Calibration(),
    *,
    labels: Sequence[str] = (),
    kind: str | None = None,
) -> CalibrationSet:
    """Return pictures of a folder or of an array file, checked.

    A folder's pictures are those of its ``manifest.csv``, in its order, or all below it, sorted by path; the class is
    the manifest's label or the name of the top folder. Arrays are ``[n, height, width, 3]`` in .npy or .npz: uint8
    pixels of any size, or floats in [-1, 1] of the network's size.

    Args:
        source: the folder or the file.
        spec: how a picture becomes the network's input.
        options: how many pictures to use, and which.
        labels: the model's labels, to recognize a folder named like a class.
        kind: the manifest's name for the set; None for ``folder`` or ``arrays``. Only these, the user's, are checked.

    Raises:
        DataError: there are no pictures, or some cannot be read or used; the message says which.
    """
    if source.suffix in (".npy", ".npz") and source.is_file():
        pictures = _read_arrays(source, spec, options)
    else:
        pictures = _read_folder(source, spec, options)
    return check(pictures, source, labels) if kind is None else replace(pictures, kind=kind)


def choose(classes: Sequence[str], names: Sequence[str], samples: int, seed: int) -> list[int]:
    """Return the indices of at most ``samples`` pictures, ascending: one of each class, then a second one, and so on.

    The sha256 of seed and name gives the order within a class and of the classes; it does not depend on the order of
    the names or on other pictures.
    """

    def rank(text: str) -> bytes:
        return hashlib.sha256(f"{seed}/{text}".encode()).digest()

    members = defaultdict(list)
    for index in sorted(range(len(names)), key=lambda index: rank(names[index])):
        members[classes[index]].append(index)
    turns = [(turn, rank(label), index) for label, group in members.items() for turn, index in enumerate(group)]
    return sorted(index for _, _, index in sorted(turns)[:samples])


def _read_folder(folder: Path, spec: PreprocessSpec, options: Calibration) -> CalibrationSet:
    listed = _read_manifest(folder / MANIFEST_NAME) if (folder / MANIFEST_NAME).is_file() else _list(folder)
    names, classes = [name for name, _ in listed], [label for _, label in listed]
    chosen = choose(classes, names, options.samples, options.seed)
    try:
        pixels = [
            load_pixels(folder / names[index], spec) for index in progress(chosen, "reading calibration pictures")
        ]
    except ImageError as error:
        raise DataError(f"{error}; remove it from the calibration pictures") from None
    return _chosen("folder", pixels, names, classes, chosen)


def _list(folder: Path) -> list[tuple[str, str]]:
    relative = [path.relative_to(folder) for path in find_images(folder)]
    return [(path.as_posix(), path.parts[0] if len(path.parts) > 1 else "") for path in relative]


def _read_manifest(path: Path) -> list[tuple[str, str]]:
    """Return the files and labels of a manifest, after checking the sha256 of each file."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            rows = [{key: value or "" for key, value in row.items()} for row in reader if None not in row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read ({error}); expected CSV in UTF-8") from None
    if list(reader.fieldnames or ()) != MANIFEST_COLUMNS or not rows:
        raise DataError(f"{path}: expected the columns {','.join(MANIFEST_COLUMNS)} and a line for each picture")
    for row in rows:
        picture = path.parent / row["file"]
        if not picture.is_file():
            raise DataError(f"{picture}: missing, but {path} lists it; write the file again or remove the line")
        if file_sha256(picture) != row["sha256"]:
            raise DataError(f"{picture}: its sha256 differs from {path}; write the file again or correct the line")
    return [(row["file"], row["label"]) for row in rows]


def _read_arrays(path: Path, spec: PreprocessSpec, options: Calibration) -> CalibrationSet:
    try:
        if path.suffix == ".npy":
            arrays = {path.name: np.load(path, allow_pickle=False)}
        else:
            with np.load(path, allow_pickle=False) as content:
                arrays = {key: content[key] for key in content}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: cannot be read as arrays ({error}); expected .npy or .npz") from None
    if len(arrays) != 1:
        raise DataError(f"{path}: {len(arrays)} arrays ({', '.join(arrays)}); expected one, [n, height, width, 3]")
    (array,) = arrays.values()
    if array.ndim != 4 or array.shape[3] != 3 or 0 in array.shape:
        raise DataError(f"{path}: shape {list(array.shape)}; expected [n, height, width, 3], RGB last")
    pictures = array if array.dtype == np.uint8 else _pixels(array, path, spec)
    names, classes = [f"{path.name}[{index}]" for index in range(len(array))], [""] * len(array)
    chosen = choose(classes, names, options.samples, options.seed)
    return _chosen("arrays", [load_pixels(pictures[index], spec) for index in chosen], names, classes, chosen)


def _pixels(array: NDArray[np.generic], path: Path, spec: PreprocessSpec) -> NDArray[np.uint8]:
    """Return floats in [-1, 1] as pixels, rounded to the nearest 8-bit value."""
    if not np.issubdtype(array.dtype, np.floating):
        raise DataError(f"{path}: {array.dtype}; expected uint8 pixels, or floats in [-1, 1]")
    if (spec.scale, spec.offset) != (127.5, -1.0):
        raise DataError(f"{path}: {array.dtype}; this network's input is not in [-1, 1]: use uint8 pixels")
    values = array.astype(np.float64)
    low, high = values.min(), values.max()
    found = f"{path}: values from {low:.4g} to {high:.4g}"
    if not np.isfinite(values).all():
        raise DataError(f"{path}: contains NaN or infinity; expected floats in [-1, 1]")
    if low >= 0 and high <= 1:
        raise DataError(f"{found} look like pixels / 255; expected [-1, 1]: use pixels / 127.5 - 1, or uint8 pixels")
    if low >= 0 and high <= 255:
        raise DataError(f"{found} look like pixels; expected [-1, 1]: use pixels / 127.5 - 1, or uint8 pixels")
    if low < -1.001 or high > 1.001:
        raise DataError(f"{found} have another normalization; expected [-1, 1]: use pixels / 127.5 - 1")
    if values.shape[1:3] != (spec.height, spec.width):
        size = f"{spec.height} by {spec.width}"
        raise DataError(f"{path}: {values.shape[1]} by {values.shape[2]}; floats must have the network's size, {size}")
    return np.rint((values - spec.offset) * spec.scale).clip(0, 255).astype(np.uint8)


def _chosen(
    kind: str, pixels: list[NDArray[np.uint8]], names: list[str], classes: list[str], chosen: list[int]
) -> CalibrationSet:
    return CalibrationSet(
        kind=kind,
        pixels=tuple(pixels),
        names=tuple(names[index] for index in chosen),
        classes=tuple(classes[index] for index in chosen),
        found=len(names),
    )
