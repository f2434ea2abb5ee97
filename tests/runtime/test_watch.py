"""New files: once each, when complete, and in order."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mixer_edge.answered import Answered
from mixer_edge.errors import DataError
from mixer_edge.watch import watch_folder


class Steps:
    """Replaces the wait between two checks: runs the next step, and ends the test after the last."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self.steps = iter(steps)

    def __call__(self, interval: float) -> None:
        """Run the next step."""
        next(self.steps)()


def nothing() -> None:
    """Let time pass."""


def landed(folder: Path, *steps: Callable[[], object], existing: bool = False, record: Path | None = None) -> list[str]:
    """Return the names that were yielded until the steps ran out; with a record, each was answered."""
    names = []
    answered = None if record is None else Answered(record)
    with pytest.raises(RuntimeError, match="generator raised StopIteration"):
        for path in watch_folder(folder, existing=existing, answered=answered, wait=Steps(*steps)):
            names.append(path.name)
            if answered is not None:
                answered.finish(path.name)
    if answered is not None:
        answered.close()
    return names


def test_a_file_comes_once_it_stops_growing(tmp_path: Path) -> None:
    """A file written in two parts is yielded after the check that finds it unchanged, and only once."""
    path = tmp_path / "a.jpg"
    assert landed(tmp_path, lambda: path.write_bytes(b"1"), lambda: path.write_bytes(b"12")) == []
    path.unlink()
    steps = (lambda: path.write_bytes(b"1"), lambda: path.write_bytes(b"12"), nothing, nothing, nothing)
    assert landed(tmp_path, *steps) == ["a.jpg"]


def test_what_is_there_already_comes_only_if_asked_for(tmp_path: Path) -> None:
    """They are yielded only with ``existing``; a file that is written again is always yielded."""
    path = tmp_path / "old.png"
    path.write_bytes(b"1")
    assert landed(tmp_path, nothing, nothing) == []
    assert landed(tmp_path, nothing, nothing, existing=True) == ["old.png"]
    assert landed(tmp_path, lambda: path.write_bytes(b"new"), nothing, nothing) == ["old.png"]


def test_hidden_empty_and_other_files_and_folders_are_passed_over(tmp_path: Path) -> None:
    """A file renamed when complete is yielded under its final name."""

    def write() -> None:
        for name in (".hidden.jpg", "a.jpg.part", "notes.txt"):
            (tmp_path / name).write_bytes(b"1")
        (tmp_path / "empty.jpg").touch()
        (tmp_path / "folder.jpg").mkdir()

    def rename() -> None:
        (tmp_path / "a.jpg.part").rename(tmp_path / "a.jpg")

    assert landed(tmp_path, write, nothing, rename, nothing, nothing) == ["a.jpg"]


def test_several_files_come_by_their_modification_time(tmp_path: Path) -> None:
    """Not by name."""

    def write() -> None:
        for age, name in enumerate(("c.jpg", "a.jpg", "b.jpg")):
            (tmp_path / name).write_bytes(b"1")
            os.utime(tmp_path / name, (1000 - age, 1000 - age))

    assert landed(tmp_path, write, nothing, nothing) == ["b.jpg", "a.jpg", "c.jpg"]


def test_a_folder_that_is_not_there_or_goes_is_named(tmp_path: Path) -> None:
    """At the start, and later."""
    with pytest.raises(DataError) as error:
        next(watch_folder(tmp_path / "none"))
    assert str(error.value) == f"{tmp_path / 'none'}: cannot be watched (No such file or directory); expected a folder"
    folder = tmp_path / "going"
    folder.mkdir()
    with pytest.raises(DataError) as error:
        next(watch_folder(folder, wait=Steps(folder.rmdir)))
    assert str(error.value) == f"{folder}: cannot be watched (No such file or directory); expected a folder"


def test_a_file_that_lands_after_the_call_is_new(tmp_path: Path) -> None:
    """The caller may load a network before it takes the first picture."""
    paths = watch_folder(tmp_path, wait=Steps(nothing))
    (tmp_path / "a.jpg").write_bytes(b"1")
    assert next(paths).name == "a.jpg"


def test_with_a_record_the_next_run_goes_on(tmp_path: Path) -> None:
    """Files that land, grow or are replaced between two runs are yielded in the second, and no other."""
    folder, record = tmp_path / "in", tmp_path / "record"
    folder.mkdir()
    for name in ("before.jpg", "grows.jpg"):
        (folder / name).write_bytes(b"1")
    assert landed(folder, lambda: (folder / "a.jpg").write_bytes(b"1"), nothing, nothing, record=record) == ["a.jpg"]
    (folder / "between.jpg").write_bytes(b"1")
    os.utime(folder / "between.jpg", (0, 0))  # by a clock that has not been set yet
    (folder / "grows.jpg").write_bytes(b"12")
    copy = folder / "copy"
    copy.write_bytes(b"1")  # the same picture with another inode, as after a new mount
    times = (folder / "a.jpg").stat()
    os.utime(copy, ns=(times.st_atime_ns, times.st_mtime_ns))
    copy.rename(folder / "a.jpg")
    assert landed(folder, nothing, nothing, record=record) == ["between.jpg", "grows.jpg"]
    assert landed(folder, nothing, nothing, record=record) == []


def test_with_a_record_a_file_that_still_grows_comes_once(tmp_path: Path) -> None:
    """It was being written when the first run was stopped."""
    folder, record = tmp_path / "in", tmp_path / "record"
    folder.mkdir()
    path = folder / "a.jpg"
    assert landed(folder, lambda: path.write_bytes(b"1"), lambda: path.write_bytes(b"12"), record=record) == []
    assert landed(folder, lambda: path.write_bytes(b"123"), nothing, nothing, nothing, record=record) == ["a.jpg"]
