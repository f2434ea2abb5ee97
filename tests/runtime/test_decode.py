"""How each kind of picture is decoded, and the one-line error for each that cannot be read."""

from __future__ import annotations

import io
import re
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mixer_edge.decode import (
    MAX_PIXELS,
    ImageSource,
    encode_jpeg,
    encode_png,
    file_of,
    grey_thumbnail,
    pixel_count,
    read_frames,
    read_picture,
    thumbnail,
    time_taken,
)
from mixer_edge.errors import ImageError
from mixer_edge.preprocess import Preprocessing, load_pixels

BACKGROUND = (255, 255, 255)
SPEC = Preprocessing().spec(2)


def encoded(image: Image.Image, file_format: str = "PNG", **options: Any) -> bytes:
    """Return the picture as a file."""
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def colour(source: ImageSource) -> tuple[int, ...]:
    """Return the RGB colour of a picture's first pixel, decoded."""
    pixel = read_picture(source, background=BACKGROUND).rgb.getpixel((0, 0))
    assert isinstance(pixel, tuple)
    return pixel


def refusal(source: ImageSource, **options: Any) -> str:
    """Return the error message for a picture."""
    with pytest.raises(ImageError) as error:
        read_picture(source, background=BACKGROUND, **options)
    return str(error.value)


