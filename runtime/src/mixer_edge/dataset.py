"""Folders of pictures: a flat or nested one, or class folders whose names are labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mixer_edge.errors import DataError

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm"}


@dataclass(frozen=True, kw_only=True)
class LabelledImage:
    """A picture's path and the index of its true class."""

    path: Path
    index: int


def find_images(folder: Path) -> list[Path]:
    """Return the pictures below ``folder`` by their endings, sorted by path; hidden files are passed over.

    Raises:
        DataError: the folder does not exist or holds no picture.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; expected a folder of pictures")
    paths = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and not path.name.startswith("."))
    if images := sorted(path for path in paths if path.is_file()):
        return images
    raise DataError(f"{folder}: no pictures in it; expected files ending in {', '.join(sorted(SUFFIXES))}")


def find_labelled_images(folder: Path, labels: Sequence[str]) -> list[LabelledImage]:
    """Return the pictures in the class folders of ``folder``.

    A class folder's name is a label or, where no label is so called, the class's index.

    Raises:
        DataError: no pictures, pictures outside class folders, or folders that name no class; the first are listed.
    """
    indices = {str(index): index for index in range(len(labels))}
    indices |= {label: index for index, label in reversed(list(enumerate(labels)))}
    images = find_images(folder)
    names = {path: path.relative_to(folder).parts[0] for path in images}
    if loose := [path for path in images if path.parent == folder]:
        raise DataError(f"{loose[0]}: not in a class folder; expected {folder}/<label>/<picture>")
    if unknown := sorted({name for name in names.values() if name not in indices}):
        raise DataError(
            f"{folder}: {len(unknown)} folders name no class of this model: {', '.join(unknown[:5])}; "
            f"expected labels such as {', '.join(labels[:3])}, or indices 0 to {len(labels) - 1}"
        )
    return [LabelledImage(path=path, index=indices[names[path]]) for path in images]
