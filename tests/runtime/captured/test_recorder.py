"""The recorder: what is kept of real frames, what is dropped while the disk is slow, and the end at the first error."""

from __future__ import annotations

import logging
import random
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from tests.contract.formats import manifest
from tests.full_disk import full_disk
from tests.serving import until

from mixer_edge.bundle import Bundle
from mixer_edge.captured import recorder as module
from mixer_edge.captured.choice import Options
from mixer_edge.captured.recorder import Recorder
from mixer_edge.captured.store import Answered, picture_path, read_captured
from mixer_edge.changes import days_ago
from mixer_edge.classifier import Answering, Category, LinearHead
from mixer_edge.decode import encode_jpeg
from mixer_edge.manifest import UnknownSpec

LABELS = ("cat", "dog")
UNKNOWN = UnknownSpec(measure="logit", threshold=0.0, refused=0.05)
SURE, TIE = np.array([9, 0], np.float32), np.array([9, 8.5], np.float32)
ANSWER = (Category(label="cat", index=0, probability=0.75),)
OPTIONS = Options(share=0, interval_s=0, most_bytes=1_000_000, days=30, seed=0)


@dataclass
class StandIn:
    """Stands in for a classifier of cats and dogs, without a network."""

    answering: Answering
    variant: str = "int8"

    @property
    def bundle(self) -> Bundle:
        """The bundle."""
        return self.answering.bundle


CLASSIFIER = StandIn(
    Answering(
        bundle=Bundle(folder=Path("digits"), manifest=replace(manifest(), unknown=UNKNOWN), labels=LABELS), head=None
    )
)


def recorder(folder: Path, options: Options = OPTIONS, classifier: StandIn = CLASSIFIER) -> Recorder:
    """Return a recorder; every answer is a state."""
    return Recorder(classifier, options, agree=1, folder=folder)  # type: ignore[arg-type]


def outputs(folder: Path) -> list[bytes]:
    """Return the outputs that are kept beside the pictures."""
    database = sqlite3.connect(folder / "captured.sqlite")
    found = [value for (value,) in database.execute("SELECT outputs FROM pictures ORDER BY id")]
    database.close()
    return found


def test_a_frame_is_kept_at_full_size_with_its_own_answer(tmp_path: Path) -> None:
    """Pixels become a JPEG of good quality; the answer is that of the frame alone, not the average."""
    frame = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    with recorder(tmp_path) as running:
        running.add(frame, SURE, ANSWER, none=False)
        running.add(frame, TIE, ANSWER, none=False)
    (found,) = read_captured(tmp_path)
    assert picture_path(tmp_path, found.file).read_bytes() == encode_jpeg(frame)
    assert found.file.endswith(".jpg")
    odds = float(np.exp(0.5))
    assert [(best.label, round(best.probability, 6)) for best in found.answered.categories] == [
        ("cat", round(odds / (1 + odds), 6)),
        ("dog", round(1 / (1 + odds), 6)),
    ]
    assert found.answered == Answered(
        time=found.answered.time,
        reason="tie",
        random=False,
        categories=found.answered.categories,
        none=False,
        bundle="digits",
        fingerprint="1" * 64,
        variant="int8",
        file_sha256="9" * 64,
    )
    assert days_ago(1) < found.answered.time <= days_ago(0)
    assert outputs(tmp_path) == [TIE.tobytes()]
    assert (running.captured, running.dropped) == (1, 0)


def test_a_file_is_kept_as_it_is(tmp_path: Path) -> None:
    """Its bytes and its ending, even if it is removed right after its answer; one that is gone already is dropped."""
    path = tmp_path / "photo.PNG"
    path.write_bytes(b"the file's own bytes")
    folder = tmp_path / "captured"
    with recorder(folder) as running:
        running.add(path, SURE, ANSWER, none=False)
        path.unlink()
        running.add(path, TIE, ANSWER, none=False)
        running.add(b"dog", SURE, (Category(label="dog", index=1, probability=0.75),), none=False)
    (found,) = read_captured(folder)
    assert (found.answered.reason, found.file[-4:]) == ("change", ".png")
    assert picture_path(folder, found.file).read_bytes() == b"the file's own bytes"
    assert (running.captured, running.dropped) == (1, 1)


def test_none_of_the_classes_and_the_features_below_taught_classes(tmp_path: Path) -> None:
    """The outputs are the network's own, so that other heads can be tried on them."""
    head = LinearHead(labels=LABELS, kernel=np.array([[-2.0, -3.0]]), bias=np.zeros(2), unknown=UNKNOWN)
    with recorder(tmp_path, classifier=StandIn(replace(CLASSIFIER.answering, head=head))) as running:
        running.add(b"one", np.array([0.5], np.float32), ANSWER, none=True)
    (found,) = read_captured(tmp_path)
    assert (found.answered.reason, found.answered.none) == ("none", True)
    assert [best.label for best in found.answered.categories] == ["cat", "dog"]
    assert outputs(tmp_path) == [np.array([0.5], np.float32).tobytes()]


