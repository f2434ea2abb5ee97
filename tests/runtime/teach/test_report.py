"""The figures of the taught classes, from pictures with one feature that matters."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.teaching import EXTRACTOR, draw

from mixer_edge.metrics import wilson_interval
from mixer_edge.teach.report import Mistaken, Share, TaughtClass, report
from mixer_edge.teach.state import Picture, add


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))


def at(number: int, *places: float) -> Picture:
    """Return a picture with these features."""
    return replace(draw(number), features=np.array(places, np.float32))


def test_nothing_is_taught() -> None:
    """No class, no figures, and no class that needs pictures."""
    found = report(EXTRACTOR.folder, "drawn", "int8")
    assert (found.extractor, found.variant, found.pictures, found.classes) == ("drawn", "int8", 0, ())
    assert (found.left_out, found.mistaken, found.needs_pictures) == (None, (), None)


def test_one_class_is_not_judged() -> None:
    """There is nothing to take it for."""
    add(EXTRACTOR, "left", [at(1, -1, 0), at(2, -2, 0)])
    found = report(EXTRACTOR.folder, "drawn", "int8")
    assert found.classes == (TaughtClass(label="left", pictures=2, left_out=None, taken_for={}),)
    assert (found.left_out, found.needs_pictures) == (None, "left")


def test_a_picture_in_the_wrong_class() -> None:
    """It is found, with the file to look at; a class with one picture needs more of them first."""
    add(EXTRACTOR, "left", [at(number, -10 - number % 3, number % 2) for number in range(6)] + [at(6, 11, 0)])
    add(EXTRACTOR, "right", [at(number, 10 + number % 3, number % 2) for number in range(10, 18)])
    add(EXTRACTOR, "up", [at(20, 0, 30)])
    found = report(EXTRACTOR.folder, "drawn", "int8")
    share = Share(judged=7, right=6, share=6 / 7, interval=wilson_interval(6, 7))
    assert found.classes == (
        TaughtClass(label="left", pictures=7, left_out=share, taken_for={"right": 1}),
        TaughtClass(label="right", pictures=8, left_out=Share.of(8, 8), taken_for={}),
        TaughtClass(label="up", pictures=1, left_out=None, taken_for={}),
    )
    assert found.left_out == Share.of(14, 15)
    kept = EXTRACTOR.folder / "pictures" / f"{hashlib.sha256(b'picture 6').hexdigest()}.png"
    assert found.mistaken == (Mistaken(file=str(kept), label="left", answer="right"),)
    assert kept.read_bytes() == b"picture 6"
    assert found.needs_pictures == "up"


def test_enough_pictures_of_every_class() -> None:
    """16 that are all right: at least 80 % for sure. With 15 it is not."""
    for label, sign in (("left", -1), ("right", 1)):
        add(
            EXTRACTOR, label, [at(sign * number + 100, sign * (10 + number % 3), number % 2) for number in range(1, 17)]
        )
    assert report(EXTRACTOR.folder, "drawn", "int8").needs_pictures is None
    assert wilson_interval(15, 15)[0] < 0.8 < wilson_interval(16, 16)[0]
