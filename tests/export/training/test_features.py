"""The features: what they are, what is computed again, and what a killed run leaves behind."""

from __future__ import annotations

import fcntl
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.full_disk import full_disk
from tests.pictures import write_pictures

import mixer_edge.workers
from mixer_edge.cache import CACHE_VARIABLE
from mixer_edge.classifier import Classifier
from mixer_edge.decode import grey_thumbnail, time_taken
from mixer_edge.errors import DataError, MixerEdgeError
from mixer_edge.nearly_equal import THUMBNAIL
from mixer_edge.preprocess import load_pixels, pixels_sha256
from mixer_edge_export.training.features import Extractor, Features, extract
from mixer_edge_export.training.pictures import read_pictures

RECORD = 32 + 4 * 32
"""Bytes of a record: the digest and 32 features."""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The empty folder of stored features, for this test alone."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


def same(one: Features, other: Features) -> bool:
    """Return whether everything is equal, to the bit."""
    arrays = all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("values", "thumbnails", "rows"))
    return arrays and (one.digests, one.taken, one.unreadable) == (other.digests, other.taken, other.unreadable)


def records(cache: Path) -> int:
    """Return how many records there are in the one file of stored features."""
    (path,) = cache.iterdir()
    content = path.read_bytes()
    head = content.index(b"\n") + 1
    assert (len(content) - head) % RECORD == 0
    return (len(content) - head) // RECORD


@pytest.mark.usefixtures("cache")
def test_features_are_what_the_board_computes(extractor: Extractor, tiny_features: Path, tmp_path: Path) -> None:
    """Bit for bit the output of the classifier for each picture, with its digest, thumbnail and time."""
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2026:05:04 03:02:01"
    folder = write_pictures(tmp_path / "data", ("cat", "dog"), 2)
    Image.new("RGB", (80, 60), (200, 100, 50)).save(folder / "dog" / "photo.jpg", exif=exif)
    pictures = read_pictures(folder)
    features = extract(pictures, extractor)
    with Classifier.load(tiny_features, "float32", threads=1) as classifier:
        np.testing.assert_array_equal(features.values, np.stack([classifier.embed(path) for path in pictures.paths]))
    pixels = [load_pixels(path, extractor.spec) for path in pictures.paths]
    assert features.digests == tuple(map(pixels_sha256, pixels))
    np.testing.assert_array_equal(features.thumbnails, np.stack([grey_thumbnail(one, THUMBNAIL) for one in pixels]))
    assert features.taken == (None, None, None, None, time_taken(folder / "dog" / "photo.jpg"))
    assert (features.rows.tolist(), features.unreadable) == ([0, 1, 2, 3, 4], ())


def test_only_new_pictures_are_computed(extractor: Extractor, cache: Path, tmp_path: Path) -> None:
    """With ten more, ten records are added; a renamed picture and a copy add none, another extractor its own file."""
    folder = write_pictures(tmp_path / "data", ("cat", "dog"), 10)
    before = extract(read_pictures(folder), extractor)
    assert records(cache) == 20
    write_pictures(folder, ("fox",), 10, seed=1)
    after = extract(read_pictures(folder), extractor)
    assert records(cache) == 30
    np.testing.assert_array_equal(after.values[:20], before.values)
    (folder / "cat" / "0000.png").rename(folder / "cat" / "renamed.png")
    Image.open(folder / "dog" / "0000.png").save(folder / "dog" / "copy.bmp")
    again = extract(read_pictures(folder), extractor)
    assert records(cache) == 30
    np.testing.assert_array_equal(again.values[9], before.values[0])
    np.testing.assert_array_equal(again.values[20], before.values[10])
    extract(read_pictures(folder), replace(extractor, fingerprint="another"))
    assert len(list(cache.iterdir())) == 2


def test_stored_features_are_used(extractor: Extractor, cache: Path, tmp_path: Path) -> None:
    """Features changed in the file come back changed: nothing is computed again."""
    pictures = read_pictures(write_pictures(tmp_path / "data", ("cat", "dog"), 2))
    extract(pictures, extractor)
    (path,) = cache.iterdir()
    content = path.read_bytes()
    path.write_bytes(content[:-4] + np.float32(123).tobytes())
    assert extract(pictures, extractor).values[3, 31] == 123


