"""Files that were sent: kept by content, whole or not at all."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.full_disk import full_disk

from mixer_edge.cache import CACHE_VARIABLE
from mixer_edge.cluster.content import content_key, finish, kept_folder, receive
from mixer_edge.errors import MixerEdgeError

CONTENT = {"a.tflite": b"0123456789", "labels.txt": b""}
FILES = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}
KEY = content_key(FILES)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of what was sent, empty."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache" / "cluster"


def send(sender: str = "client") -> None:
    """Receive both files, the first in two pieces."""
    receive(KEY, sender, "a.tflite", 0, b"0123")
    receive(KEY, sender, "a.tflite", 4, b"456789")
    receive(KEY, sender, "labels.txt", 0, b"")


def test_files_are_kept_by_their_content(cache: Path) -> None:
    """They are there when all have been received, and a second sender changes nothing."""
    assert kept_folder(FILES) is None
    send()
    assert kept_folder(FILES) is None
    for sender in ("client", "another"):
        send(sender)
        finish(KEY, sender, FILES)
        assert kept_folder(FILES) == cache / KEY
    assert {path.name: path.read_bytes() for path in (cache / KEY).iterdir()} == CONTENT
    assert sorted(path.name for path in cache.iterdir()) == sorted([KEY, "lock"])
    lines = f"{FILES['a.tflite']} a.tflite\n{FILES['labels.txt']} labels.txt\n"
    assert hashlib.sha256(lines.encode()).hexdigest() == KEY


def test_several_workers_of_one_machine(cache: Path) -> None:
    """Eight receive the same at once: each finds it whole as soon as it has finished."""

    def one(sender: int) -> Path | None:
        send(str(sender))
        finish(KEY, str(sender), FILES)
        return kept_folder(FILES)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(40))) == [cache / KEY] * 40


def test_a_damaged_file_is_sent_again(cache: Path) -> None:
    """What has changed on disk counts as missing, and is replaced."""
    send()
    finish(KEY, "client", FILES)
    (cache / KEY / "a.tflite").write_bytes(b"012345678X")
    assert kept_folder(FILES) is None
    send()
    finish(KEY, "client", FILES)
    assert kept_folder(FILES) == cache / KEY


def test_what_is_not_what_was_sent_is_refused(cache: Path) -> None:
    """A missing piece, and a file that is not complete; nothing stays."""
    receive(KEY, "client", "a.tflite", 0, b"0123")
    path = cache / f".{KEY}.client.{os.getpid()}" / "a.tflite"
    with pytest.raises(MixerEdgeError) as error:
        receive(KEY, "client", "a.tflite", 5, b"56789")
    assert str(error.value) == f"{path}: 4 bytes are there, expected 5; repeat the command"
    with pytest.raises(MixerEdgeError) as error:
        finish(KEY, "client", FILES)
    found = hashlib.sha256(b"0123").hexdigest()
    assert str(error.value) == f"{path}: sha256 is {found}, expected {FILES['a.tflite']}; repeat the command"
    assert list(cache.iterdir()) == []


def test_a_full_disk(cache: Path) -> None:
    """The message has the path there, and the variable that chooses another folder."""
    path = cache / f".{KEY}.client.{os.getpid()}" / "a.tflite"
    with full_disk(100), pytest.raises(MixerEdgeError) as error:
        receive(KEY, "client", "a.tflite", 0, bytes(1000))
    assert str(error.value) == (
        f"{path}: cannot be written (File too large); make room, or set MIXER_EDGE_CACHE to another folder there"
    )


def test_leftovers_are_removed_when_they_are_old(cache: Path) -> None:
    """What a killed client has left goes after a day; a folder that is being received stays."""
    for age_s, name in ((0, ".new"), (86_500, ".old")):
        (cache / name).mkdir(parents=True)
        now = (cache / name).stat().st_mtime
        os.utime(cache / name, (now - age_s, now - age_s))
    send()
    finish(KEY, "client", FILES)
    assert sorted(path.name for path in cache.iterdir()) == sorted([".new", KEY, "lock"])
