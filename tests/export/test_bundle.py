"""A bundle's folder is written whole or not at all, whenever the writer is killed."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mixer_edge.errors import BundleError
from mixer_edge_export.bundle import atomic_folder, check_destination

# writes a new bundle over an old one and kills itself at the point that argv[2] names
WRITER = """
import os, signal, sys
from pathlib import Path
from mixer_edge_export.bundle import atomic_folder

def kill():
    os.kill(os.getpid(), signal.SIGKILL)

point, renames = sys.argv[2], []
rename = Path.rename
def counting_rename(self, target):
    if point == f"before rename {len(renames)}":
        kill()
    renames.append(target)
    return rename(self, target)
Path.rename = counting_rename
with atomic_folder(Path(sys.argv[1])) as folder:
    (folder / "manifest.json").write_text("new")
    if point == "in the body":
        kill()
    (folder / "int8.tflite").write_text("new")
if point == "after the end":
    kill()
"""


def content(folder: Path) -> dict[str, str]:
    """Return the files of a folder by name."""
    return {path.name: path.read_text() for path in folder.iterdir()} if folder.exists() else {}


@pytest.mark.parametrize(
    ("point", "left"),
    [("in the body", "old"), ("before rename 0", "old"), ("before rename 1", "none"), ("after the end", "new")],
)
def test_killed_at_any_point_the_old_bundle_or_none_is_left(tmp_path: Path, point: str, left: str) -> None:
    """SIGKILL leaves the old files, no folder, or the new files; the next export succeeds and clears what lay about."""
    out = tmp_path / "bundle"
    with atomic_folder(out) as folder:
        (folder / "manifest.json").write_text("old")
        (folder / "int8.tflite").write_text("old")
    killed = subprocess.run([sys.executable, "-c", WRITER, str(out), point], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert content(out) == ({} if left == "none" else {"manifest.json": left, "int8.tflite": left})
    with atomic_folder(out) as folder:
        (folder / "manifest.json").write_text("third")
    assert content(out) == {"manifest.json": "third"}
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_an_error_in_the_body_leaves_the_old_bundle(tmp_path: Path) -> None:
    """An exception passes through, the old files stay and nothing else does."""
    out = tmp_path / "bundle"
    with atomic_folder(out) as folder:
        (folder / "manifest.json").write_text("old")
    with pytest.raises(RuntimeError, match="disk"), atomic_folder(out) as folder:
        (folder / "manifest.json").write_text("new")
        raise RuntimeError("disk")
    assert content(out) == {"manifest.json": "old"}
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
        assert str(error.value) == f"{out}: exists and is no bundle; choose another folder with --out"
    (out / "manifest.json").write_text("{}")
    with pytest.raises(BundleError) as error:
        check_destination(out, overwrite=False)
    assert str(error.value) == f"{out}: a bundle is there already; add --overwrite to replace it"
    check_destination(out, overwrite=True)