@pytest.mark.usefixtures("cache")
def test_the_number_of_processes_does_not_matter(
    extractor: Extractor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Computed by three processes, everything is the same, in the same order."""
    folder = write_pictures(tmp_path / "data", ("cat", "dog"), 20)
    (folder / "dog" / "broken.png").write_bytes(b"no picture")
    pictures = read_pictures(folder)
    alone = extract(pictures, extractor, workers=1)
    monkeypatch.setattr(mixer_edge.workers, "SINGLE_PROCESS_S", 0.0)
    assert same(extract(pictures, replace(extractor, fingerprint="computed again"), workers=3), alone)


@pytest.mark.usefixtures("cache")
def test_pictures_that_cannot_be_read(extractor: Extractor, tmp_path: Path) -> None:
    """They are listed and left out; a class that keeps fewer than two is an error."""
    folder = write_pictures(tmp_path / "data", ("cat", "dog"), 3)
    (folder / "cat" / "0001.png").write_bytes(b"")
    features = extract(read_pictures(folder), extractor)
    assert features.unreadable == (f"{folder}/cat/0001.png: is empty, expected a picture",)
    assert features.rows.tolist() == [0, 2, 3, 4, 5]
    assert (len(features.values), len(features.thumbnails), len(features.digests)) == (5, 5, 5)
    (folder / "cat" / "0000.png").write_bytes(b"")
    with pytest.raises(DataError) as error:
        extract(read_pictures(folder), extractor)
    assert str(error.value) == (
        f"{folder}: only 1 of 3 pictures of 'cat' can be read, expected at least 2; the first of 2 errors: "
        f"{folder}/cat/0000.png: is empty, expected a picture"
    )


def test_a_killed_run_goes_on_where_it_stopped(extractor: Extractor, cache: Path, tmp_path: Path) -> None:
    """After SIGKILL in the middle, what was stored stays as it is, and only the rest is added."""
    folder = write_pictures(tmp_path / "data", ("cat", "dog"), 500)
    script = tmp_path / "run.py"
    script.write_text(
        "from pathlib import Path\n"
        "from mixer_edge.manifest import PreprocessSpec\n"
        "from mixer_edge_export.training.features import Extractor, extract\n"
        "from mixer_edge_export.training.pictures import read_pictures\n"
        "if __name__ == '__main__':\n"
        f"    extractor = Extractor(file=Path({str(extractor.file)!r}), fingerprint={extractor.fingerprint!r},\n"
        f"                          spec={extractor.spec!r})\n"
        f"    extract(read_pictures(Path({str(folder)!r})), extractor, workers=1)\n"
    )
    killed = subprocess.Popen([sys.executable, str(script)])
    while not (files := list(cache.glob("*"))) or files[0].stat().st_size < 200 * RECORD:
        assert killed.poll() is None, "it ended before it could be killed"
        time.sleep(0.002)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    stored = files[0].read_bytes()
    features = extract(read_pictures(folder), extractor)
    whole = len(stored) - (len(stored) - stored.index(b"\n") - 1) % RECORD
    assert files[0].read_bytes()[:whole] == stored[:whole]
    assert whole < 1000 * RECORD
    assert records(cache) == 1000
    assert same(features, extract(read_pictures(folder), replace(extractor, fingerprint="in one go")))


def test_a_cache_that_cannot_be_written(extractor: Extractor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the folder and the variable that chooses another."""
    pictures = read_pictures(write_pictures(tmp_path / "data", ("cat", "dog"), 2))
    (tmp_path / "file").touch()
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "file"))
    with pytest.raises(MixerEdgeError) as error:
        extract(pictures, extractor)
    assert str(error.value) == (
        f"{tmp_path}/file/features: cannot be created (Not a directory); set MIXER_EDGE_CACHE to a folder for the cache"
    )


def test_two_runs_at_once(extractor: Extractor, cache: Path, tmp_path: Path) -> None:
    """The second is told to wait."""
    pictures = read_pictures(write_pictures(tmp_path / "data", ("cat", "dog"), 2))
    extract(pictures, extractor)
    (path,) = cache.iterdir()
    with path.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(DataError) as error:
            extract(pictures, extractor)
    assert str(error.value) == f"{path}: another training with the same extractor is writing to it; wait for it"


def test_a_full_disk(extractor: Extractor, cache: Path, tmp_path: Path) -> None:
    """The stored features stay whole, and the next run computes the others."""
    pictures = read_pictures(write_pictures(tmp_path / "data", ("cat", "dog"), 4))
    extract(pictures, extractor)
    (path,) = cache.iterdir()
    head = len(path.read_bytes()) - 8 * RECORD
    path.unlink()
    with full_disk(head + 3 * RECORD + 100), pytest.raises(DataError) as error:
        extract(pictures, extractor)
    assert str(error.value) == (
        f"{path}: cannot be written (File too large); make room or set MIXER_EDGE_CACHE to another folder, and run "
        "again"
    )
    assert records(cache) == 3
    extract(pictures, extractor)
    assert records(cache) == 8