def test_without_classes_there_is_no_answer(tmp_path: Path) -> None:
    """A feature extractor on which nothing is taught: the random share, with the features."""
    bundle = replace(CLASSIFIER.bundle, manifest=replace(manifest(), task="embedding", unknown=None), labels=())
    classifier = StandIn(Answering(bundle=bundle, head=None))
    with recorder(tmp_path, replace(OPTIONS, share=1), classifier) as running:
        running.add(b"one", TIE, (), none=False)
    (found,) = read_captured(tmp_path)
    assert (found.answered.reason, found.answered.random, found.answered.categories) == (None, True, ())


@dataclass
class SlowDisk:
    """Stands in for ``keep``: each picture waits until it may be written."""

    begun: threading.Semaphore
    free: threading.Semaphore
    written: list[bytes]

    def keep(self, folder: Path, content: bytes, *_: object, **__: object) -> bool:
        """Write a picture when it may be."""
        self.begun.release()
        self.free.acquire()
        self.written.append(content)
        return True


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowDisk]:
    """A disk on which nothing is written until the test says so."""
    disk = SlowDisk(threading.Semaphore(0), threading.Semaphore(0), [])
    monkeypatch.setattr(module, "keep", disk.keep)
    yield disk
    disk.free.release(10)


def test_a_slow_disk_never_keeps_the_camera_waiting(
    tmp_path: Path, slow: SlowDisk, caplog: pytest.LogCaptureFixture
) -> None:
    """One picture is written and one waits, the others are dropped and counted; the last one is written at the end."""
    caplog.set_level(logging.INFO, "mixer_edge")
    with recorder(tmp_path) as running:
        running.add(b"0", TIE, ANSWER, none=False)
        slow.begun.acquire()
        for number in range(1, 5):
            running.add(b"%d" % number, TIE, ANSWER, none=False)
        assert (running.captured, running.dropped) == (0, 3)
        slow.free.release(2)
    assert slow.written == [b"0", b"1"]
    assert (running.captured, running.dropped) == (2, 3)
    assert caplog.messages == ["captured: 2; dropped, as the disk was slower than they came: 3"]


def test_a_random_picture_takes_the_place_of_an_unsure_one(tmp_path: Path, slow: SlowDisk) -> None:
    """A slow disk must not thin the random share where answers are unsure; of two random ones the first waits on."""
    numbers = random.Random(0)
    assert [numbers.random() < 0.5 for _ in range(5)] == [False, False, True, True, False]
    with recorder(tmp_path, replace(OPTIONS, share=0.5, seed=0)) as running:
        running.add(b"0", TIE, ANSWER, none=False)
        slow.begun.acquire()
        for number in range(1, 5):
            running.add(b"%d" % number, TIE, ANSWER, none=False)
        slow.free.release(2)
    assert slow.written == [b"0", b"2"]
    assert (running.captured, running.dropped) == (2, 3)


def test_a_full_disk_ends_the_capture_and_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What was kept stays; the program goes on, and what it would have kept counts as dropped."""
    with recorder(tmp_path) as running:
        running.add(b"one", TIE, ANSWER, none=False)
        until(lambda: running.captured == 1)
        with full_disk(100_000):
            running.add(bytes(200_000), TIE, ANSWER, none=False)
            until(lambda: running.dropped == 1)
        for _ in range(3):
            running.add(b"two", TIE, ANSWER, none=False)
    assert (running.captured, running.dropped) == (1, 4)
    assert caplog.messages == [
        f"{tmp_path}: cannot be written (File too large); nothing was changed; no more pictures are captured, the "
        "answers go on"
    ]
    assert [picture_path(tmp_path, found.file).read_bytes() for found in read_captured(tmp_path)] == [b"one"]


def test_a_folder_that_cannot_be_made_is_said_at_the_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Before there is any picture to keep."""
    (tmp_path / "file").write_bytes(b"")
    folder = tmp_path / "file" / "captured"
    with recorder(folder) as running:
        until(lambda: caplog.messages)
        running.add(b"one", TIE, ANSWER, none=False)
    assert caplog.messages == [
        f"{folder}: cannot be written (Not a directory); nothing was changed; no more pictures are captured, the "
        "answers go on"
    ]
    assert (running.captured, running.dropped) == (0, 1)


def test_old_pictures_go_at_the_start(tmp_path: Path) -> None:
    """Even if nothing is captured."""
    with recorder(tmp_path) as running:
        running.add(b"one", TIE, ANSWER, none=False)
    with recorder(tmp_path, replace(OPTIONS, days=1)):
        pass
    assert len(read_captured(tmp_path)) == 1
    database = sqlite3.connect(tmp_path / "captured.sqlite", isolation_level=None)
    database.execute("UPDATE pictures SET time = ?", [days_ago(1.001)])
    database.close()
    with recorder(tmp_path, replace(OPTIONS, days=1)):
        pass
    assert read_captured(tmp_path) == []
