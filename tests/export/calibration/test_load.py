"""Calibration pictures: which are used, and which mistakes are reported."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mixer_edge.errors import DataError
from mixer_edge.preprocess import Preprocessing, load_pixels
from mixer_edge_export.calibration import Calibration, load_calibration
from mixer_edge_export.calibration.load import choose

SPEC = Preprocessing().spec(16)


def noise(seed: int) -> np.ndarray:
    """Return ``[16, 16, 3]`` uint8 noise."""
    return np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)


def write(path: Path, pixels: np.ndarray) -> None:
    """Write a PNG file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Forty pictures: 30 in the class folder ``cat``, 10 in ``dog``."""
    for index in range(40):
        write(tmp_path / "photos" / ("cat" if index < 30 else "dog") / f"{index:02d}.png", noise(index))
    return tmp_path / "photos"


def error_of(source: Path, **options: object) -> str:
    """Return the whole message of the error that loading raises."""
    with pytest.raises(DataError) as raised:
        load_calibration(source, SPEC, **options)
    return str(raised.value)


def test_a_good_folder_is_taken_whole_without_a_warning(photos: Path) -> None:
    """All pictures are used in the order of their paths, with the device's preprocessing."""
    pictures = load_calibration(photos, SPEC)
    assert (pictures.kind, pictures.found, pictures.warnings) == ("folder", 40, ())
    assert pictures.names[:2] == ("cat/00.png", "cat/01.png")
    assert Counter(pictures.classes) == {"cat": 30, "dog": 10}
    np.testing.assert_array_equal(pictures.pixels[0], load_pixels(photos / "cat" / "00.png", SPEC))


def test_samples_are_spread_over_the_classes(photos: Path) -> None:
    """Eight of 30 cats and 10 dogs are four of each, and another seed selects others."""
    first, again, other = (load_calibration(photos, SPEC, Calibration(samples=8, seed=seed)) for seed in (0, 0, 1))
    assert Counter(first.classes) == {"cat": 4, "dog": 4}
    assert (first.found, first.names) == (40, again.names)
    assert set(first.names) != set(other.names)


def test_the_choice_does_not_depend_on_order_or_on_pictures_that_are_not_taken() -> None:
    """The names listed backwards give the same choice, as does the list without one that was not chosen."""
    names = [f"{index}.png" for index in range(20)]
    classes = ["a", "b"] * 10
    chosen = {names[index] for index in choose(classes, names, 6, seed=3)}
    backwards = choose(classes[::-1], names[::-1], 6, seed=3)
    assert {names[::-1][index] for index in backwards} == chosen
    left = next(index for index in range(20) if names[index] not in chosen)
    fewer = names[:left] + names[left + 1 :]
    assert {fewer[i] for i in choose(classes[:left] + classes[left + 1 :], fewer, 6, seed=3)} == chosen


def test_a_small_class_gives_all_it_has() -> None:
    """With one picture of class b, the rest of four come from class a."""
    assert Counter("aaaaab"[i] for i in choose("aaaaab", list("uvwxyz"), 4, seed=0)) == {"a": 3, "b": 1}


PICTURES = st.dictionaries(st.text(), st.sampled_from(["", "cat", "dog", "fox"]), min_size=1, max_size=40)
"""Any names, each with its class."""


@given(PICTURES, st.integers(1, 50), st.integers(0, 3), st.randoms(use_true_random=False))
def test_a_choice_is_a_subset_whatever_the_order(
    pictures: dict[str, str], samples: int, seed: int, random: Random
) -> None:
    """As many as were asked for, or all; each once, in the list's order; shuffled, the list gives the same ones."""
    names = list(pictures)
    chosen = choose(list(pictures.values()), names, samples, seed)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == min(samples, len(names))
    shuffled = random.sample(names, len(names))
    again = choose([pictures[name] for name in shuffled], shuffled, samples, seed)
    assert {shuffled[index] for index in again} == {names[index] for index in chosen}


@given(PICTURES, st.integers(1, 50), st.integers(0, 3))
def test_a_choice_is_even(pictures: dict[str, str], samples: int, seed: int) -> None:
    """A class that gives two fewer than another one has no more to give; one picture more adds to the choice."""
    names, classes = list(pictures), list(pictures.values())
    chosen = choose(classes, names, samples, seed)
    counts = Counter(classes[index] for index in chosen)
    for label, found in Counter(classes).items():
        assert counts[label] == found or counts[label] >= max(counts.values()) - 1
    assert set(chosen) <= set(choose(classes, names, samples + 1, seed))


