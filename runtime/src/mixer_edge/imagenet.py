"""The validation pictures of ImageNet (ILSVRC 2012) and the files with their true classes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from mixer_edge.class_names import WNID
from mixer_edge.errors import DataError

PICTURE = re.compile(r"ILSVRC2012_val_(\d{8})")
SYNSET_LABELS = "imagenet_2012_validation_synset_labels.txt"
NAMES_AND_INDICES = "val.txt"
SOLUTION = "LOC_val_solution.csv"
DEVKIT = "ILSVRC2012_validation_ground_truth.txt"
DEVKIT_IDS = "map_clsloc.txt"


def ground_truth_file(folder: Path, paths: Sequence[Path]) -> Path | None:
    """Return the ground-truth file of a folder that holds only validation pictures, else None.

    Raises:
        DataError: the pictures are ImageNet's in one folder, but there is no ground-truth file.
    """
    if not all(PICTURE.fullmatch(path.stem) for path in paths):
        return None
    for name in (SYNSET_LABELS, NAMES_AND_INDICES, SOLUTION, DEVKIT):
        for place in (folder, folder.parent):
            if (place / name).is_file():
                return place / name
    if any(path.parent != folder for path in paths) or any(folder.glob("*.csv")):
        return None  # sorted into class folders, or with their own table
    raise DataError(
        f"{folder}: ImageNet's validation pictures without their classes; add {SYNSET_LABELS}, {NAMES_AND_INDICES}, "
        f"{SOLUTION}, or {DEVKIT} with {DEVKIT_IDS}"
    )


def read_ground_truth(path: Path, pictures: Sequence[Path]) -> dict[Path, str]:
    """Return the wnid or index of every picture, as written in the file.

    Raises:
        DataError: the file has another format, or no line for a picture.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); expected a text file in UTF-8") from None
    if path.name == NAMES_AND_INDICES:
        classes = {Path(line.split()[0]).stem: line.split()[1] for line in lines if len(line.split()) == 2}
    elif path.name == SOLUTION:
        classes = {line.split(",")[0]: line.split(",")[1].split(" ")[0] for line in lines[1:] if "," in line}
    else:
        values = _wnids_of_ids(path, lines) if path.name == DEVKIT else lines
        classes = {f"ILSVRC2012_val_{number:08}": value.strip() for number, value in enumerate(values, start=1)}
    if missing := [picture.name for picture in pictures if picture.stem not in classes]:
        raise DataError(f"{path}: has no class for {len(missing)} pictures ({', '.join(missing[:5])}); is it complete?")
    return {picture: classes[picture.stem] for picture in pictures}


def _wnids_of_ids(path: Path, lines: Sequence[str]) -> list[str]:
    """Return the wnid for each of the devkit's ids; their order differs from that of the network's outputs."""
    table = path.with_name(DEVKIT_IDS)
    if not table.is_file():
        raise DataError(
            f"{path}: its numbers are the devkit's own ids, not indices; add {DEVKIT_IDS} (wnid and id on each line) "
            f"to the same folder, or use {SYNSET_LABELS}"
        )
    rows = [line.split() for line in table.read_text("utf-8").splitlines() if line.strip()]
    wnids = {row[1]: row[0] for row in rows if len(row) >= 2 and WNID.fullmatch(row[0])}
    if unknown := sorted({line.strip() for line in lines} - set(wnids)):
        raise DataError(f"{path}: id {unknown[0]!r} is not in {table}; expected lines such as 'n02119789 1 kit_fox'")
    return [wnids[line.strip()] for line in lines]
