"""The folder of links to the pictures of a trained bundle, beside it.

::

    <bundle>-pictures/trained/<class>/<picture>
    <bundle>-pictures/held_out/<class>/<picture>
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mixer_edge_export.training.part import Parts

TRAINED, HELD_OUT = "trained", "held_out"


def pictures_folder(bundle: Path) -> Path:
    """Return the folder beside a bundle; the names of its pictures are those of the record."""
    target = bundle.resolve()
    return target.with_name(f"{target.name}-pictures")


def link_pictures(folder: Path, parts: Parts) -> None:
    """Write a link to each picture of both parts."""
    for name, part in ((TRAINED, parts.trained), (HELD_OUT, parts.held_out)):
        for picture, path in zip(part.names, part.paths, strict=True):
            link = folder / name / picture
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path.resolve())
