"""What is taught: the same as training anew, each picture once, in one step, and when it cannot be written."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.teaching import EXTRACTOR, FEATURES, contents, draw, sums_and_pictures

from mixer_edge.class_names import NONE
from mixer_edge.confidence import REFUSED, quantile, temperature_of
from mixer_edge.errors import DataError
from mixer_edge.head import Standardized, Statistics, ridge, ridge_left_out
from mixer_edge.kept import database
from mixer_edge.teach import sums
from mixer_edge.teach.state import (
    Lesson,
    Picture,
    add,
    forget_class,
    forget_picture,
    forget_rows,
    list_pictures,
    move,
    read_pictures,
    read_taught,
    undo,
)
from mixer_edge.teach.tables import TAUGHT
from mixer_edge.teach.undo import Bin, Change


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of what is taught, with nothing in it yet."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    return tmp_path / "mixer-edge-taught" / EXTRACTOR.fingerprint


def trained_anew() -> tuple[np.ndarray, np.ndarray, float | None]:
    """Return kernel, bias and threshold for the pictures that are there, computed without the sums."""
    found, numbers, features = sums_and_pictures()
    assert found is not None
    classes = np.searchsorted(found.ids, numbers)
    statistics = Statistics.of(features, classes, len(found.ids))
    standardized = Standardized.of(statistics)
    rows = np.flatnonzero(statistics.counts[classes] > 1)
    if not len(rows):
        return *ridge(standardized, 1.0), None
    kernel, bias, logits = ridge_left_out(standardized, statistics.counts, 1.0, features[rows], classes[rows])
    temperature = temperature_of(logits, classes[rows])
    own = logits[[found.names[index] != NONE for index in classes[rows]]]
    return kernel / temperature, bias / temperature, quantile(own.max(axis=1) / temperature, REFUSED)


def check_head() -> None:
    """Check that the head is that of a new training, to 1e-6."""
    taught = read_taught(EXTRACTOR.folder)
    assert taught is not None
    assert taught.head is not None
    kernel, bias, threshold = trained_anew()
    np.testing.assert_allclose(taught.head.kernel, kernel, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(taught.head.bias, bias, rtol=1e-6, atol=1e-6)
    if threshold is None:
        assert taught.head.unknown is None
    else:
        assert taught.head.unknown is not None
        assert taught.head.unknown.threshold == pytest.approx(threshold, rel=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_any_changes_are_training_anew(seed: int) -> None:
    """Adding, moving and forgetting in any order leaves the head of the pictures that are left."""
    rng = np.random.default_rng(seed)
    add(EXTRACTOR, "a", [draw(1), draw(2)])
    add(EXTRACTOR, NONE, [draw(3, 2)])
    check_head()
    for number in range(12):
        numbers = rng.choice(100, 4, replace=False) + 10
        label = ("a", "b", "c", NONE)[rng.integers(4)]
        add(EXTRACTOR, label, [draw(int(picture), len(label) + rng.integers(2)) for picture in numbers])
        forget_picture(EXTRACTOR.folder, digest=draw(int(rng.integers(10, 110))).digest)
        if number % 5 == 4:
            forget_class(EXTRACTOR.folder, "b")
        check_head()


def test_the_sums_do_not_drift() -> None:
    """Of 60 pictures with features around a million, two small ones are left: their head is that of a new training."""
    add(EXTRACTOR, "a", [draw(1)])
    add(EXTRACTOR, "b", [draw(2)])
    for start in (100, 120, 140):
        add(EXTRACTOR, "a", [draw(number, 1e6) for number in range(start, start + 20)])
    for number in range(100, 160):
        forget_picture(EXTRACTOR.folder, digest=draw(number).digest)
    check_head()
    found, _, _ = sums_and_pictures()
    assert found is not None
    assert found.removed == 0
    np.testing.assert_allclose(found.statistics.sums, [draw(1).features, draw(2).features])


def test_the_same_pixels_count_once() -> None:
    """Taught again it is known, in another class it moves; a class that lost its last picture is gone."""
    assert add(EXTRACTOR, "a", [draw(1), draw(2), draw(1)]) == Lesson(added=("1.png", "2.png"), known=("1.png",))
    assert add(EXTRACTOR, "b", [draw(2), draw(3)]) == Lesson(added=("3.png",), moved=(("2.png", "a"),))
    assert add(EXTRACTOR, "b", [draw(1)]) == Lesson(moved=(("1.png", "a"),))
    taught = read_taught(EXTRACTOR.folder)
    assert taught is not None
    assert taught.counts == {"b": 3}
    assert taught.head is None
    assert [path.read_bytes() for _, path in read_pictures(EXTRACTOR.folder)] == [
        b"picture 1",
        b"picture 2",
        b"picture 3",
    ]


def test_one_picture_of_each_class() -> None:
    """Nothing can be left out: the probabilities are as they come, and every picture gets a class."""
    add(EXTRACTOR, "a", [draw(1)])
    add(EXTRACTOR, "b", [draw(2)])
    taught = read_taught(EXTRACTOR.folder)
    assert taught is not None
    assert taught.head is not None
    assert (taught.head.labels, taught.head.unknown) == (("a", "b"), None)
    check_head()


def test_forgetting_everything_leaves_nothing(folder: Path) -> None:
    """No file is kept, and teaching starts again, on another file of the extractor too."""
    add(EXTRACTOR, "a", [draw(1), draw(2)])
    assert forget_class(EXTRACTOR.folder, "b") == 0
    assert forget_picture(EXTRACTOR.folder, digest="0" * 64) == 0
    assert forget_class(EXTRACTOR.folder, "a") == 2
    assert read_taught(EXTRACTOR.folder) is None
    assert [list((folder / name).iterdir()) for name in ("pictures", "pending")] == [[], []]


def test_moving_and_undoing_are_training_anew(folder: Path) -> None:
    """After each the head is that of the pictures as they are then; an undone change is as if it had not been."""
    kept = Bin(folder)
    first = add(EXTRACTOR, "a", [draw(1), draw(2), draw(3)]).change
    add(EXTRACTOR, "b", [draw(4, 2), draw(5, 2)])
    files = {name: file for file, name in list_pictures(folder, "a") + list_pictures(folder, "b")}
    before = contents()
    moved = move(EXTRACTOR, files["1.png"], "b")
    assert moved == Change(moved=((files["1.png"], "a"),))
    assert contents() == before | {"1.png": "b"}
    check_head()
    assert undo(EXTRACTOR, moved, kept) == 1
    assert contents() == before
    check_head()
    forgotten = forget_rows(folder, "classes.name", "a", kept)
    assert [picture.name for picture in forgotten.removed] == ["1.png", "2.png", "3.png"]
    assert contents() == {"4.png": "b", "5.png": "b"}
    assert undo(EXTRACTOR, forgotten, kept) == 3
    assert contents() == before
    assert sorted(path.read_bytes() for _, path in read_pictures(folder)) == [b"picture %d" % n for n in range(1, 6)]
    check_head()
    added = add(EXTRACTOR, "b", [draw(6, 2), draw(1)]).change
    assert contents() == before | {"1.png": "b", "6.png": "b"}
    forget_picture(folder, file=files["4.png"])
    assert undo(EXTRACTOR, added, kept) == 2
    assert contents() == {name: label for name, label in before.items() if name != "4.png"}
    check_head()
    assert move(EXTRACTOR, files["4.png"], "a") is None
    assert move(EXTRACTOR, files["5.png"], "b") == Change()
    assert undo(EXTRACTOR, first, kept) == 3
    assert contents() == {"5.png": "b"}


def test_what_cannot_come_back(folder: Path) -> None:
    """A file that somebody removed from where undo keeps it is one line, and nothing is changed."""
    kept = Bin(folder)
    add(EXTRACTOR, "a", [draw(1), draw(2)])
    forgotten = forget_rows(folder, "classes.name", "a", kept)
    lost = folder / "undo" / forgotten.removed[1].file
    lost.unlink()
    with pytest.raises(DataError) as caught:
        undo(EXTRACTOR, forgotten, kept)
    message = f"{lost}: cannot be read (No such file or directory); it cannot come back, teach it again"
    assert str(caught.value) == message
    assert contents() == {}
    kept.empty(but=[forgotten.removed[0].file])
    assert [path.name for path in (folder / "undo").iterdir()] == [forgotten.removed[0].file]
    kept.empty()
    assert not (folder / "undo").exists()


def test_temperature_and_threshold_are_of_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pictures with the smallest digests, of classes with more than one: the order of teaching does not matter."""
    monkeypatch.setattr(sums, "SAMPLE", 5)
    heads = []
    for order in ((1, 2, 3, 4, 5, 6, 7, 8), (8, 6, 4, 2, 7, 5, 3, 1)):
        for number in (*order, 99):
            add(EXTRACTOR, "odd" if number % 2 else "even", [draw(number, number % 2)])
        add(EXTRACTOR, "single", [draw(200)])
        taught = read_taught(EXTRACTOR.folder)
        assert taught is not None
        heads.append(taught.head)
        for label in ("odd", "even", "single"):
            forget_class(EXTRACTOR.folder, label)
    first, second = heads
    assert first is not None
    assert second is not None
    assert first.labels == ("odd", "even", "single")
    assert second.labels == ("even", "odd", "single")
    np.testing.assert_allclose(first.kernel, second.kernel[:, [1, 0, 2]], rtol=1e-6, atol=1e-9)
    assert first.unknown is not None
    assert second.unknown is not None
    assert first.unknown.threshold == pytest.approx(second.unknown.threshold, rel=1e-6)
    assert first.unknown.refused == 0


