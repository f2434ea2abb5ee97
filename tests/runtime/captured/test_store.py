"""Captured pictures: a ring of a bounded size, with labels."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from tests.collecting import ANSWERED

from mixer_edge.captured.store import (
    Answered,
    Captured,
    keep,
    picture_path,
    read_captured,
    remove,
    remove_older,
    set_label,
)
from mixer_edge.captured.tables import captured_folder

OUTPUTS = np.array([0.5, 0.25], np.float32)


def kept(
    folder: Path, content: bytes, *, answered: Answered = ANSWERED, most_bytes: int = 30, oldest: str = ""
) -> bool:
    """Keep a picture in a ring of so many bytes."""
    return keep(folder, content, "frame.jpg", answered, OUTPUTS, most_bytes=most_bytes, oldest=oldest)


def contents(folder: Path) -> list[bytes]:
    """Return the kept pictures' files, the oldest first, after a look that there are no others."""
    files = [picture_path(folder, found.file) for found in read_captured(folder)]
    assert sorted(files) == sorted((folder / "pictures").iterdir())
    return [file.read_bytes() for file in files]


def test_a_picture_and_its_answer(tmp_path: Path) -> None:
    """What is read is what was kept, and the network's outputs are beside it."""
    assert read_captured(tmp_path) == []
    assert kept(tmp_path, b"one")
    file = hashlib.sha256(b"one").hexdigest() + ".jpg"
    assert read_captured(tmp_path) == [Captured(file=file, bytes=3, answered=ANSWERED, label=None)]
    database = sqlite3.connect(tmp_path / "captured.sqlite")
    assert database.execute("SELECT outputs FROM pictures").fetchall() == [(OUTPUTS.tobytes(),)]
    database.close()


def test_the_same_picture_is_kept_once(tmp_path: Path) -> None:
    """Picked at random later, it belongs to the random share too, and stays there."""
    kept(tmp_path, b"one")
    assert not kept(tmp_path, b"one", answered=replace(ANSWERED, random=True, reason=None))
    assert not kept(tmp_path, b"one")
    assert [found.answered for found in read_captured(tmp_path)] == [replace(ANSWERED, random=True)]
    assert contents(tmp_path) == [b"one"]


def test_the_oldest_make_room(tmp_path: Path) -> None:
    """Those without a label go first."""
    for content in (b"0123456789", b"abcdefghij", b"ABCDEFGHIJ"):
        kept(tmp_path, content)
    assert set_label(tmp_path, read_captured(tmp_path)[0].file, "cat")
    kept(tmp_path, b"!")
    assert contents(tmp_path) == [b"0123456789", b"ABCDEFGHIJ", b"!"]
    kept(tmp_path, b"x" * 25)
    assert contents(tmp_path) == [b"x" * 25]


def test_old_ones_without_a_label_go(tmp_path: Path) -> None:
    """Those from before the time, when another is kept or when asked for; a label keeps a picture."""
    for day in (1, 2, 3, 4):
        kept(tmp_path, b"%d" % day, answered=replace(ANSWERED, time=f"2026-05-0{day}T03:02:01.000Z"))
    assert set_label(tmp_path, read_captured(tmp_path)[0].file, "cat")
    newest = replace(ANSWERED, time="2026-05-05T03:02:01.000Z")
    assert kept(tmp_path, b"5", answered=newest, oldest="2026-05-03T03:02:01.000Z")
    assert contents(tmp_path) == [b"1", b"3", b"4", b"5"]
    assert remove_older(tmp_path, "2026-05-04T03:02:01.001Z") == 2
    assert contents(tmp_path) == [b"1", b"5"]


def test_other_users_see_nothing(tmp_path: Path) -> None:
    """Pictures of a camera are private."""
    folder = tmp_path / "data" / "captured"
    kept(folder, b"one")
    assert [path.stat().st_mode & 0o777 for path in (folder, folder / "pictures", folder / "pending")] == [0o700] * 3


def test_a_kill_leaves_what_was_before_or_after(tmp_path: Path) -> None:
    """Before every call that may write, for every kind of change."""
    command = [sys.executable, str(Path(__file__).with_name("killed.py")), str(tmp_path / "captured")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) > 50


def test_labels_and_removal(tmp_path: Path) -> None:
    """A label can be taken back; what is not there is not counted."""
    kept(tmp_path, b"one")
    (found,) = read_captured(tmp_path)
    assert set_label(tmp_path, found.file, "cat")
    assert read_captured(tmp_path) == [replace(found, label="cat")]
    assert set_label(tmp_path, found.file, None)
    assert read_captured(tmp_path) == [found]
    assert not set_label(tmp_path, "other.jpg", "cat")
    assert remove(tmp_path, [found.file, "other.jpg"]) == 1
    assert contents(tmp_path) == []


def test_the_users_folder(monkeypatch, tmp_path: Path) -> None:
    """It stands beside that of the taught classes, outside the releases."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert captured_folder() == tmp_path / "mixer-edge-captured"
