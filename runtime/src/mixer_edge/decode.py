"""Decode a picture file to RGB pixels; the error for a file that cannot be read is one line.

The formats are JPEG (also progressive, CMYK and multi-picture files), PNG, GIF, WebP, TIFF, BMP and PPM, whatever the
file's name. Of an animation or a TIFF with several pages, the first picture is read. Transparent pixels get the
specification's background, 16-bit pixels keep their upper byte, and colour profiles are not applied.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageSequence, UnidentifiedImageError

from mixer_edge.errors import ImageError

ImageSource = str | Path | bytes | BinaryIO | Image.Image | NDArray[np.uint8]

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "PPM", "WEBP", "TIFF")
MAX_PIXELS = 64_000_000
"""Default limit for the size of a decoded picture: 8000 x 8000, which takes 256 MB as Pillow's RGB."""

MAX_SIDE = 65_535
"""Longest side of a picture: that of JPEG."""

DECODE_MARGIN = 3
"""A JPEG decoded at reduced size keeps at least this many pixels for each pixel of the result, in both directions.

At 3 the result differs from the exact one by up to 0.3/255 on average, and 99.8 % of its values by at most 2/255,
measured on photographs of 12 megapixels and on mosaics of them. At 2 and below, sharp detail made it differ by up to
1/255 on average.
"""

_EXIF_ORIENTATION = 0x0112
_EXIF_IFD, _EXIF_TIME, _EXIF_FRACTION = 0x8769, 0x9003, 0x9291
"""The place of the tags DateTimeOriginal and SubSecTimeOriginal."""
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A decoded picture in the orientation of its file, and the turn that makes it upright."""

    rgb: Image.Image
    size: tuple[float, float]
    """(width, height) of the picture's content: after decoding at 1/4 it may end within a pixel."""
    turn: Image.Transpose | None
    """The EXIF orientation, not applied yet: turning the small result is cheaper and needs no second large picture."""

    @property
    def swaps_sides(self) -> bool:
        """Whether turning it upright swaps its width and height."""
        return self.turn in (_TURNS[5], _TURNS[6], _TURNS[7], _TURNS[8])


