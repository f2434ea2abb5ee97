"""SavedModels in folders and archives."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mixer_edge.errors import ModelError
from mixer_edge_export.sources import load_source
from mixer_edge_export.sources.archive import find_saved_model, folder_sha256, unpack


def test_a_saved_model_is_found_below_the_folder(twin: Path, tmp_path: Path) -> None:
    """A folder that holds the SavedModel some levels down serves as well."""
    shutil.copytree(twin, tmp_path / "download" / "model" / "1")
    source = load_source(str(tmp_path / "download"))
    assert (source.origin.name, source.origin.kind) == ("download", "saved_model")
    assert source.saved_model == tmp_path / "download" / "model" / "1"


def test_none_or_several_are_told(twin: Path, tmp_path: Path) -> None:
    """Nothing is guessed where the folder has no SavedModel or more than one."""
    with pytest.raises(ModelError) as raised:
        find_saved_model(tmp_path)
    assert str(raised.value) == f"{tmp_path}: no saved_model.pb in it or below; expected a SavedModel folder"
    for name in ("a", "b"):
        shutil.copytree(twin, tmp_path / name)
    with pytest.raises(ModelError) as raised:
        find_saved_model(tmp_path)
    assert str(raised.value) == f"{tmp_path}: 2 SavedModels in it (a, b); use the path of one of them"


def test_an_archive_is_unpacked_once(twin: Path, twin_archive: bytes, tmp_path: Path, cache: Path) -> None:
    """The content is the archive's; the same archive under another name gives the same folder."""
    for name in ("one.tar.gz", "two.tgz"):
        (tmp_path / name).write_bytes(twin_archive)
    folder = unpack(tmp_path / "one.tar.gz")
    assert folder_sha256(folder) == folder_sha256(twin)
    assert unpack(tmp_path / "two.tgz") == folder
    assert [path.name for path in (cache / "unpacked").iterdir()] == [folder.name]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("no archive", "damaged archive .*; download it again"),
        ("truncated", "damaged archive .*; download it again"),
        ("damaged", "damaged archive .*; download it again"),
        ("climbs out", "'../evil' is outside the archive or not a regular file; not unpacked, get another copy"),
        ("link", "'saved_model.pb' is outside the archive or not a regular file"),
        ("no model", "no saved_model.pb in it or below"),
        ("graph alone", "its variables are missing or damaged"),
    ],
)
def test_a_bad_archive_is_an_error(
    tmp_path: Path, cache: Path, bad_archives: dict[str, bytes], fault: str, message: str
) -> None:
    """Every fault has its message, and nothing is written outside the cache."""
    archive = tmp_path / "model.tar.gz"
    archive.write_bytes(bad_archives[fault])
    with pytest.raises(ModelError, match=message):
        load_source(str(archive))
    assert not list(tmp_path.rglob("evil"))
    assert not list(cache.rglob(".partial-*"))
