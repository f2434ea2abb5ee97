"""From a picture to the network's input: the only implementation there is, for calibration, comparison and device.

The picture is turned upright by its EXIF orientation, laid on the specification's background where transparent, made
RGB, resized, and mapped from pixels 0..255 to the tensor through a table of 256 entries, so that float and integer
inputs are exact and cost the same.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from mixer_edge.errors import BundleError, ImageError
from mixer_edge.manifest import PreprocessSpec

ImageSource = str | Path | bytes | BinaryIO | Image.Image | NDArray[np.uint8]


def preprocess_spec(image_size: int) -> PreprocessSpec:
    """Return the specification of a Mixer with square images: squash, bilinear with antialias, [-1, 1]."""
    return PreprocessSpec(
        geometry="squash",
        height=image_size,
        width=image_size,
        resample="bilinear",
        antialias=True,
        background=(255, 255, 255),
        scale=127.5,
        offset=-1.0,
    )


def check_spec(spec: PreprocessSpec) -> None:
    """Refuse a specification that this program would not follow to the letter.

    Raises:
        BundleError: a field has a value that is not implemented here.
    """
    for field, known in (("geometry", "squash"), ("resample", "bilinear"), ("antialias", True)):
        if (found := getattr(spec, field)) != known:
            raise BundleError(f"preprocess.{field} is {found!r}, this program knows {known!r}; upgrade mixer-edge")


def load_pixels(source: ImageSource, spec: PreprocessSpec) -> NDArray[np.uint8]:
    """Return the picture as ``[height, width, 3]`` uint8 RGB pixels of the specification's size.

    Args:
        source: a path, the bytes of an image file, a binary file object, a PIL image or an ``[H, W, 3]`` uint8 array.
        spec: what to make of it.

    Raises:
        ImageError: it is no picture that can be read; the message names it and the reason.
    """
    image, name = _open(source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns about odd metadata of pictures that it reads all the same
            upright = ImageOps.exif_transpose(image)
            resized = _rgb(upright, spec.background).resize((spec.width, spec.height), Image.Resampling.BILINEAR)
    except (OSError, ValueError, SyntaxError, MemoryError, Image.DecompressionBombError) as error:
        raise ImageError(f"{name}: cannot be read as a picture ({error})") from None
    return np.asarray(resized)


def normalize(pixels: NDArray[np.uint8], spec: PreprocessSpec) -> NDArray[np.float32]:
    """Return ``pixels / scale + offset`` as float32; [-1, 1] for the Mixer's specification."""
    return (pixels / np.float32(spec.scale) + np.float32(spec.offset)).astype(np.float32)


def _open(source: ImageSource) -> tuple[Image.Image, str]:
    if isinstance(source, Image.Image):
        return source, "picture"
    if isinstance(source, np.ndarray):
        if source.dtype != np.uint8 or source.ndim != 3 or source.shape[2] != 3 or 0 in source.shape:
            raise ImageError(f"array {list(source.shape)} {source.dtype}: expected [height, width, 3] uint8 RGB pixels")
        return Image.fromarray(source), "array"
    name = str(source) if isinstance(source, str | Path) else "picture"
    try:
        return Image.open(io.BytesIO(source) if isinstance(source, bytes) else source), name
    except FileNotFoundError:
        raise ImageError(f"{name}: no such file") from None
    except UnidentifiedImageError:
        raise ImageError(
            f"{name}: not a picture in a format that can be read; expected JPEG, PNG or the like"
        ) from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ImageError(f"{name}: cannot be opened as a picture ({error})") from None


def _rgb(image: Image.Image, background: tuple[int, ...]) -> Image.Image:
    if image.mode in ("I;16", "I;16B", "I;16L", "I;16N", "I"):  # Pillow would clip 16-bit grey instead of scaling it
        return Image.fromarray((np.asarray(image).clip(0, 65535) // 257).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, (*background, 255)), image).convert("RGB")
    return image.convert("RGB")
