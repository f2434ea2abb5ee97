"""The functions of a worker, called here."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import LABELS
from tests.pictures import write_pictures

from mixer_edge.cache import CACHE_VARIABLE
from mixer_edge.cluster import worker
from mixer_edge.cluster.content import content_key, file_sha256, finish, receive
from mixer_edge.cluster.worker import NotPreparedError, Picture
from mixer_edge.dataset import open_dataset
from mixer_edge.evaluate import Task, evaluate

NAMES = ("float32", "int8")


@pytest.fixture
def task(tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Task:
    """Two variants, whose files are kept in a cache of this test."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(worker, "_jobs", {})
    task = Task(bundle=tiny_bundle, names=NAMES)
    for name in task.files:
        receive(content_key(files(task)), "client", name, 0, (tiny_bundle / name).read_bytes())
    finish(content_key(files(task)), "client", files(task))
    return task


def files(task: Task) -> dict[str, str]:
    """Return the sha256 of each file of the task."""
    return {name: file_sha256(task.folder / name) for name in task.files}


def prepare(task: Task, job: str) -> dict[str, str]:
    """Prepare a job, and return what is said of the golden vectors."""
    worker.hold(job, pickle.dumps(task))
    return worker.prepare(job, files(task))


def test_the_files_of_a_task(tiny_bundle: Path) -> None:
    """What the variants need, and nothing of the others."""
    assert Task(bundle=tiny_bundle, names=("source", *NAMES)).files == (
        "manifest.json",
        "labels.txt",
        "golden.npz",
        "float32.tflite",
        "int8.tflite",
    )


def test_records_are_those_of_the_evaluation(task: Task, tmp_path: Path) -> None:
    """Together in one array, and the others with their reasons."""
    folder = write_pictures(tmp_path / "data", LABELS, 1)
    (folder / "jay" / "broken.png").write_bytes(b"no picture")
    dataset = open_dataset(folder, LABELS)
    assert prepare(task, "job") == {"float32": "bit-equal", "int8": "bit-equal"}
    pictures = [
        Picture(number=number, place=str(image.path), size=image.path.stat().st_size + (number == 3))
        for number, image in enumerate(dataset.images)
    ]
    answer = worker.run("job", 7, tuple(pictures))
    expected = evaluate(task, dataset, workers=1).records
    np.testing.assert_array_equal(answer.records, np.delete(expected, 3))
    size = dataset.images[3].path.stat().st_size
    assert (answer.batch, answer.failed) == (
        7,
        (
            (3, f"{folder}/dog/0000.png: has {size} bytes, expected {size + 1}"),
            (
                10,
                f"{folder}/jay/broken.png: is not a JPEG, PNG, GIF, WebP, TIFF, BMP or PPM picture "
                "(it begins with b'no picture')",
            ),
        ),
    )
    empty = worker.run("job", 8, pictures[10:])
    assert (empty.records, [number for number, _ in empty.failed]) == (None, [10])


def test_an_answer_is_small(task: Task, tmp_path: Path) -> None:
    """Two variants of ten classes: 142 bytes for each picture, and less than a kilobyte beside them."""
    folder = write_pictures(tmp_path / "data", LABELS, 10)
    prepare(task, "job")
    places = [str(path) for path in sorted(folder.glob("*/*.png"))]
    answer = worker.run("job", 1, tuple(Picture(number=n, place=place, size=None) for n, place in enumerate(places)))
    assert 142 * 100 < len(pickle.dumps(answer)) < 142 * 100 + 1000


def test_a_job_that_is_not_prepared(task: Task, tmp_path: Path) -> None:
    """An unknown job, the oldest of three, and a job whose files are gone."""
    for job in ("first", "second", "third"):
        prepare(task, job)
    assert worker.run("second", 1, ()).records is None
    for job in ("first", "unknown"):
        with pytest.raises(NotPreparedError) as error:
            worker.run(job, 1, ())
        assert str(error.value) == "this worker does not know the job any more; repeat the command"
    next((tmp_path / "cache").glob("cluster/*/int8.tflite")).unlink()
    assert not worker.has(files(task))
    with pytest.raises(NotPreparedError) as error:
        prepare(task, "fourth")
    assert str(error.value) == "the files of the job are not kept here any more; repeat the command"


def test_threads_have_their_own_functions(task: Task) -> None:
    """A function that is in use is not given to another thread, and is used again later."""
    prepare(task, "job")
    job = worker._jobs["job"]
    with job.function() as one, job.function() as other:
        assert one is not other
    with job.function() as again:
        assert again in (one, other)


def test_the_worker_imports_neither_dask_nor_tensorflow() -> None:
    """What runs there needs the runtime alone, and other commands do not import it."""
    program = """
import json, sys
import mixer_edge.cluster.worker, mixer_edge.cli
mine = [name for name in sys.modules if name.startswith("mixer_edge.cluster")]
for name in mine: del sys.modules[name]
try: mixer_edge.cli.main(["evaluate", "--help"])
except SystemExit: pass
heavy = {"dask", "distributed", "fsspec", "tensorflow", "mixer_edge_export"}
print()
print(json.dumps([len(mine), sorted(heavy & set(sys.modules) | {name for name in mine if name in sys.modules})]))
"""
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert json.loads(printed.splitlines()[-1]) == [4, []]