def test_a_manifest_decides_files_labels_and_order(photos: Path) -> None:
    """Only the listed files are used, in the manifest's order, from any folder."""
    lines = ["file,label,sha256"]
    for name, label in (("dog/35.png", "x"), ("cat/02.png", "y")):
        lines.append(f"{name},{label},{hashlib.sha256((photos / name).read_bytes()).hexdigest()}")
    (photos / "manifest.csv").write_text("\n".join(lines) + "\n")
    pictures = load_calibration(photos, SPEC)
    assert (pictures.names, pictures.classes) == (("dog/35.png", "cat/02.png"), ("x", "y"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("file,label\n", "{0}/manifest.csv: expected the columns file,label,sha256 and a line for each picture"),
        ("file,label,sha256\n", "{0}/manifest.csv: expected the columns file,label,sha256 and a line for each picture"),
        (
            "file,label,sha256\ncat/99.png,cat,0\n",
            "{0}/cat/99.png: missing, but {0}/manifest.csv lists it; write the file again or remove the line",
        ),
        (
            "file,label,sha256\ncat/01.png,cat,0\n",
            "{0}/cat/01.png: its sha256 differs from {0}/manifest.csv; write the file again or correct the line",
        ),
    ],
)
def test_a_wrong_manifest_is_refused(photos: Path, content: str, message: str) -> None:
    """Missing columns, an empty list, a missing file and another file than listed are each named."""
    (photos / "manifest.csv").write_text(content)
    assert error_of(photos) == message.format(photos)


def test_copies_count_once(photos: Path) -> None:
    """A copy under another name and in another format is found by its pixels."""
    Image.open(photos / "cat" / "00.png").save(photos / "dog" / "copy.bmp")
    pictures = load_calibration(photos, SPEC)
    assert len(pictures.pixels) == 40
    assert pictures.warnings == ("1 of 41 calibration pictures are copies of others and count once; remove them",)


def test_one_picture_many_times_is_refused(tmp_path: Path) -> None:
    """A set of copies of a single picture is useless."""
    for index in range(40):
        write(tmp_path / f"{index}.png", noise(0))
    assert error_of(tmp_path) == f"{tmp_path}: the same picture 40 times; expected different pictures"


@pytest.mark.parametrize("source", ["", "cat"])
def test_one_class_is_warned_of(photos: Path, source: str) -> None:
    """All pictures are in one folder, or the given folder is named like a class of the model."""
    for path in (photos / "dog").iterdir():
        path.unlink()
    for index in range(50, 60):
        write(photos / "cat" / f"{index}.png", noise(index))
    pictures = load_calibration(photos / source, SPEC, labels=["cat", "dog"])
    assert pictures.warnings == (
        "all calibration pictures are in one folder, 'cat'; if it is a class, use some of each",
    )


def test_a_flat_folder_of_another_name_is_no_class(photos: Path) -> None:
    """Without class folders there is no warning about classes."""
    assert load_calibration(photos / "cat", SPEC, Calibration(samples=30), labels=["fox"]).warnings == (
        "only 30 calibration pictures, too few for stable ranges; use 100 to 200",
    )


def test_grey_pictures_are_warned_of(tmp_path: Path) -> None:
    """A set of grey pictures would measure no colour."""
    for index in range(40):
        write(tmp_path / f"{index}.png", noise(index)[..., 0])
    assert load_calibration(tmp_path, SPEC).warnings == (
        "all calibration pictures are grey; if the model will see colours, use coloured ones",
    )


def test_pictures_of_one_colour_are_warned_of_and_a_set_of_them_is_refused(tmp_path: Path) -> None:
    """Two plain pictures among forty are counted and the first named; a set with nothing else is an error."""
    for index in range(40):
        write(tmp_path / "mixed" / f"{index:02d}.png", noise(index))
    for index, folder in enumerate(("mixed", "mixed", "plain", "plain")):
        write(tmp_path / folder / f"plain{index}.png", np.full((16, 16, 3), [index, 9, 200], np.uint8))
    assert load_calibration(tmp_path / "mixed", SPEC).warnings == (
        "2 calibration pictures have a single colour, the first is plain0.png; remove them",
    )
    assert error_of(tmp_path / "plain") == (
        f"{tmp_path}/plain: every picture has a single colour; expected photographs"
    )


