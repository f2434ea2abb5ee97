"""Files and folders that are written atomically."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mixer_edge.errors import ModelError
from mixer_edge_export.files import discarded_on_error, new_folder, replacing, write


def test_a_file_is_replaced_when_the_block_ends(tmp_path: Path) -> None:
    """Until then the old file is there; afterwards only the new one."""
    path = tmp_path / "a.txt"
    path.write_text("old")
    with replacing(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    write(path, b"newer")
    assert path.read_text() == "newer"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    """What was written so far is removed."""
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(KeyError), replacing(path) as partial:
        partial.write_text("half")
        raise KeyError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_everything_is_synced_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file and folder in a new folder is synced before the folder is renamed."""
    synced: list[str] = []

    def fsync(descriptor: int) -> None:
        assert not target.exists()
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)

    monkeypatch.setattr(os, "fsync", fsync)
    target = tmp_path / "new"
    with new_folder(target) as partial:
        (partial / "sub").mkdir()
        (partial / "sub" / "a").touch()
        (partial / "dangling").symlink_to("nowhere")
    assert sorted(synced) == ["a", "new", "sub"]
    target = tmp_path / "b"
    write(target, b"")
    assert synced[3:] == [".b.partial"]


def test_a_folder_that_another_process_made_first_stays(tmp_path: Path) -> None:
    """The second one is dropped; after an error there is no folder."""
    target = tmp_path / "target"
    with new_folder(target) as partial:
        (partial / "mine").touch()
        target.mkdir()
        (target / "theirs").touch()
    assert [path.name for path in target.iterdir()] == ["theirs"]
    with pytest.raises(KeyError), new_folder(tmp_path / "other") as partial:
        raise KeyError
    assert list(tmp_path.iterdir()) == [target]


def test_what_the_block_cannot_use_is_discarded(tmp_path: Path) -> None:
    """A cached file or folder goes if the body raises a ModelError, and stays for any other error."""
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.touch()
    folder.mkdir()
    for path in (file, folder):
        with pytest.raises(KeyError), discarded_on_error(path):
            raise KeyError
        assert path.exists()
        with pytest.raises(ModelError), discarded_on_error(path):
            raise ModelError("damaged")
        assert not path.exists()
