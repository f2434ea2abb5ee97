"""The pictures of the bundled model: scikit-learn's handwritten digits as PNG files in class folders.

The data set is the test part of "Optical Recognition of Handwritten Digits" (E. Alpaydin and C. Kaynak, UCI Machine
Learning Repository), which is part of scikit-learn: 1797 images, 8 by 8, ink from 0 (none) to 16 (full).

The split is by ``index % 11``, the index being the image's place in ``sklearn.datasets.load_digits()``:

- 0 to 4: train, 819 images;
- 5: calibration, 163 images;
- 6 to 10: held_out, 815 images.

No image occurs twice in the data set, so the splits share none. They do share writers: the data set does not name them.
"""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from mixer_edge.errors import DataError
from mixer_edge_export.files import new_folder

SIDE = 64
"""Width and height of a PNG, in pixels."""

SPLITS = ("train",) * 5 + ("calibration",) + ("held_out",) * 5
"""The split of an image, by its index modulo 11."""


def write_images(folder: Path) -> None:
    """Write the pictures as ``folder/{train,calibration,held_out}/<digit>/<index, 4 digits>.png``.

    A folder that already contains exactly these files is not changed; a folder with missing or different files is
    replaced. The folder is written atomically: under a temporary name, then renamed.

    Raises:
        DataError: the folder contains other files, or cannot be written.
    """
    pictures = render_digits()
    try:
        found = _files(folder)
        if found == pictures:
            return
        if foreign := sorted(set(found) - set(pictures)):
            raise DataError(f"{folder / foreign[0]}: is not a picture of the digits; move it or choose another folder")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with new_folder(folder) as partial:
            for name, png in pictures.items():
                (partial / name).parent.mkdir(parents=True, exist_ok=True)
                (partial / name).write_bytes(png)
            shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot write the digits' pictures ({error}); choose another folder") from error


def split_folder(bundle: Path, split: str) -> Path:
    """Return the folder of a split, ``digits-images/<split>`` next to a bundle; write the pictures if necessary."""
    folder = bundle.parent / "digits-images"
    write_images(folder)
    return folder / split


def render_digits() -> dict[str, bytes]:
    """Return every picture as the bytes of a PNG file, by its name relative to the folder."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return {
        f"{SPLITS[index % len(SPLITS)]}/{digit}/{index:04d}.png": _png(ink)
        for index, (ink, digit) in enumerate(zip(digits.images, digits.target, strict=True))
    }


def _png(ink: np.ndarray) -> bytes:
    """Return dark ink on white paper, ``255 - ink * 255 / 16`` (ties to even), enlarged to 64 by 64, 8-bit grey."""
    grey = np.rint(255 - ink * (255 / 16)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(grey).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(file, "PNG")
    return file.getvalue()


def _files(folder: Path) -> dict[str, bytes]:
    """Return the folder's files by relative name, without hidden ones (file managers write some)."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("[!.]*") if not path.is_dir()
    }
