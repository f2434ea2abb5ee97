"""From a picture to the network's input; calibration, comparison and the device all use this code.

The picture is decoded, converted to RGB, resized to the specification and turned upright. A table of 256 entries then
maps its pixels 0..255 to the tensor, so float and integer inputs are exact and cost the same.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mixer_edge.decode import DECODE_MARGIN, MAX_PIXELS, ImageSource, Picture, read_picture
from mixer_edge.errors import BundleError
from mixer_edge.manifest import Decode, Geometry, PreprocessSpec


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """How to prepare pictures, for a network of any size; the defaults are a Mixer's."""

    geometry: Geometry = "squash"
    """``squash``, or ``resize-crop`` from a shorter side of 256 for a size of 224, and in proportion."""
    antialias: bool = True
    """False for a model that was trained with the default ``tf.image.resize``."""
    decode: Decode = "scaled"
    """``scaled``, or ``exact`` to decode every JPEG at full size; without antialias it is always ``exact``."""
    pixel_range: tuple[float, float] = (-1.0, 1.0)
    """The values for pixels 0 and 255."""

    def spec(self, height: int, width: int | None = None) -> PreprocessSpec:
        """Return the specification for a network's input, square unless a width is given.

        The filter is bilinear, and the background of transparent pixels is white.
        """
        width = height if width is None else width
        low, high = self.pixel_range
        return PreprocessSpec(
            geometry=self.geometry,
            height=height,
            width=width,
            shorter_side=max(height, width) * 8 // 7 if self.geometry == "resize-crop" else None,
            resample="bilinear",
            antialias=self.antialias,
            decode=self.decode if self.antialias else "exact",
            background=(255, 255, 255),
            scale=255 / (high - low),
            offset=low,
        )


def check_spec(spec: PreprocessSpec) -> None:
    """Check that this program can follow a specification exactly.

    Raises:
        BundleError: the value of a field is out of range, or contradicts another field.
    """
    crops = spec.geometry == "resize-crop"
    fits = spec.shorter_side is not None and spec.shorter_side >= max(spec.height, spec.width)
    for field, right, expected in (
        ("height", spec.height > 0, "at least 1"),
        ("width", spec.width > 0, "at least 1"),
        ("shorter_side", fits if crops else spec.shorter_side is None, "as long as the crop, null for squash"),
        ("resample", spec.antialias or spec.resample == "bilinear", "bilinear without antialias"),
        ("decode", spec.antialias or spec.decode == "exact", "exact without antialias"),
        (
            "background",
            len(spec.background) == 3 and all(0 <= value <= 255 for value in spec.background),
            "three values from 0 to 255",
        ),
        ("scale", spec.scale > 0, "above 0"),
    ):
        if not right:
            raise BundleError(f"preprocess.{field} is {getattr(spec, field)!r}, expected {expected}; export it again")


def load_pixels(source: ImageSource, spec: PreprocessSpec, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Return the picture as ``[height, width, 3]`` uint8 RGB pixels of the specification's size.

    Args:
        source: a path, the bytes of an image file, a binary file object, a PIL image or an ``[H, W, 3]`` uint8 array.
        spec: the preprocessing.
        max_pixels: larger pictures are refused.

    Raises:
        ImageError: the picture cannot be read; the message names it and the reason.
    """
    shortest_side = DECODE_MARGIN * (spec.shorter_side or max(spec.width, spec.height))
    picture = read_picture(
        source,
        background=spec.background,
        shortest_side=shortest_side if spec.decode == "scaled" else None,
        max_pixels=max_pixels,
    )
    size = (spec.height, spec.width) if picture.swaps_sides else (spec.width, spec.height)
    box = _box(picture, size, spec)
    if spec.antialias:
        resized = picture.rgb.resize(size, Image.Resampling[spec.resample.upper()], box=box)
    else:
        resized = Image.fromarray(_bilinear(np.asarray(picture.rgb), size, box))
    return np.asarray(resized if picture.turn is None else resized.transpose(picture.turn))


def pixels_sha256(pixels: NDArray[np.uint8]) -> str:
    """Return the sha256 of a picture's pixels in hexadecimal: equal for equal pictures, whatever their files."""
    return hashlib.sha256(pixels.tobytes()).hexdigest()


def normalize(pixels: NDArray[np.uint8], spec: PreprocessSpec) -> NDArray[np.float32]:
    """Return ``pixels / scale + offset`` as float32; [-1, 1] for the Mixer's specification."""
    return (pixels / np.float32(spec.scale) + np.float32(spec.offset)).astype(np.float32)


def _box(picture: Picture, size: tuple[int, int], spec: PreprocessSpec) -> tuple[float, float, float, float]:
    """Return (left, top, right, bottom) of the part that is used, in pixels of ``picture.rgb``."""
    width, height = picture.size
    if spec.shorter_side is None:
        return (0, 0, width, height)
    pixels_per_pixel = min(width, height) / spec.shorter_side
    crop_width, crop_height = size[0] * pixels_per_pixel, size[1] * pixels_per_pixel
    left, top = (width - crop_width) / 2, (height - crop_height) / 2
    return (left, top, left + crop_width, top + crop_height)


def _bilinear(
    pixels: NDArray[np.uint8], size: tuple[int, int], box: tuple[float, float, float, float]
) -> NDArray[np.uint8]:
    """Return ``box`` of the pixels at (width, height) ``size``, each from its four neighbours, without antialiasing.

    Output pixel i is at ``start + (i + 0.5) * length / size - 0.5`` of the input (half-pixel centres), edges repeat;
    the result is rounded to the nearest integer, ties to even. The default ``tf.image.resize`` does not round.
    """

    def axis(
        start: float, end: float, count: int, limit: int
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
        position = start + (np.arange(count) + 0.5) * (end - start) / count - 0.5
        low = np.floor(position).astype(np.intp)
        return low.clip(0, limit - 1), (low + 1).clip(0, limit - 1), position - low

    left, right, x = axis(box[0], box[2], size[0], pixels.shape[1])
    upper, lower, y = axis(box[1], box[3], size[1], pixels.shape[0])
    x, y = x[np.newaxis, :, np.newaxis], y[:, np.newaxis, np.newaxis]
    top = pixels[upper[:, np.newaxis], left] * (1 - x) + pixels[upper[:, np.newaxis], right] * x
    bottom = pixels[lower[:, np.newaxis], left] * (1 - x) + pixels[lower[:, np.newaxis], right] * x
    return np.rint(top * (1 - y) + bottom * y).astype(np.uint8)
