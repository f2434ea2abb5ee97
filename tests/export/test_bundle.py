"""A bundle's folder is written whole or not at all, whenever the writer is killed, and by one writer at a time."""

import errno
import fcntl
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mixer_edge.errors import BundleError
from mixer_edge_export.bundle import atomic_folder, check_destination

# writes a new bundle over what is there; at the point that argv[2] names it kills itself, or waits
WRITER = """
import os, signal, sys
from pathlib import Path
from mixer_edge_export import bundle

point, exchange, rename, renamed = sys.argv[2], bundle._exchange, Path.rename, []

def reach(place):
    if point == place:
        os.kill(os.getpid(), signal.SIGKILL)

def watched_exchange(one, other):
    if "rename" in point:
        return False  # as where names cannot be exchanged
    reach("before the exchange")
    done = exchange(one, other)
    reach("after the exchange")
    return done

def watched_rename(self, target):
    reach(f"before rename {len(renamed)}")
    renamed.append(target)
    return rename(self, target)

bundle._exchange, Path.rename = watched_exchange, watched_rename
with bundle.atomic_folder(Path(sys.argv[1]), overwrite=True) as folder:
    (folder / "manifest.json").write_text("new")
    reach("in the body")
    if point == "wait":
        print("waiting", flush=True)
        sys.stdin.read()
    (folder / "int8.tflite").write_text("new")
reach("after the end")
"""


def content(folder: Path) -> dict[str, str]:
    """Return the files of a folder by name."""
    return {path.name: path.read_text() for path in folder.iterdir()} if folder.exists() else {}


def write(out: Path, text: str) -> None:
    """Write a bundle of two files with that text over what is there."""
    with atomic_folder(out, overwrite=True) as folder:
        (folder / "manifest.json").write_text(text)
        (folder / "int8.tflite").write_text(text)


@contextmanager
def waiting_writer(out: Path) -> Iterator["subprocess.Popen[str]"]:
    """Yield a process in the midst of writing a bundle to ``out``, which ends when its standard input does."""
    command, pipe = [sys.executable, "-c", WRITER, str(out), "wait"], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        yield process


@pytest.mark.parametrize(
    ("point", "left"),
    [
        ("in the body", "old"),
        ("before the exchange", "old"),
        ("after the exchange", "new"),
        ("before rename 0", "old"),
        ("before rename 1", "none"),
        ("after the end", "new"),
    ],
)
def test_killed_at_any_point_a_bundle_is_left(tmp_path: Path, point: str, left: str) -> None:
    """SIGKILL leaves the old files or the new; between two renames none, and the next export brings the old back."""
    out = tmp_path / "bundle"
    write(out, "old")
    killed = subprocess.run([sys.executable, "-c", WRITER, str(out), point], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert content(out) == ({} if left == "none" else {"manifest.json": left, "int8.tflite": left})
    with pytest.raises(RuntimeError, match="disk"), atomic_folder(out, overwrite=True):
        raise RuntimeError("disk")
    there = "new" if left == "new" else "old"
    assert content(out) == {"manifest.json": there, "int8.tflite": there}
    with atomic_folder(out, overwrite=True) as folder:
        (folder / "manifest.json").write_text("third")
    assert content(out) == {"manifest.json": "third"}
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_the_second_of_two_exports_is_told_whose_turn_it_is(tmp_path: Path) -> None:
    """The command ends in one line with the first one's process, which goes on undisturbed."""
    out = tmp_path / "bundle"
    write(out, "old")
    with waiting_writer(out) as writer:
        command = [sys.executable, "-m", "mixer_edge_export", "export", "--out", str(out), "--overwrite"]
        second = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (second.returncode, second.stdout) == (2, "")
        assert second.stderr == (
            f"error: {out}: process {writer.pid} is exporting to it; wait for it to end, or choose another --out\n"
        )
        assert content(out) == {"manifest.json": "old", "int8.tflite": "old"}
    assert writer.returncode == 0
    assert content(out) == {"manifest.json": "new", "int8.tflite": "new"}
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_killed_export_holds_nobody_up(tmp_path: Path) -> None:
    """The lock goes with its process, whatever file it leaves."""
    out = tmp_path / "bundle"
    with waiting_writer(out) as writer:
        writer.kill()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".bundle.lock", ".bundle.partial"]
    write(out, "new")
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_lock_that_ends_between_opening_and_locking_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file is gone, so that a third export would lock another one: better refused than written twice."""
    lock = tmp_path / ".bundle.lock"
    lock.write_text("12345")
    flock = fcntl.flock
    monkeypatch.setattr(fcntl, "flock", lambda file, how: (lock.unlink(), flock(file, how)))
    with pytest.raises(BundleError, match="process 12345 is exporting to it"):
        write(tmp_path / "bundle", "new")


def test_a_link_to_a_bundle_stays_one(tmp_path: Path) -> None:
    """The bundle that it leads to is replaced."""
    write(tmp_path / "bundle", "old")
    (tmp_path / "latest").symlink_to("bundle")
    write(tmp_path / "latest", "new")
    assert (tmp_path / "latest").readlink() == Path("bundle")
    assert content(tmp_path / "bundle") == {"manifest.json": "new", "int8.tflite": "new"}


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    """A file in the way of the folder is told before any work is done."""
    (tmp_path / "file").touch()
    with pytest.raises(BundleError) as error:
        write(tmp_path / "file" / "bundle", "new")
    assert str(error.value) == (
        f"{tmp_path}/file/bundle: cannot be written to (File exists); choose another folder with --out"
    )


def test_an_error_in_the_body_leaves_the_old_bundle(tmp_path: Path) -> None:
    """An exception passes through, the old files stay and nothing else does."""
    out = tmp_path / "bundle"
    write(out, "old")
    with pytest.raises(RuntimeError, match="disk"), atomic_folder(out, overwrite=True) as folder:
        (folder / "manifest.json").write_text("new")
        raise RuntimeError("disk")
    assert content(out) == {"manifest.json": "old", "int8.tflite": "old"}
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_destination_that_would_lose_something_is_refused(tmp_path: Path) -> None:
    """A bundle needs --overwrite; a folder of other things and a file are never replaced; an empty folder may be."""
    check_destination(tmp_path / "new", overwrite=False)
    check_destination(tmp_path, overwrite=False)
    out = tmp_path / "there"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(BundleError) as error:
            check_destination(out, overwrite=overwrite)
        assert str(error.value) == f"{out}: exists and is not a bundle; choose another folder with --out"
    (out / "manifest.json").write_text("{}")
    with pytest.raises(BundleError) as error:
        check_destination(out, overwrite=False)
    assert str(error.value) == f"{out}: this bundle already exists; add --overwrite to replace it"
    check_destination(out, overwrite=True)


def test_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where files cannot be locked, as on some network drives, nothing is written and one line says why."""

    def no_locks(file: object, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    out = tmp_path / "bundle"
    with pytest.raises(BundleError) as caught, atomic_folder(out):
        pass
    assert str(caught.value) == (
        f"{out}: cannot be written to (its file system cannot lock files: No locks available); "
        "choose another folder with --out"
    )
    assert not out.exists()
