"""Workers: one network in a separate process, which is stopped between requests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from benchmarks.contestants import Contestant, cached
from benchmarks.inference import Worker, check_equal_work, inference, outputs, workers

from mixer_edge import Classifier
from mixer_edge.preprocess import Preprocessing, load_pixels

PICTURE = Path(__file__).parents[1] / "data/drawn_seven.png"


def members(bundle: Path) -> list[Contestant]:
    """Three files of a bundle on ai-edge-litert."""
    return [
        Contestant(name=name, kind="litert", model=bundle / f"{name}.tflite", lossless=name == "int8")
        for name in ("float32", "float16", "int8")
    ]


@pytest.fixture
def pixels() -> np.ndarray:
    """Two pictures, [2, 64, 64, 3] uint8."""
    picture = load_pixels(PICTURE, Preprocessing().spec(64))
    return np.stack([picture, 255 - picture])


def test_outputs(tiny_bundle: Path, pixels: np.ndarray) -> None:
    """A worker's outputs are those of the runtime's own classifier, for float and for lossless int8 input."""
    with workers({one.name: one.command(1) for one in members(tiny_bundle)}, 1) as running:
        found = outputs(running, pixels)
    for name in ("float32", "int8"):
        with Classifier.load(tiny_bundle, name) as classifier:
            expected = classifier.output(classifier.tensor(PICTURE))
        np.testing.assert_array_equal(found[name][0], expected)
        assert found[name].shape == (2, 10)


def test_stopped_while_it_is_not_its_turn(tiny_bundle: Path, pixels: np.ndarray) -> None:
    """A worker is stopped between its answers, and continues for the next."""
    with workers({"int8": members(tiny_bundle)[2].command(1)}, 1) as running:
        outputs(running, pixels)
        worker = running["int8"]
        status = Path(f"/proc/{worker.pid}/stat")
        for _ in range(2):
            times = worker.ask(run=3)
            assert status.read_text().split(")")[1].split()[0] == "T"
            assert len(times["wall"]) == len(times["cpu"]) == 3
    assert not status.exists()


def test_rows(tiny_bundle: Path, pixels: np.ndarray) -> None:
    """Every contestant has times, its ratio to int8 and its distance from float32."""
    rows = inference(members(tiny_bundle), pixels, threads=1, turns=2)
    assert list(rows) == ["float32", "float16", "int8"]
    assert rows["int8"]["ratio"] == {"median": 1.0, "low": 1.0, "high": 1.0}
    assert rows["float32"]["error"] == 0
    assert 0 < rows["float16"]["error"] < 2e-3 < rows["int8"]["error"]
    assert set(rows["int8"]) == {"wall_ms", "ratio", "cpu_ms", "cpu_ratio", "error"}


def test_unequal_work() -> None:
    """A float tool with other outputs ends the run before anything is timed."""
    found = {"float32": np.array([[4.0, 1.0]]), "Other float32": np.array([[4.0, 1.5]])}
    with pytest.raises(SystemExit) as caught:
        check_equal_work(found, ["float32", "Other float32"])
    assert str(caught.value) == (
        "Other float32 is off by 0.12 of the largest output; float32 tools must agree to 0.001"
    )


def test_worker_that_fails(tmp_path: Path) -> None:
    """A file that cannot be loaded ends the run with the command and the tool's error."""
    (tmp_path / "bad.tflite").write_bytes(b"no model")
    worker = Worker(Contestant(name="bad", kind="litert", model=tmp_path / "bad.tflite").command(1), 1)
    with pytest.raises(SystemExit, match=r"worker.py litert .*bad\.tflite 1 failed:\n(?s:.)*ValueError"):
        worker.ask(run=1)
    worker.close()


def test_cached(tmp_path: Path) -> None:
    """Files are made once per key, and a failure leaves the old ones."""
    made: list[str] = []

    def make(folder: Path, text: str) -> None:
        made.append(text)
        (folder / "file").write_text(text)
        if text == "bad":
            raise ValueError

    for key, text in (("1", "a"), ("1", "b"), ("2", "c")):
        cached(tmp_path / "files", key, lambda folder, text=text: make(folder, text))
    with pytest.raises(ValueError):
        cached(tmp_path / "files", "3", lambda folder: make(folder, "bad"))
    assert made == ["a", "c", "bad"]
    assert (tmp_path / "files" / "file").read_text() == "c"
    assert [path.name for path in tmp_path.iterdir()] == ["files"]
