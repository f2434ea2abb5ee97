"""The golden array of the preprocessing: a few committed pictures under every specification that is implemented.

Its pixels change with the code, and with another Pillow or libjpeg too; the array says which ones made it.
``python -m tests.contract.preprocessing`` writes the pictures themselves, which only another set of them needs.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from mixer_edge.manifest import DECODES, GEOMETRIES, RESAMPLES, PreprocessSpec
from mixer_edge.preprocess import load_pixels

FOLDER = Path(__file__).parents[1] / "data" / "formats"
PICTURES = FOLDER / "pictures"


def specs() -> dict[str, PreprocessSpec]:
    """Return every specification that is implemented, by name, at 12 x 16 pixels."""
    found = {}
    for geometry, antialias, decode, resample in itertools.product(GEOMETRIES, (True, False), DECODES, RESAMPLES):
        if antialias or (decode, resample) == ("exact", "bilinear"):  # else check_spec refuses it
            name = f"{geometry} {'antialias' if antialias else 'plain'} {decode} {resample}"
            found[name] = PreprocessSpec(
                geometry=geometry,
                height=12,
                width=16,
                shorter_side=18 if geometry == "resize-crop" else None,
                resample=resample,
                antialias=antialias,
                decode=decode,
                background=(255, 128, 0),
                scale=127.5,
                offset=-1.0,
            )
    return found


def preprocessed() -> dict[str, NDArray[np.uint8]]:
    """Return what every specification makes of every picture: ``[pictures, 12, 16, 3]`` uint8 by its name."""
    paths = sorted(PICTURES.iterdir())
    return {name: np.stack([load_pixels(path, spec) for path in paths]) for name, spec in specs().items()}


def decoders() -> str:
    """Return the versions of what decoded and resized the pictures."""
    return f"Pillow {features.version('pil')} with libjpeg-turbo {features.version('libjpeg_turbo')}"


def write_pictures(folder: Path) -> None:
    """Write the seeded pictures, one for each way into RGB; another encoder writes other bytes of a JPEG."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    coarse = Image.fromarray(random.integers(0, 256, (6, 8, 3), np.uint8))
    photo = np.asarray(coarse.resize((455, 341), Image.Resampling.BICUBIC)) + random.normal(0, 4, (341, 455, 3))
    large = Image.fromarray(photo.clip(0, 255).astype(np.uint8))
    small = large.resize((60, 45))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(random.integers(0, 256, (15, 20, 4), np.uint8)).save(folder / "alpha.png")
    small.save(folder / "turned.jpg", quality=90, exif=exif)
    Image.fromarray(random.integers(0, 65536, (20, 25), np.uint16)).save(folder / "grey-16-bit.png")
    small.quantize(16).save(folder / "palette.gif", transparency=3)
    large.save(folder / "large.jpg", quality=75)
    small.convert("CMYK").save(folder / "cmyk.jpg", quality=90)


def write(folder: Path) -> None:
    """Write the array into a folder."""
    np.savez_compressed(folder / "preprocessing.npz", made_with=np.array(decoders()), **preprocessed())


if __name__ == "__main__":
    write_pictures(PICTURES)
