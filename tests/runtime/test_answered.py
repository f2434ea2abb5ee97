"""The record of answered pictures: across runs, kills and mounts, and when it cannot be used."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest

from mixer_edge import answered
from mixer_edge.answered import Answered
from mixer_edge.errors import DataError


def test_what_a_run_recorded_is_there_in_the_next(tmp_path: Path) -> None:
    """Skipped and finished pictures, and one at which the run was stopped; names need not be text."""
    odd = os.fsdecode(b"\xff.png")
    record = Answered(tmp_path / "new/record")
    assert (record.is_new, record.finished, record.begun) == (True, {}, set())
    record.start({"old.png": (1, 2)})
    record.begin(odd, (3, 4))
    record.finish(odd)
    record.begin("stopped.png", (5, 6))
    record.close()
    again = Answered(tmp_path / "new/record")
    assert (again.is_new, again.begun) == (False, {"stopped.png"})
    assert again.finished == {"old.png": (1, 2), odd: (3, 4)}
    again.begin("old.png", (7, 8))
    again.close()
    with closing(Answered(tmp_path / "new/record")) as last:
        assert last.begun == {"stopped.png", "old.png"}


def test_a_record_that_was_never_started_is_new(tmp_path: Path) -> None:
    """A run stopped before it knew which pictures are there."""
    Answered(tmp_path / "record").close()
    with closing(Answered(tmp_path / "record")) as again:
        assert again.is_new


def test_an_empty_file_is_new(tmp_path: Path) -> None:
    """A power cut while the record was created."""
    (tmp_path / "record").touch()
    with closing(Answered(tmp_path / "record")) as record:
        assert record.is_new


def test_an_empty_folder_starts_a_record(tmp_path: Path) -> None:
    """No picture to skip is not the same as no record."""
    record = Answered(tmp_path / "record")
    record.start({})
    record.close()
    with closing(Answered(tmp_path / "record")) as again:
        assert not again.is_new


def test_the_oldest_pictures_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record does not grow for ever."""
    monkeypatch.setattr(answered, "KEEP", 2)
    record = Answered(tmp_path / "record")
    for name in "abcd":
        record.begin(name, (1, 1))
        record.finish(name)
    record.close()
    with closing(Answered(tmp_path / "record")) as again:
        assert list(again.finished) == ["c", "d"]


def test_a_record_in_use(tmp_path: Path) -> None:
    """Two runs would answer the same pictures."""
    path = tmp_path / "record"
    first = Answered(path)
    with pytest.raises(DataError) as error:
        Answered(path)
    assert str(error.value) == f"{path}: the record of pictures cannot be written (another process uses it)"
    first.close()


def test_a_damaged_record(tmp_path: Path) -> None:
    """The message says what to do."""
    path = tmp_path / "record"
    path.write_bytes(b"x" * 4096)
    with pytest.raises(DataError) as error:
        Answered(path)
    assert str(error.value) == (
        f"{path}: the record of pictures cannot be read (file is not a database); remove it or choose another path"
    )


def test_a_record_in_a_file_that_is_no_folder(tmp_path: Path) -> None:
    """It cannot be created there."""
    (tmp_path / "file").touch()
    path = tmp_path / "file/record"
    with pytest.raises(DataError) as error:
        Answered(path)
    assert str(error.value).startswith(f"{path}: the record of pictures cannot be ")
