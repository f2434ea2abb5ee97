"""Which pictures a held button leaves out."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.teaching import EXTRACTOR, draw

from mixer_edge.preprocess import Preprocessing
from mixer_edge.teach import likeness as module
from mixer_edge.teach.likeness import Likeness
from mixer_edge.teach.state import add, list_pictures

FINE = replace(EXTRACTOR, preprocess=Preprocessing().spec(64))


def blotches(seed: int, bright: float = 1.0) -> bytes:
    """Return a picture of 64 x 64 blotches as a file."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    large = np.asarray(Image.fromarray(small).resize((64, 64), Image.Resampling.NEAREST))
    file = io.BytesIO()
    Image.fromarray((large * bright).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))


def test_nearly_equal_pictures_of_the_class_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A darker copy is found in its own class, among its newest pictures; another picture is not."""
    for number, label in ((1, "cup"), (2, "bowl"), (3, "bowl")):
        add(FINE, label, [replace(draw(number), content=blotches(number))])
    likeness = Likeness(FINE, max_pixels=10_000)
    copy = blotches(2, 0.95)
    assert [likeness.is_taught(label, copy) for label in ("cup", "bowl", "plate")] == [False, True, False]
    assert not likeness.is_taught("bowl", blotches(4))
    monkeypatch.setattr(module, "NEWEST", 1)
    assert not likeness.is_taught("bowl", copy)
    assert likeness.is_taught("bowl", blotches(3, 0.95))


def test_a_kept_picture_that_is_gone_is_like_no_other() -> None:
    """It does not stop the teaching."""
    add(FINE, "cup", [replace(draw(1), content=blotches(1)), replace(draw(2), content=blotches(2))])
    for file, name in list_pictures(FINE.folder, "cup"):
        if name == "1.png":
            (FINE.folder / "pictures" / file).unlink()
    likeness = Likeness(FINE, max_pixels=10_000)
    assert [likeness.is_taught("cup", blotches(number, 0.95)) for number in (1, 2)] == [False, True]
