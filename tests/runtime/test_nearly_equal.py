"""Nearly equal pictures: changed copies are found, different pictures are not."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from mixer_edge import nearly_equal as module
from mixer_edge.decode import grey_thumbnail
from mixer_edge.nearly_equal import THUMBNAIL, nearly_equal
from mixer_edge.preprocess import Preprocessing, load_pixels
from mixer_edge_export.calibration.generated import generate
from mixer_edge_export.digits.images import render_digits

SPEC = Preprocessing().spec(224)
COUNT = 20


def encoded(image: Image.Image, quality: int = 85) -> bytes:
    """Return the picture as a JPEG file."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def thumbnails(files: list[bytes]) -> NDArray[np.uint8]:
    """Return the thumbnails of pictures, as the training makes them."""
    return np.stack([grey_thumbnail(load_pixels(file, SPEC), THUMBNAIL) for file in files])


def pairs(first: NDArray[np.uint8], second: NDArray[np.uint8] | None = None) -> set[tuple[int, int]]:
    """Return the rows of all pairs but those of a row with itself."""
    found = nearly_equal(first, second)
    return {
        (int(one), int(other))
        for ones, others in found
        for one, other in zip(ones, others, strict=True)
        if second is not None or one != other
    }


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    """Twenty generated pictures, which look like photographs to a filter."""
    return [Image.fromarray(pixels) for pixels in generate(COUNT)]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda image: encoded(image, 15), id="quality 15"),
        pytest.param(lambda image: encoded(image.resize((100, 80))), id="resized"),
        pytest.param(lambda image: encoded(ImageEnhance.Brightness(image).enhance(1.15)), id="brighter"),
        pytest.param(lambda image: encoded(ImageEnhance.Contrast(image).enhance(0.7)), id="less contrast"),
        pytest.param(lambda image: encoded(image.convert("L")), id="grey"),
        pytest.param(lambda image: encoded(image.crop((2, 3, 222, 223))), id="cropped"),
    ],
)
def test_changed_copies_are_found(pictures: list[Image.Image], change: Callable[[Image.Image], bytes]) -> None:
    """Each is nearly equal to its original and to nothing else."""
    originals, copies = (thumbnails([make(image) for image in pictures]) for make in (encoded, change))
    assert pairs(copies, originals) == {(number, number) for number in range(COUNT)}


def test_different_pictures_are_not(pictures: list[Image.Image]) -> None:
    """None of twenty generated pictures is like another one, nor like a half of itself."""
    originals = thumbnails([encoded(image) for image in pictures])
    assert pairs(originals) == set()
    halves = thumbnails([encoded(image.crop((0, 0, 112, 224))) for image in pictures])
    assert pairs(halves, originals) == set()


def test_digits_are_all_different() -> None:
    """No two of the bundled model's 1797 pictures, though many look alike."""
    spec = Preprocessing().spec(64)
    files = [file for _, file in sorted(render_digits().items())]
    found = np.stack([grey_thumbnail(load_pixels(file, spec), THUMBNAIL) for file in files])
    assert len(found) == 1797
    assert pairs(found) == set()


def test_plain_pictures_are_like_nothing() -> None:
    """One colour, or hardly more: there is nothing to compare."""
    plain = np.full((3, THUMBNAIL, THUMBNAIL), 200, np.uint8)
    plain[1, ::2, ::2] = 202
    assert pairs(plain) == set()
    assert list(nearly_equal(plain)) == []


def test_blocks_do_not_matter(pictures: list[Image.Image], monkeypatch: pytest.MonkeyPatch) -> None:
    """In blocks of 7, the same pairs are found among forty pictures and between two parts of them."""
    files = [encoded(image, quality) for quality in (85, 40) for image in pictures]
    both = thumbnails(files)
    expected = {(number, number + COUNT) for number in range(COUNT)}
    assert {(min(pair), max(pair)) for pair in pairs(both)} == expected
    monkeypatch.setattr(module, "BLOCK", 7)
    assert {(min(pair), max(pair)) for pair in pairs(both)} == expected
    assert pairs(both[:COUNT], both[COUNT:]) == {(number, number) for number in range(COUNT)}
