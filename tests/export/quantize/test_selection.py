"""Points, changes and decibels by hand, and the pictures they are measured on."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mixer_edge.errors import DataError
from mixer_edge.preprocess import Preprocessing
from mixer_edge_export.quantize.selection import SelectionSet, changed, load_selection, snr_db

SPEC = Preprocessing().spec(8)
REFERENCE = np.array([[3, 0], [3, 0], [0, 3], [0, 3]], np.float32)
"""Classes 0, 0, 1, 1."""
OUTPUTS = np.array([[3, 0], [0, 3], [0, 3], [3, 0]], np.float32)
"""Classes 0, 1, 1, 0: the second and the fourth differ."""


def probe(truth: list[int] | None) -> SelectionSet:
    """Return a probe of four pictures."""
    pixels = tuple(np.full((8, 8, 3), value, np.uint8) for value in range(4))
    return SelectionSet(pixels=pixels, truth=None if truth is None else np.array(truth), spec=SPEC)


@pytest.mark.parametrize(
    ("truth", "measure", "correct", "drop"),
    [
        (None, "agreement", None, 50.0),
        ([0, 0, 1, 1], "top-1", 2, 50.0),
        ([0, 1, 1, 1], "top-1", 3, 0.0),
        ([0, 1, 1, 0], "top-1", 4, -50.0),
    ],
)
def test_points_lost(truth: list[int] | None, measure: str, correct: int | None, drop: float) -> None:
    """Without labels a change is a loss; with labels it may be no loss, or a gain."""
    judged = probe(truth)
    assert (judged.measure, judged.correct(OUTPUTS), judged.drop(OUTPUTS, REFERENCE)) == (measure, correct, drop)
    assert changed(OUTPUTS, REFERENCE) == 2


def test_signal_to_noise_ratio() -> None:
    """A signal of 3² four times over a noise of 0.6² once is 100, 20 dB; equal outputs have none."""
    noisy = REFERENCE.copy()
    noisy[0, 0] += 0.6
    assert snr_db(noisy, REFERENCE) == pytest.approx(20, abs=1e-4)
    assert snr_db(REFERENCE, REFERENCE) is None


def test_a_part_of_a_probe_is_spread_evenly() -> None:
    """Three of four pictures are the first, one in the middle and the last, with their labels."""
    part = probe([5, 6, 7, 8]).head(3)
    assert part.truth is not None
    assert ([int(pixels[0, 0, 0]) for pixels in part.pixels], part.truth.tolist()) == ([0, 2, 3], [5, 7, 8])


def write(folder: Path, count: int) -> None:
    """Write pictures of one grey each."""
    folder.mkdir(parents=True)
    for index in range(count):
        Image.new("L", (8, 8), index).save(folder / f"{index}.png")


def test_class_folders_are_labels_and_a_flat_folder_has_none(tmp_path: Path) -> None:
    """Four of eight and two pictures are two of each class; pictures without class folders come unlabelled."""
    write(tmp_path / "labelled" / "cat", 8)
    write(tmp_path / "labelled" / "dog", 2)
    write(tmp_path / "flat", 3)
    labelled = load_selection(tmp_path / "labelled", SPEC, ["cat", "dog"], 4)
    assert labelled.truth is not None
    assert Counter(labelled.truth.tolist()) == {0: 2, 1: 2}
    flat = load_selection(tmp_path / "flat", SPEC, ["cat", "dog"], 4)
    assert (flat.truth, len(flat.pixels)) == (None, 3)


def test_an_unreadable_picture_is_named(tmp_path: Path) -> None:
    """The message says to remove it."""
    write(tmp_path / "flat", 1)
    (tmp_path / "flat" / "bad.png").write_bytes(b"no picture")
    with pytest.raises(DataError) as raised:
        load_selection(tmp_path / "flat", SPEC, [], 4)
    assert str(raised.value) == (
        f"{tmp_path}/flat/bad.png: is not a JPEG, PNG, GIF, WebP, TIFF, BMP or PPM picture "
        f"(it begins with b'no picture'); remove it from {tmp_path}/flat"
    )