def palette(transparent: bool) -> bytes:
    """Return a PNG with a palette whose first colour is red."""
    image = Image.new("P", (4, 4), 0)
    image.putpalette([255, 0, 0, 0, 255, 0])
    return encoded(image, **({"transparency": 0} if transparent else {}))


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        pytest.param(encoded(Image.new("L", (4, 4), 77)), (77, 77, 77), id="grey"),
        pytest.param(encoded(Image.new("LA", (4, 4), (0, 51))), (204, 204, 204), id="grey with alpha"),
        pytest.param(encoded(Image.new("RGBA", (4, 4), (255, 0, 0, 51))), (255, 204, 204), id="RGBA"),
        pytest.param(palette(transparent=False), (255, 0, 0), id="palette"),
        pytest.param(palette(transparent=True), BACKGROUND, id="transparent palette"),
        pytest.param(
            encoded(Image.new("RGB", (4, 4), (1, 2, 3)), transparency=(1, 2, 3)), BACKGROUND, id="transparent colour"
        ),
        pytest.param(encoded(Image.new("1", (4, 4), 1)), (255, 255, 255), id="1 bit"),
        pytest.param(
            encoded(Image.fromarray(np.full((4, 4), 0x4DFF, np.uint16))), (0x4D, 0x4D, 0x4D), id="16-bit grey"
        ),
        pytest.param(encoded(Image.new("CMYK", (4, 4), (0, 255, 255, 0)), "TIFF"), (255, 0, 0), id="CMYK TIFF"),
        pytest.param(encoded(Image.new("RGB", (4, 4), (9, 8, 7)), "BMP"), (9, 8, 7), id="BMP"),
        pytest.param(encoded(Image.new("RGB", (4, 4), (9, 8, 7)), "TIFF"), (9, 8, 7), id="TIFF"),
        pytest.param(encoded(Image.new("RGB", (4, 4), (9, 8, 7)), "PPM"), (9, 8, 7), id="PPM"),
        pytest.param(encoded(Image.new("RGB", (4, 4), (9, 8, 7)), "WEBP", lossless=True), (9, 8, 7), id="WebP"),
        pytest.param(encoded(Image.new("RGB", (1, 1), (9, 8, 7))), (9, 8, 7), id="1 x 1"),
        pytest.param(encoded(Image.new("RGB", (20000, 1), (9, 8, 7))), (9, 8, 7), id="20000 x 1"),
    ],
)
def test_every_kind_of_picture_becomes_rgb(file: bytes, expected: tuple[int, ...]) -> None:
    """The colour of the first pixel, white under transparency: 51/255 opaque red over white is (255, 204, 204)."""
    assert colour(file) == expected
    assert load_pixels(file, SPEC)[0, 0] == pytest.approx(expected, abs=1)


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_jpeg_in_cmyk_is_inverted_as_adobe_writes_it(options: dict[str, Any]) -> None:
    """Red is zero cyan, full magenta and full yellow; Pillow writes the file like Adobe, with inverted channels."""
    red, green, blue = colour(encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", **options))
    assert (red > 245, green < 10, blue < 10) == (True, True, True)


@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_baseline_and_progressive_decode_alike(progressive: bool) -> None:
    """A uniform picture keeps its colour, up to the rounding of YCbCr."""
    found = colour(encoded(Image.new("RGB", (16, 16), (200, 100, 50)), "JPEG", quality=95, progressive=progressive))
    assert np.abs(np.array(found) - (200, 100, 50)).max() <= 2


def test_of_an_animation_the_first_frame_is_read() -> None:
    """GIF, WebP and PNG: the first of two frames, and all of them by ``read_frames``."""
    frames = [Image.new("RGB", (4, 4), shade) for shade in ((255, 0, 0), (0, 0, 255))]
    for file_format, options in (("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("TIFF", {})):
        file = encoded(frames[0], file_format, save_all=True, append_images=frames[1:], **options)
        assert colour(file) == (255, 0, 0)


def test_all_frames_of_an_animation_can_be_read(tmp_path: Path) -> None:
    """They are yielded in order, as arrays."""
    frames = [Image.new("RGB", (4, 4), shade) for shade in ((255, 0, 0), (0, 0, 255), (0, 255, 0))]
    path = tmp_path / "moving.gif"
    path.write_bytes(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert [tuple(frame[0, 0]) for frame in read_frames(path)] == [(255, 0, 0), (0, 0, 255), (0, 255, 0)]
    path.write_bytes(b"no picture")
    with pytest.raises(ImageError) as error:
        list(read_frames(path))
    assert str(error.value) == f"{path}: cannot be read as a picture (cannot identify image file '{path}')"


CORNERS = np.zeros((2, 2, 3), np.uint8)
CORNERS[0, 0], CORNERS[0, 1], CORNERS[1, 0] = (255, 0, 0), (0, 255, 0), (0, 0, 255)


@pytest.mark.parametrize(
    ("orientation", "stored"),
    [
        (1, lambda upright: upright),
        (2, lambda upright: upright[:, ::-1]),
        (3, lambda upright: upright[::-1, ::-1]),
        (4, lambda upright: upright[::-1]),
        (5, lambda upright: upright.transpose(1, 0, 2)),
        (6, lambda upright: np.rot90(upright, 1)),
        (7, lambda upright: upright[::-1, ::-1].transpose(1, 0, 2)),
        (8, lambda upright: np.rot90(upright, -1)),
    ],
)
def test_exif_orientation_is_applied(orientation: int, stored: Callable[[np.ndarray], np.ndarray]) -> None:
    """A file with turned pixels and the matching EXIF tag gives the upright picture, in JPEG and PNG."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = np.ascontiguousarray(stored(CORNERS))
    np.testing.assert_array_equal(load_pixels(encoded(Image.fromarray(pixels), exif=exif), SPEC), CORNERS)
    large = Image.fromarray(pixels.repeat(64, axis=0).repeat(64, axis=1))
    found = load_pixels(encoded(large, "JPEG", quality=95, subsampling=0, exif=exif), SPEC)
    np.testing.assert_array_equal(found > 127, CORNERS > 127)


def test_all_kinds_of_sources_give_the_same_pixels(tmp_path: Path) -> None:
    """A path, its text, bytes, a file object, a PIL image and an array."""
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    file = encoded(Image.fromarray(pixels))
    path = tmp_path / "picture.png"
    path.write_bytes(file)
    sources: list[ImageSource] = [path, str(path), file, io.BytesIO(file), Image.open(path), Image.fromarray(pixels)]
    for source in sources:
        np.testing.assert_array_equal(load_pixels(source, SPEC), load_pixels(pixels, SPEC))


def test_the_ending_of_the_name_does_not_matter(tmp_path: Path) -> None:
    """A PNG called .jpg is read as what it is."""
    path = tmp_path / "picture.jpg"
    path.write_bytes(encoded(Image.new("RGB", (4, 4), (9, 8, 7))))
    assert colour(path) == (9, 8, 7)


def test_what_is_no_picture_is_named_with_its_beginning(tmp_path: Path) -> None:
    """Empty, HTML, HEIC and PostScript (which Pillow would pass to Ghostscript): the line says what was found."""
    path = tmp_path / "photo.jpg"
    known = "is not a JPEG, PNG, GIF, WebP, TIFF, BMP or PPM picture"
    for content, expected in (
        (b"", "is empty, expected a picture"),
        (b"<!DOCTYPE html><html></html>", f"{known} (it begins with b'<!DOCTYPE html><')"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "is HEIC, AVIF or a video, which cannot be read; convert it to JPEG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", f"{known} (it begins with b'%!PS-Adobe-3.0 E')"),
    ):
        path.write_bytes(content)
        assert refusal(path) == f"{path}: {expected}"


def test_what_cannot_be_opened_is_named(tmp_path: Path) -> None:
    """A missing file, a folder and a name that no file can have."""
    assert refusal(tmp_path / "none.jpg") == f"{tmp_path}/none.jpg: no such file"
    assert refusal(tmp_path) == f"{tmp_path}: is a folder, expected a picture"
    assert refusal("a\0b") == "a\0b: cannot be opened (embedded null byte)"


def test_truncated_pictures_are_refused(tmp_path: Path) -> None:
    """Half a JPEG and half a PNG are errors; the missing part is not filled with grey."""
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    for name, file in (("a.jpg", encode_jpeg(pixels)), ("a.png", encoded(Image.fromarray(pixels)))):
        path = tmp_path / name
        path.write_bytes(file[: len(file) // 2])
        assert re.fullmatch(
            rf"{re.escape(str(path))}: cannot be read as a picture \((image file is truncated|unrecognized data).*\)",
            refusal(path),
        )


def bomb(width: int, height: int) -> bytes:
    """Return a PNG of a few bytes that declares width x height pixels."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"")),
        (b"IEND", b""),
    ]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def test_a_decompression_bomb_is_refused_before_it_is_decoded() -> None:
    """One pixel row above the limit; the limit can be set; far above it Pillow's own limit applies, unchanged."""
    limit = Image.MAX_IMAGE_PIXELS
    assert MAX_PIXELS == 8000 * 8000
    assert refusal(bomb(8000, 8001)) == (
        "picture: 8000 x 8001 pixels, more than the limit of 64,000,000; raise it with --max-pixels"
    )
    assert refusal(bomb(100, 101), max_pixels=10_000) == (
        "picture: 100 x 101 pixels, more than the limit of 10,000; raise it with --max-pixels"
    )
    assert refusal(bomb(8000, 8001), max_pixels=64_008_000) == (
        "picture: cannot be read as a picture (image file is truncated (0 bytes not processed))"
    )
    assert refusal(bomb(100_000, 100_000)) == (
        "picture: cannot be read as a picture (Image size (10000000000 pixels) exceeds limit of 178956970 pixels, "
        "could be decompression bomb DOS attack.)"
    )
    assert limit == Image.MAX_IMAGE_PIXELS


def test_a_picture_of_one_endless_row_is_refused() -> None:
    """Resizing would take memory for each of its columns, far more than its pixels."""
    for width, height in ((65_536, 1), (1, 65_536)):
        assert refusal(bomb(width, height)) == f"picture: {width} x {height} pixels; a side may have 65,535"


def test_the_pixels_of_a_file_are_counted_without_decoding() -> None:
    """A file that is no picture has none."""
    assert pixel_count(bomb(4000, 3000)) == 12_000_000
    assert pixel_count(b"none") == 0


def test_the_limit_counts_what_is_decoded() -> None:
    """A JPEG decoded at 1/4 counts a sixteenth, a progressive one all of it: its coefficients are held at once."""
    pixels = np.zeros((400, 400, 3), np.uint8)
    options = {"shortest_side": 100, "max_pixels": 10_000, "background": BACKGROUND}
    assert read_picture(encode_jpeg(pixels), **options).rgb.size == (100, 100)  # type: ignore[arg-type]
    progressive = encoded(Image.fromarray(pixels), "JPEG", progressive=True)
    assert refusal(progressive, shortest_side=100, max_pixels=10_000) == (
        "picture: 400 x 400 pixels, more than the limit of 10,000; raise it with --max-pixels"
    )


def test_pixels_without_a_known_range_are_refused() -> None:
    """Float TIFF, and 32-bit integers above 16 bits; within 16 bits they are read."""
    floats = encoded(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF")
    assert refusal(floats) == "picture: cannot be read as a picture (float pixels, their range is unknown)"
    wide = Image.fromarray(np.full((4, 4), 70000, np.int32))
    assert (
        refusal(encoded(wide, "TIFF"))
        == "picture: cannot be read as a picture (32-bit pixels, expected at most 16 bits)"
    )
    assert refusal(encoded(Image.fromarray(np.full((4, 4), -1, np.int32)), "TIFF")) == (
        "picture: cannot be read as a picture (32-bit pixels, expected at most 16 bits)"
    )
    for value in (0, 0x4D00, 0xFFFF):
        assert colour(encoded(Image.fromarray(np.full((4, 4), value, np.int32)), "TIFF")) == (value >> 8,) * 3


@pytest.mark.parametrize(
    ("array", "found"),
    [
        (np.zeros((4, 4), np.uint8), "[4, 4] uint8"),
        (np.zeros((4, 4, 4), np.uint8), "[4, 4, 4] uint8"),
        (np.zeros((4, 4, 3), np.float32), "[4, 4, 3] float32"),
        (np.zeros((0, 4, 3), np.uint8), "[0, 4, 3] uint8"),
    ],
)
def test_arrays_of_another_kind_are_refused(array: np.ndarray, found: str) -> None:
    """Nothing is scaled, broadcast or guessed."""
    assert refusal(array) == f"array {found}: expected [height, width, 3] uint8 RGB pixels"


def test_reading_leaves_a_callers_picture_as_it_was() -> None:
    """A PIL image is neither closed nor converted, and no warning filter is touched."""
    image, filters = Image.new("RGBA", (4, 4), (1, 2, 3, 4)), list(warnings.filters)
    read_picture(image, background=BACKGROUND)
    assert (image.mode, image.getpixel((0, 0))) == ("RGBA", (1, 2, 3, 4))
    assert warnings.filters == filters


def test_a_thumbnail_is_small_and_upright(tmp_path: Path) -> None:
    """Its long side has the pixels that were asked for; it is white under transparency and never enlarged."""
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = np.zeros((150, 300, 4), np.uint8)
    pixels[:, :150] = (200, 0, 0, 255)  # the left half; upright it is the upper one, and the rest is transparent
    path = tmp_path / "a.png"
    Image.fromarray(pixels).save(path, exif=exif)
    with Image.open(io.BytesIO(thumbnail(path, 128))) as small:
        assert (small.format, small.mode, small.size) == ("JPEG", "RGB", (64, 128))
        found = np.asarray(small)
    np.testing.assert_allclose(found[10:50, 5:59], np.broadcast_to((200, 0, 0), (40, 54, 3)), atol=3)
    np.testing.assert_allclose(found[80:120, 5:59], np.broadcast_to((255, 255, 255), (40, 54, 3)), atol=3)
    with Image.open(io.BytesIO(thumbnail(path, 1000))) as large:
        assert large.size == (150, 300)


def test_a_png_keeps_every_pixel() -> None:
    """Encoding and decoding give the same pixels."""
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    np.testing.assert_array_equal(np.asarray(read_picture(encode_png(pixels), background=BACKGROUND).rgb), pixels)


@pytest.mark.parametrize("file_format", ["JPEG", "WEBP"])
@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({0x9003: "1970:01:02 00:00:03"}, 86403.0),
        ({0x9003: "1970:01:02 00:00:03", 0x9291: "25"}, 86403.25),
        ({0x9003: "1970:01:02 00:00:03", 0x9291: "  "}, 86403.0),
        ({0x9003: "2024:02:29 12:00:00", 0x9291: "007"}, 1709208000.007),
        ({0x9003: "0000:00:00 00:00:00"}, None),
        ({0x9003: "yesterday"}, None),
        ({0x9003: "1970:01:02 00:00:03", 0x9291: "x"}, None),
        ({0x9291: "25"}, None),
        ({}, None),
    ],
)
def test_the_time_a_photograph_was_taken(
    tmp_path: Path, file_format: str, tags: dict[int, str], expected: float | None
) -> None:
    """EXIF's original time with its fraction, in seconds since 1970 without a time zone; None if it is no time."""
    exif = Image.Exif()
    exif.get_ifd(0x8769).update(tags)
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(Image.new("RGB", (4, 4)), file_format, exif=exif))
    assert time_taken(path) == expected


def test_what_has_no_time(tmp_path: Path) -> None:
    """A PNG, a missing file, a damaged one: None, for the error comes from reading the picture."""
    (tmp_path / "a.png").write_bytes(encoded(Image.new("RGB", (4, 4))))
    (tmp_path / "b.jpg").write_bytes(b"\xff\xd8\xff\xe1\x00\x10Exif\x00\x00II*\x00")
    assert [time_taken(tmp_path / name) for name in ("a.png", "b.jpg", "c.jpg")] == [None, None, None]


def test_a_picture_as_a_file(tmp_path: Path) -> None:
    """Its own bytes, whatever they are; pixels become a JPEG file of their size."""
    path = tmp_path / "a.jpg"
    path.write_bytes(b"bytes")
    with path.open("rb") as opened:
        opened.read(2)
        assert [file_of(source) for source in (path, str(path), b"bytes", opened)] == [b"bytes"] * 4
    pixels = np.full((30, 40, 3), (200, 100, 0), np.uint8)
    assert file_of(pixels) == file_of(Image.fromarray(pixels)) == encode_jpeg(pixels)
    with Image.open(io.BytesIO(file_of(pixels))) as image:
        assert (image.format, image.size) == ("JPEG", (40, 30))
    with pytest.raises(ImageError) as error:
        file_of(tmp_path / "gone.jpg")
    assert str(error.value) == f"{tmp_path / 'gone.jpg'}: cannot be read (No such file or directory)"


def test_a_grey_thumbnail_is_the_mean_of_areas() -> None:
    """By hand: quarters of 0 and 100, 200 and 40 beside them; of coloured pixels 299 R + 587 G + 114 B in 1000."""
    grey = np.array([[0, 100, 7, 7], [0, 100, 7, 7], [200, 40, 9, 11], [200, 40, 9, 11]], np.uint8)
    found = grey_thumbnail(grey[..., np.newaxis].repeat(3, axis=2), 2)
    np.testing.assert_array_equal(found, np.array([[50, 7], [120, 10]], np.uint8))
    coloured = np.broadcast_to(np.array([100, 200, 50], np.uint8), (6, 9, 3))
    np.testing.assert_array_equal(grey_thumbnail(np.ascontiguousarray(coloured), 2), np.full((2, 2), 153, np.uint8))
