"""A folder for an address: the tables, the listing, and pictures when they are needed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.conftest import LABELS

from mixer_edge.cache import CACHE_VARIABLE
from mixer_edge.dataset import open_dataset
from mixer_edge.errors import DataError
from mixer_edge_export.cluster.mirror import mirror


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two pictures with a table, and a cache of this test."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    for name in ("b.png", "sub/a.png", ".hidden/c.png"):
        (tmp_path / "bucket" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "bucket" / name).write_bytes(name.encode())
    (tmp_path / "bucket" / "classes.csv").write_text("file,label\nb.png,bird\nsub/a.png,dog\n")
    return tmp_path / "bucket"


def test_only_the_tables_are_copied(bucket: Path, tmp_path: Path) -> None:
    """The classes are those of the table, in the order of the names; a picture comes when it is fetched."""
    found = mirror(f"file://{bucket}")
    assert [path.relative_to(found.folder).as_posix() for path in found.stamps] == ["b.png", "sub/a.png"]
    assert found.folder.relative_to(tmp_path / "cache" / "pictures").parts[1:] == ("bucket",)
    assert [path.name for path in found.folder.rglob("*")] == ["classes.csv"]
    dataset = open_dataset(found.folder, LABELS, found.stamps)
    assert (dataset.layout, [image.index for image in dataset.images]) == ("table", [1, 3])
    found.bring([found.folder / "sub/a.png", found.folder / "sub/no.png"])
    assert sorted(path.name for path in found.folder.rglob("*")) == ["a.png", "classes.csv", "sub"]
    assert (found.folder / "sub/a.png").read_bytes() == b"sub/a.png"


def test_a_picture_that_is_replaced_is_another_one(bucket: Path) -> None:
    """The folder and the listing follow sizes and times."""
    before = mirror(f"file://{bucket}")
    same = mirror(f"file://{bucket}/")
    assert same.stamps == before.stamps
    os.utime(bucket / "b.png", (1, 1))
    after = mirror(f"file://{bucket}")
    assert after.folder != before.folder
    listings = [open_dataset(found.folder, LABELS, found.stamps).listing() for found in (before, same, after)]
    assert listings[0] == listings[1] != listings[2]


def test_addresses_without_pictures(bucket: Path) -> None:
    """Nothing there, and a protocol that is not known."""
    with pytest.raises(DataError, match=r"^file:///no/such: no pictures in it; expected files ending in \.bmp, "):
        mirror("file:///no/such")
    with pytest.raises(DataError) as error:
        mirror("nothing://a")
    assert str(error.value) == "nothing://a: cannot be listed (Protocol not known: nothing)"