def test_a_kill_leaves_what_was_before_or_after(tmp_path: Path) -> None:
    """Before every call that may write, for every kind of change, and 20 times at random."""
    command = [sys.executable, str(Path(__file__).with_name("killed.py")), "20", "0"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert result.returncode == 0, result.stderr
    at_calls, at_random = map(int, result.stdout.split())
    assert at_calls > 100
    assert at_random == 20


def test_two_processes_wait_for_each_other(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that writes for too long is an error for the other, in one line; reading does not wait."""
    add(EXTRACTOR, "a", [draw(1)])
    monkeypatch.setattr(database, "WAIT_S", 0.2)
    with TAUGHT.writing(folder):
        assert contents() == {"1.png": "a"}
        with pytest.raises(DataError) as error:
            add(EXTRACTOR, "a", [draw(2)])
    assert str(error.value) == (
        f"{folder}: another process has been writing there for 0.2 s; wait for it and try again"
    )
    add(EXTRACTOR, "a", [draw(2)])
    assert contents() == {"1.png": "a", "2.png": "a"}


def test_two_processes_at_once_lose_nothing(tmp_path: Path) -> None:
    """Both teach ten pictures, one by one."""
    program = (
        "import sys\nfrom tests.teaching import EXTRACTOR, draw\nfrom mixer_edge.teach.state import add\n"
        "start = int(sys.argv[1])\n"
        "for number in range(start, start + 10): add(EXTRACTOR, sys.argv[2], [draw(number)])"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen([sys.executable, "-c", program, start, label], env=environment)
        for start, label in (("0", "a"), ("10", "b"))
    ]
    assert [process.wait() for process in processes] == [0, 0]
    assert contents() == {f"{number}.png": "a" if number < 10 else "b" for number in range(20)}
    check_head()


@pytest.mark.parametrize(
    ("pictures", "place", "reason"),
    [
        ([draw(number) for number in range(4, 104)], "/taught.sqlite", "disk I/O error"),
        ([replace(draw(4), content=bytes(100_000))], "", "File too large"),
    ],
    ids=["database", "picture"],
)
def test_a_full_disk_loses_nothing(folder: Path, pictures: list[Picture], place: str, reason: str) -> None:
    """The database or a picture cannot be written, here for a limit: one line, and what was there is still there."""
    add(EXTRACTOR, "a", [draw(1), draw(2)])
    add(EXTRACTOR, "b", [draw(3)])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(DataError) as error:
            add(EXTRACTOR, "c", pictures)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert str(error.value) == f"{folder}{place}: cannot be written ({reason}); nothing was changed"
    assert contents() == {"1.png": "a", "2.png": "a", "3.png": "b"}
    check_head()
    add(EXTRACTOR, "c", [draw(4)])
    check_head()
    assert len(list((folder / "pictures").iterdir())) == 4


def test_a_newer_database(folder: Path) -> None:
    """It is neither read nor written."""
    add(EXTRACTOR, "a", [draw(1)])
    with sqlite3.connect(folder / "taught.sqlite") as connection:
        connection.execute("PRAGMA user_version = 3")
    connection.close()
    for use in (lambda: read_taught(folder), lambda: add(EXTRACTOR, "a", [draw(2)])):
        with pytest.raises(DataError) as error:
            use()
        assert str(error.value) == (
            f"{folder}/taught.sqlite: version 3, expected 2; written by a newer mixer-edge; upgrade this one"
        )


@pytest.mark.parametrize("first", ["read", "write"])
def test_an_older_database(folder: Path, first: str) -> None:
    """The tables of version 1 had all pictures in the sums; reading and writing upgrade them."""
    add(EXTRACTOR, "a", [draw(1), draw(2)])
    with sqlite3.connect(folder / "taught.sqlite") as connection:
        connection.execute("DROP TABLE unsummed")
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    if first == "read":
        assert contents() == {"1.png": "a", "2.png": "a"}
    add(EXTRACTOR, "b", [draw(3)])
    assert contents() == {"1.png": "a", "2.png": "a", "3.png": "b"}
    check_head()


def test_a_damaged_database(folder: Path) -> None:
    """The message says what to do."""
    add(EXTRACTOR, "a", [draw(1)])
    (folder / "taught.sqlite").write_bytes(b"x" * 4096)
    for use in (lambda: read_taught(folder), lambda: add(EXTRACTOR, "a", [draw(2)])):
        with pytest.raises(DataError) as error:
            use()
        assert str(error.value) == (
            f"{folder}/taught.sqlite: damaged (file is not a database); move the folder away and teach its pictures "
            "again"
        )


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its place is taken by a file."""
    (tmp_path / "mixer-edge-taught").touch()
    with pytest.raises(DataError) as error:
        add(EXTRACTOR, "a", [draw(1)])
    assert str(error.value) == (f"{EXTRACTOR.folder}: cannot be written (Not a directory); nothing was changed")


def test_an_empty_database_is_new(folder: Path) -> None:
    """A stop in the first moment."""
    folder.mkdir(parents=True)
    (folder / "taught.sqlite").touch()
    assert read_taught(folder) is None
    add(EXTRACTOR, "a", [draw(1)])
    assert contents() == {"1.png": "a"}
    assert len(draw(1).features) == FEATURES
