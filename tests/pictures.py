"""Labelled pictures for the tests of evaluation and comparison."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def write_pictures(folder: Path, labels: tuple[str, ...], each: int, *, seed: int = 0) -> Path:
    """Write ``each`` seeded pictures of 64 x 64 blotches into a folder for every label and return ``folder``."""
    rng = np.random.default_rng(seed)
    for label in labels:
        (folder / label).mkdir(parents=True)
        for number in range(each):
            blotches = Image.fromarray(rng.integers(0, 256, (6, 6, 3), np.uint8))
            blotches.resize((64, 64), Image.Resampling.NEAREST).save(folder / label / f"{number:04}.png")
    return folder