def read_picture(
    source: ImageSource,
    *,
    background: tuple[int, ...],
    shortest_side: int | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Picture:
    """Return the picture in ``source``, decoded.

    Args:
        source: a path, the bytes of an image file, a binary file object, a PIL image or an ``[H, W, 3]`` uint8 array.
        background: RGB colour under transparent pixels.
        shortest_side: a JPEG file is decoded at 1/2, 1/4 or 1/8 if both its sides keep at least this many pixels; None
            decodes at full size. PIL images and arrays are used as they are.
        max_pixels: larger pictures are refused; Pillow's own limit (``Image.MAX_IMAGE_PIXELS``) applies too.

    Raises:
        ImageError: the picture cannot be read; the message names it and the reason.
    """
    if isinstance(source, np.ndarray):
        if source.dtype != np.uint8 or source.ndim != 3 or source.shape[2] != 3 or 0 in source.shape:
            raise ImageError(f"array {list(source.shape)} {source.dtype}: expected [height, width, 3] uint8 RGB pixels")
        return Picture(rgb=Image.fromarray(source), size=(source.shape[1], source.shape[0]), turn=None)
    if isinstance(source, Image.Image):
        return _decode(source, "picture", background)
    if isinstance(source, bytes):
        return _read(io.BytesIO(source), "picture", background, shortest_side, max_pixels)
    if not isinstance(source, str | Path):
        return _read(source, str(getattr(source, "name", "picture")), background, shortest_side, max_pixels)
    try:
        with Path(source).open("rb") as file:
            return _read(file, str(source), background, shortest_side, max_pixels)
    except FileNotFoundError:
        raise ImageError(f"{source}: no such file") from None
    except IsADirectoryError:
        raise ImageError(f"{source}: is a folder, expected a picture") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ImageError(f"{source}: cannot be opened ({reason})") from None


def pixel_count(content: bytes) -> int:
    """Return the number of pixels that a picture file says it has; 0 if it is no picture."""
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            return image.width * image.height
    except Exception:  # see _decode
        return 0


def read_frames(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames of an animated picture, or the one frame of another, as ``[H, W, 3]`` uint8 RGB pixels.

    Raises:
        ImageError: the file is not a picture or is damaged; frames before the damage are yielded first.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            for frame in ImageSequence.Iterator(image):
                yield np.asarray(_rgb(frame, (255, 255, 255)))
    except Exception as error:  # see _decode
        raise ImageError(f"{path}: cannot be read as a picture ({error or type(error).__name__})") from None


def thumbnail(source: ImageSource, side: int) -> bytes:
    """Return a picture as a JPEG file of at most ``side`` x ``side`` pixels, upright, with transparent pixels white.

    Raises:
        ImageError: the picture cannot be read.
    """
    picture = read_picture(source, background=(255, 255, 255), shortest_side=side)
    small = picture.rgb.copy() if picture.rgb is source else picture.rgb
    small.thumbnail((side, side))
    file = io.BytesIO()
    (small if picture.turn is None else small.transpose(picture.turn)).save(file, "JPEG", quality=75)
    return file.getvalue()


def time_taken(source: Path | BinaryIO) -> float | None:
    """Return when a photograph was taken, in seconds on the camera's own clock; None if the file does not say.

    It is the original time in the EXIF data of a JPEG or WebP file, with its fraction, in seconds since 1970 without a
    time zone: only differences between pictures of one camera mean something.
    """
    try:
        if not isinstance(source, Path):
            source.seek(0)
        with Image.open(source, formats=("JPEG", "WEBP")) as image:
            tags = image.getexif().get_ifd(_EXIF_IFD)
        second = datetime.strptime(str(tags[_EXIF_TIME]).strip("\0 "), "%Y:%m:%d %H:%M:%S")
        fraction = str(tags.get(_EXIF_FRACTION, "")).strip("\0 ")
        return second.replace(tzinfo=timezone.utc).timestamp() + float(f"0.{fraction or 0}")
    except Exception:  # no picture, no such tag, a date of zeros, or damaged: see _decode
        return None


def grey_thumbnail(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Return ``[H, W, 3]`` uint8 RGB pixels as ``[side, side]`` uint8 grey: each pixel is the mean of its area."""
    return np.asarray(Image.fromarray(pixels).convert("L").resize((side, side), Image.Resampling.BOX))


def file_of(source: ImageSource) -> bytes:
    """Return a picture as a file: its own bytes, or for pixels a JPEG file of quality 90.

    Raises:
        ImageError: the file cannot be read.
    """
    if isinstance(source, bytes):
        return source
    if isinstance(source, str | Path):
        try:
            return Path(source).read_bytes()
        except OSError as error:
            raise ImageError(f"{source}: cannot be read ({error.strerror})") from None
    if isinstance(source, Image.Image):
        source = np.asarray(_rgb(source, (255, 255, 255)))
    if isinstance(source, np.ndarray):
        return encode_jpeg(source)
    source.seek(0)
    return source.read()


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Return ``[H, W, 3]`` uint8 RGB pixels as a PNG file, which is lossless."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def encode_jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """Return ``[H, W, 3]`` uint8 RGB pixels as a JPEG file of quality 90."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()


def _read(
    file: BinaryIO, name: str, background: tuple[int, ...], shortest_side: int | None, max_pixels: int
) -> Picture:
    try:
        image = Image.open(file, formats=FORMATS)
    except UnidentifiedImageError:
        raise ImageError(f"{name}: {_unidentified(file)}") from None
    except Exception as error:  # see _decode
        raise ImageError(f"{name}: cannot be read as a picture ({error or type(error).__name__})") from None
    full_size = image.size
    if shortest_side is not None:
        image.draft(None, (shortest_side, shortest_side))
    # a progressive JPEG has all its coefficients in memory at once, whatever the size of the result
    if max(full_size) > MAX_SIDE:  # resizing takes memory for each pixel of a side, whatever the other is
        raise ImageError(f"{name}: {full_size[0]} x {full_size[1]} pixels; a side may have {MAX_SIDE:,}")
    width, height = full_size if "progressive" in image.info else image.size
    if width * height > max_pixels:
        raise ImageError(
            f"{name}: {width} x {height} pixels, more than the limit of {max_pixels:,}; raise it with --max-pixels"
        )
    reduction = round(full_size[0] / image.size[0])
    return _decode(image, name, background, (full_size[0] / reduction, full_size[1] / reduction))


def _decode(
    image: Image.Image, name: str, background: tuple[int, ...], size: tuple[float, float] | None = None
) -> Picture:
    try:
        image.load()
        turn = _TURNS.get(image.getexif().get(_EXIF_ORIENTATION, 1))
        return Picture(rgb=_rgb(image, background), size=size or image.size, turn=turn)
    except Exception as error:
        # on damaged files Pillow's decoders raise almost any exception: struct, zlib, key and type errors
        raise ImageError(f"{name}: cannot be read as a picture ({error or type(error).__name__})") from None


def _unidentified(file: BinaryIO) -> str:
    file.seek(0)
    beginning = file.read(16)
    if not beginning:
        return "is empty, expected a picture"
    if beginning[4:8] == b"ftyp":
        return "is HEIC, AVIF or a video, which cannot be read; convert it to JPEG"
    return f"is not a JPEG, PNG, GIF, WebP, TIFF, BMP or PPM picture (it begins with {beginning!r})"


def _rgb(image: Image.Image, background: tuple[int, ...]) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode == "F":
        raise ValueError("float pixels, their range is unknown")
    if image.mode.startswith("I"):  # Pillow would clip 16-bit grey to 255, but keeps the upper byte of 16-bit colour
        pixels = np.asarray(image)
        if pixels.min() < 0 or pixels.max() > 0xFFFF:
            raise ValueError("32-bit pixels, expected at most 16 bits")
        return Image.fromarray((pixels >> 8).astype(np.uint8)).convert("RGB")
    palette_alpha = image.mode == "P" and image.palette is not None and image.palette.mode.endswith("A")
    if "transparency" in image.info or palette_alpha or image.mode in ("RGBA", "LA", "PA"):
        image = image.convert("RGBA")
        canvas = Image.new("RGB", image.size, tuple(background))
        canvas.paste(image, mask=image)
        return canvas
    return image.convert("RGB")
