"""Labels of a bundle: one line per class, in the order of the model's outputs.

A bundle's ``labels.txt`` contains these lines unchanged. ImageNet's lines are ``<wnid> <name>, <name>, ...``, for
example ``n02510455 giant panda, panda, panda bear, coon bear, Ailuropoda melanoleuca``: the wnid comes first because
names repeat (two cranes, two maillots) and wnids do not. The index of a class is its line number, from 0; the wnids are
in ascending order. A folder of pictures can be named by index, wnid, whole line, or a name that occurs once.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from mixer_edge.errors import DataError

IMAGENET = "imagenet"


def imagenet_labels() -> tuple[str, ...]:
    """Return the 1000 lines of ImageNet-1k; there is no background class."""
    content = resources.files("mixer_edge_export.sources").joinpath("imagenet_labels.txt").read_text("utf-8")
    return tuple(content.splitlines())


def read_labels(path: Path, num_classes: int | None) -> tuple[str, ...]:
    """Return the labels in a file, or ImageNet's for the path ``imagenet``.

    Raises:
        DataError: the file cannot be read, or does not have one line with a label for every class.
    """
    if str(path) == IMAGENET:
        lines = imagenet_labels()
    else:
        try:
            lines = tuple(path.read_text("utf-8").strip("\n").split("\n"))
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(
                f"{path}: cannot be read as a label file ({error}); expected UTF-8, one label per line"
            ) from None
    if num_classes is None:
        raise DataError(f"{path}: a feature extractor has no classes to label; omit the labels")
    if len(lines) != num_classes or not all(line.strip() for line in lines):
        raise DataError(f"{path}: {len(lines)} lines for {num_classes} classes; expected one label on each line")
    return lines
