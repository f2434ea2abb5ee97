"""A bundle's folder is written whole or not at all, whenever the writer is killed, and by one writer at a time."""

import errno
import fcntl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

import pytest

from mixer_edge.errors import BundleError
from mixer_edge_export.bundle import atomic_folder, check_destination

# Writes a bundle to 1/bundle, 2/bundle and so on, each in a process that kills itself: at the first event that Python
# tells its audit hooks, at the second, and on to the process that lives; prints how many they were.
KILLED_WRITERS = """
import itertools, os, signal, sys
from pathlib import Path
from mixer_edge_export.bundle import atomic_folder

folder, old, exchange = Path(sys.argv[1]), "old" in sys.argv, "exchange" in sys.argv
remaining = None

def hook(event, arguments):
    global remaining
    if remaining is not None:
        remaining -= 1
        if remaining == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        if event == "ctypes.dlsym" and not exchange:
            raise AttributeError("as where the system has no call that exchanges two names")

def write(folder, text):
    for name in ("manifest.json", "int8.tflite"):
        (folder / name).write_text(text)

sys.addaudithook(hook)
for number in itertools.count(1):
    out = folder / str(number) / "bundle"
    if old:
        out.mkdir(parents=True)
        write(out, "old")
    if (process := os.fork()) == 0:
        remaining = number
        with atomic_folder(out, overwrite=True) as partial:
            write(partial, "new")
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) != -signal.SIGKILL:
        print(number)
        break
"""

# writes a bundle of one file, and the other file once standard input ends
WAITING_WRITER = """
import sys
from pathlib import Path
from mixer_edge_export.bundle import atomic_folder

with atomic_folder(Path(sys.argv[1]), overwrite=True) as folder:
    (folder / "manifest.json").write_text("new")
    print("waiting", flush=True)
    sys.stdin.read()
    (folder / "int8.tflite").write_text("new")
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
    command, pipe = [sys.executable, "-c", WAITING_WRITER, str(out)], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        yield process


@pytest.mark.parametrize(
    ("given", "states"),
    [
        (["old", "exchange"], ["old", "new"]),
        (["old"], ["old", None, "new"]),
        (["exchange"], [None, "new"]),
    ],
    ids=["exchanged", "renamed", "first"],
)
def test_killed_at_any_point_a_bundle_is_left(tmp_path: Path, given: list[str], states: list[str | None]) -> None:
    """SIGKILL leaves the old files or the new; between two renames none, and the next export brings the old back."""
    command = [sys.executable, "-c", KILLED_WRITERS, str(tmp_path), *given]
    count = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    bundles = [tmp_path / str(number) / "bundle" for number in range(1, count + 1)]
    whole = {None: {}} | {text: {"manifest.json": text, "int8.tflite": text} for text in ("old", "new")}
    found = [next(text for text, files in whole.items() if content(bundle) == files) for bundle in bundles]
    assert [text for text, _ in groupby(found)] == states
    assert "old" not in given or found.count(None) == states.count(None)
    for bundle, text in zip(bundles, found, strict=True):
        there = "old" if text is None and "old" in given else text
        with pytest.raises(RuntimeError, match="disk"), atomic_folder(bundle, overwrite=True):
            raise RuntimeError("disk")
        assert content(bundle) == whole[there]
        assert [path.name for path in bundle.parent.iterdir()] == ["bundle"] * (there is not None)


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
    with pytest.raises(BundleError) as error:
        write(tmp_path / "bundle", "new")
    assert str(error.value) == (
        f"{tmp_path}/bundle: process 12345 is exporting to it; wait for it to end, or choose another --out"
    )


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