def save(path: Path, array: np.ndarray) -> Path:
    """Write an array file and return its path."""
    np.save(path, array)
    return path


def test_arrays_of_pixels_and_of_prepared_floats_are_the_pictures(tmp_path: Path) -> None:
    """uint8 pixels, and the floats in [-1, 1] made of them, give the same set as the files."""
    pixels = np.stack([noise(index) for index in range(40)])
    floats = pixels.astype(np.float32) / np.float32(127.5) - np.float32(1)
    np.savez(tmp_path / "floats.npz", images=floats)
    for path in (save(tmp_path / "pixels.npy", pixels), tmp_path / "floats.npz"):
        pictures = load_calibration(path, SPEC)
        assert (pictures.kind, pictures.found, pictures.warnings) == ("arrays", 40, ())
        np.testing.assert_array_equal(np.stack(pictures.pixels), pixels)


PIXELS = np.stack([noise(index) for index in range(4)]).astype(np.float32)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (
            PIXELS / 255,
            "values from 0 to 1 look like pixels / 255; expected [-1, 1]: use pixels / 127.5 - 1, or uint8 pixels",
        ),
        (PIXELS, "values from 0 to 255 look like pixels; expected [-1, 1]: use pixels / 127.5 - 1, or uint8 pixels"),
        (
            PIXELS / 50 - 2,
            "values from -2 to 3.1 have another normalization; expected [-1, 1]: use pixels / 127.5 - 1",
        ),
        (np.full((4, 16, 16, 3), np.nan), "contains NaN or infinity; expected floats in [-1, 1]"),
        (PIXELS.astype(np.int64), "int64; expected uint8 pixels, or floats in [-1, 1]"),
        (PIXELS.transpose(0, 3, 1, 2), "shape [4, 3, 16, 16]; expected [n, height, width, 3], RGB last"),
        (PIXELS[:, :8] / 127.5 - 1, "8 by 16; floats must have the network's size, 16 by 16"),
    ],
)
def test_arrays_that_were_prepared_otherwise_are_refused(tmp_path: Path, array: np.ndarray, message: str) -> None:
    """[0, 1], [0, 255], another normalization, NaN, integers, channels first and another size are each named."""
    path = save(tmp_path / "set.npy", array)
    assert error_of(path).replace(f"{path}: values", "values").removeprefix(f"{path}: ") == message


def test_floats_for_a_network_of_another_range_are_refused(tmp_path: Path) -> None:
    """Their pixels would be a guess."""
    path = save(tmp_path / "set.npy", PIXELS / 127.5 - 1)
    with pytest.raises(DataError) as raised:
        load_calibration(path, replace(SPEC, scale=255.0, offset=0.0))
    assert str(raised.value) == f"{path}: float32; this network's input is not in [-1, 1]: use uint8 pixels"


def test_an_archive_of_several_arrays_or_none_is_refused(tmp_path: Path) -> None:
    """Several arrays in a file are an error, and a damaged file is named."""
    np.savez(tmp_path / "two.npz", images=PIXELS, labels=np.arange(4))
    assert error_of(tmp_path / "two.npz") == (
        f"{tmp_path}/two.npz: 2 arrays (images, labels); expected one, [n, height, width, 3]"
    )
    (tmp_path / "bad.npy").write_bytes(b"no array")
    assert re.fullmatch(
        re.escape(f"{tmp_path}/bad.npy: cannot be read as arrays (") + ".*" + re.escape("); expected .npy or .npz"),
        error_of(tmp_path / "bad.npy"),
    )


def test_a_picture_that_cannot_be_read_is_named(photos: Path) -> None:
    """The message says to remove it."""
    (photos / "cat" / "00.png").write_bytes(b"no picture")
    assert error_of(photos) == (
        f"{photos}/cat/00.png: is not a JPEG, PNG, GIF, WebP, TIFF, BMP or PPM picture (it begins with b'no picture'); "
        "remove it from the calibration pictures"
    )
