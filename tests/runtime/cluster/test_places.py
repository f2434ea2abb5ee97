"""Pictures at addresses."""

from __future__ import annotations

from pathlib import Path

import pytest

import mixer_edge.cluster.places
from mixer_edge.cluster.places import RemoteFile, open_picture, size_of
from mixer_edge.errors import ImageError, MixerEdgeError


def test_a_path_stays_a_path(tmp_path: Path) -> None:
    """It is not opened; its size is that of the file, or None without one."""
    path = tmp_path / "a.png"
    assert open_picture(str(path)) == path
    assert size_of(path) is None
    path.write_bytes(b"12345")
    assert size_of(path) == 5


def test_an_address_is_read(tmp_path: Path) -> None:
    """With its size and its name; a missing file is an error like that of a path."""
    (tmp_path / "a.png").write_bytes(b"12345")
    file = open_picture(f"file://{tmp_path}/a.png")
    assert isinstance(file, RemoteFile)
    assert (size_of(file), file.read(), file.name) == (5, b"12345", f"file://{tmp_path}/a.png")
    with pytest.raises(ImageError) as error:
        open_picture(f"file://{tmp_path}/no.png")
    assert str(error.value) == f"file://{tmp_path}/no.png: no such file"


def test_an_address_is_tried_several_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder cannot be read at any try; the waits become longer."""
    waits: list[float] = []
    monkeypatch.setattr(mixer_edge.cluster.places.time, "sleep", waits.append)
    with pytest.raises(ImageError) as error:
        open_picture(f"file://{tmp_path}")
    assert str(error.value) == f"file://{tmp_path}: cannot be read ([Errno 21] Is a directory: '{tmp_path}')"
    assert waits == [0.2, 0.4]


def test_protocols_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that fsspec does not know, and no fsspec."""
    with pytest.raises(MixerEdgeError) as error:
        open_picture("nothing://a.png")
    assert str(error.value) == ("nothing://a.png: fsspec cannot read this protocol (Protocol not known: nothing)")
    monkeypatch.setitem(__import__("sys").modules, "fsspec", None)
    with pytest.raises(MixerEdgeError) as error:
        open_picture("http://127.0.0.1/a.png")
    assert str(error.value) == "http://127.0.0.1/a.png: reading it needs fsspec: pip install fsspec"
