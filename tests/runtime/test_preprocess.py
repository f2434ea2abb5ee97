"""The specification is followed exactly: each result is compared with a separate formula or Pillow's plain calls."""

from __future__ import annotations

import dataclasses
import io
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mixer_edge.errors import BundleError
from mixer_edge.manifest import PreprocessSpec
from mixer_edge.preprocess import Preprocessing, check_spec, load_pixels, normalize


def noise(height: int, width: int) -> np.ndarray:
    """Return seeded ``[height, width, 3]`` uint8 noise."""
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def small(height: int, width: int, **fields: Any) -> PreprocessSpec:
    """Return the Mixer's specification at another size."""
    return dataclasses.replace(Preprocessing().spec(8), height=height, width=width, **fields)


def test_squash_is_pillows_bilinear_resize() -> None:
    """The whole picture goes to (width, height) whatever its aspect ratio."""
    pixels = noise(31, 50)
    expected = np.asarray(Image.fromarray(pixels).resize((7, 5), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(load_pixels(pixels, small(5, 7)), expected)


def test_bicubic_is_pillows() -> None:
    """The other filter of the specification."""
    pixels = noise(31, 50)
    expected = np.asarray(Image.fromarray(pixels).resize((7, 5), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(load_pixels(pixels, small(5, 7, resample="bicubic")), expected)


def test_resize_crop_is_resize_then_crop() -> None:
    """40 x 80, shorter side 10, crop 8: Pillow's resize to 10 x 20, of it rows 1 to 9 and columns 6 to 14."""
    pixels = noise(40, 80)
    resized = np.asarray(Image.fromarray(pixels).resize((20, 10), Image.Resampling.BILINEAR))
    spec = small(8, 8, geometry="resize-crop", shorter_side=10)
    np.testing.assert_array_equal(load_pixels(pixels, spec), resized[1:9, 6:14])
    spec = small(8, 8, geometry="resize-crop", shorter_side=10, antialias=False, decode="exact")
    np.testing.assert_array_equal(load_pixels(pixels, spec), bilinear_by_fractions(pixels, 10, 20)[1:9, 6:14])


def test_resize_crop_of_a_line_needs_no_large_picture() -> None:
    """A full resize of 20,000 x 1 pixels would give 200,000 x 10; only the centre is computed."""
    pixels = np.full((1, 20000, 3), 9, np.uint8)
    spec = small(8, 8, geometry="resize-crop", shorter_side=10)
    np.testing.assert_array_equal(load_pixels(pixels, spec), np.full((8, 8, 3), 9, np.uint8))


def test_resize_crop_follows_an_upright_picture() -> None:
    """A crop that is not square is taken from the upright picture, not from the file's orientation."""
    pixels = noise(60, 90)
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", exif=exif)
    spec = small(4, 8, geometry="resize-crop", shorter_side=9)
    upright = np.ascontiguousarray(np.rot90(pixels, -1))
    difference = load_pixels(file.getvalue(), spec).astype(int) - load_pixels(upright, spec)
    assert np.abs(difference).max() <= 1  # Pillow rounds between its two passes, which come in the other order


def bilinear_by_fractions(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return half-pixel-centred bilinear sampling without antialias, pixel by pixel in exact fractions."""
    limit_y, limit_x, _ = pixels.shape
    result = np.zeros((height, width, 3), np.uint8)
    for i in range(height):
        for j in range(width):
            y = min(max((i + Fraction(1, 2)) * limit_y / height - Fraction(1, 2), Fraction(0)), Fraction(limit_y - 1))
            x = min(max((j + Fraction(1, 2)) * limit_x / width - Fraction(1, 2), Fraction(0)), Fraction(limit_x - 1))
            for c in range(3):
                value = Fraction(0)
                for row in range(int(y), min(int(y) + 2, limit_y)):
                    for column in range(int(x), min(int(x) + 2, limit_x)):
                        value += (1 - abs(y - row)) * (1 - abs(x - column)) * int(pixels[row, column, c])
                result[i, j, c] = round(value)
    return result


@pytest.mark.parametrize(("height", "width"), [(5, 7), (4, 16), (13, 3), (1, 1), (16, 12)])
def test_without_antialias_each_pixel_mixes_its_four_neighbours(height: int, width: int) -> None:
    """Shrinking and growing, even and odd ratios: the array equals the formula, rounded to even."""
    pixels = noise(8, 12)
    result = load_pixels(pixels, small(height, width, antialias=False, decode="exact"))
    np.testing.assert_array_equal(result, bilinear_by_fractions(pixels, height, width))


def jpeg(pixels: np.ndarray, **options: Any) -> bytes:
    """Return the pixels as a JPEG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90, **options)
    return file.getvalue()


def photo(height: int, width: int) -> np.ndarray:
    """Return a smooth seeded picture with grain, ``[height, width, 3]`` uint8."""
    coarse = Image.fromarray(noise(6, 8)).resize((width, height), Image.Resampling.BICUBIC)
    grain = np.random.default_rng(1).normal(0, 8, (height, width, 3))
    return (np.asarray(coarse) + grain).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"progressive": True}])
def test_scaled_decoding_stays_close_to_the_exact_one(options: dict[str, Any]) -> None:
    """Within 0.5/255 on average, 99 % within 2/255, and not equal to exact decoding."""
    file = jpeg(photo(753, 1001), **options)  # odd sizes: decoded at 1/4, they end in a part of a pixel
    spec = Preprocessing().spec(56)
    scaled, exact = load_pixels(file, spec), load_pixels(file, dataclasses.replace(spec, decode="exact"))
    difference = np.abs(scaled.astype(int) - exact)
    assert 0 < difference.mean() <= 0.5
    assert (difference <= 2).mean() >= 0.99


def test_exact_decoding_is_pillows_plain_decode_and_resize() -> None:
    """The result equals open, convert and resize."""
    file = jpeg(photo(300, 400))
    plain = Image.open(io.BytesIO(file)).convert("RGB").resize((8, 8), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(load_pixels(file, Preprocessing(decode="exact").spec(8)), np.asarray(plain))


def test_a_small_jpeg_is_decoded_at_full_size_either_way() -> None:
    """Below twice the margin the picture is decoded at full size."""
    file = jpeg(photo(47, 60))
    scaled, exact = (load_pixels(file, Preprocessing(decode=decode).spec(8)) for decode in ("scaled", "exact"))
    np.testing.assert_array_equal(scaled, exact)


def test_png_is_decoded_exactly_either_way() -> None:
    """Only JPEG can be decoded at reduced size."""
    file = io.BytesIO()
    Image.fromarray(photo(300, 400)).save(file, "PNG")
    scaled, exact = (
        load_pixels(file.getvalue(), Preprocessing(decode=decode).spec(8)) for decode in ("scaled", "exact")
    )
    np.testing.assert_array_equal(scaled, exact)


def test_normalize_maps_the_ends_and_the_middle() -> None:
    """0 is -1, 255 is 1, and 128 / 127.5 - 1 is 0.003921628 in float32."""
    values = normalize(np.array([0, 128, 255], np.uint8), Preprocessing().spec(8))
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, np.array([-1, 128 / np.float32(127.5) - np.float32(1), 1], np.float32))


def test_what_preprocess_spec_makes_is_accepted() -> None:
    """Every combination of arguments gives a valid specification."""
    for geometry in ("squash", "resize-crop"):
        for antialias in (True, False):
            for decode in ("scaled", "exact"):
                check_spec(Preprocessing(geometry=geometry, antialias=antialias, decode=decode).spec(224))
    assert Preprocessing(geometry="resize-crop").spec(224).shorter_side == 256


def test_an_input_that_is_not_square() -> None:
    """Height and width are apart, the margin of a crop is of the longer side, and pixels become the range's ends."""
    spec = Preprocessing(geometry="resize-crop", pixel_range=(0, 1)).spec(24, 56)
    assert (spec.height, spec.width, spec.shorter_side, spec.scale, spec.offset) == (24, 56, 64, 255, 0)
    assert (Preprocessing().spec(24).height, Preprocessing().spec(24).width) == (24, 24)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shorter_side": 256}, "preprocess.shorter_side is 256, expected as long as the crop, null for squash"),
        ({"geometry": "resize-crop"}, "preprocess.shorter_side is None, expected as long as the crop, null for squash"),
        ({"antialias": False}, "preprocess.decode is 'scaled', expected exact without antialias"),
        (
            {"antialias": False, "decode": "exact", "resample": "bicubic"},
            "preprocess.resample is 'bicubic', expected bilinear without antialias",
        ),
        ({"height": 0}, "preprocess.height is 0, expected at least 1"),
        ({"background": (0, 0, 256)}, "preprocess.background is (0, 0, 256), expected three values from 0 to 255"),
        ({"scale": 0.0}, "preprocess.scale is 0.0, expected above 0"),
    ],
)
def test_a_specification_that_cannot_be_followed_is_refused(change: dict[str, Any], message: str) -> None:
    """The message names the field, its value and what is expected."""
    with pytest.raises(BundleError) as error:
        check_spec(dataclasses.replace(Preprocessing().spec(224), **change))
    assert str(error.value).removesuffix("; export it again") == message
