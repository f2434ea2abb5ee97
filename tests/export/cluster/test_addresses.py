"""Where the workers find a picture of this machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mixer_edge.cluster.worker import Picture
from mixer_edge.engine import Item
from mixer_edge.errors import DataError
from mixer_edge_export.cluster.addresses import Places


@pytest.mark.parametrize(
    ("there", "place"),
    [
        (None, "{here}/dog/a b.png"),
        ("/mnt/pictures", "/mnt/pictures/dog/a b.png"),
        ("/", "/dog/a b.png"),
        ("s3://bucket/pictures/", "s3://bucket/pictures/dog/a b.png"),
    ],
)
def test_the_place_of_a_picture(tmp_path: Path, there: str | None, place: str) -> None:
    """The same path, below another one, or at an address; a picture outside the folder has its path."""
    places = Places(here=tmp_path / "data", there=there)
    assert places.place(tmp_path / "data/dog/a b.png") == place.format(here=tmp_path / "data")
    assert places.place(tmp_path / "b.png") == f"{tmp_path}/b.png"


def test_relative_paths_are_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker has another current folder."""
    monkeypatch.chdir(tmp_path)
    assert Places(here=Path("data")).place(Path("data/a.png")) == f"{tmp_path}/data/a.png"


def test_what_a_worker_gets(tmp_path: Path) -> None:
    """The number, the place and the size of the file; None if it has gone."""
    (tmp_path / "a.png").write_bytes(b"12345")
    places, logits = Places(here=tmp_path, there="/there"), np.zeros(3, np.float32)
    found = places.picture(Item(number=7, picture=tmp_path / "a.png", logits=logits))
    assert replace(found, logits=None) == Picture(number=7, place="/there/a.png", size=5)
    assert found.logits is logits
    assert places.picture(Item(number=8, picture=tmp_path / "b.png")) == Picture(
        number=8, place="/there/b.png", size=None
    )


def test_a_place_that_depends_on_the_worker(tmp_path: Path) -> None:
    """A relative path is refused."""
    with pytest.raises(DataError) as error:
        Places(here=tmp_path, there="pictures")
    assert str(error.value) == ("--data-there pictures: expected an absolute path, or an address like s3://bucket/data")
