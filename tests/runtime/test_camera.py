"""Frames from every source, the newest frame of a live one, and smoothed labels."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

from mixer_edge import camera as camera_module
from mixer_edge.bundle import Bundle
from mixer_edge.camera import LatestFrame, classify_frames, open_frames
from mixer_edge.classifier import Classifier, LinearHead
from mixer_edge.errors import DataError
from mixer_edge.manifest import UnknownSpec
from mixer_edge.metrics import softmax, unknown_score

RED_GREEN_BLUE = np.array([[[10, 20, 30]]], np.uint8)


class FakePicamera2:
    """Stands in for the Pi's camera: three frames in memory order red, green, blue."""

    log: ClassVar[list[Any]] = []

    def create_video_configuration(self, main: dict[str, Any]) -> dict[str, Any]:
        """Keep what was asked for."""
        return main

    def configure(self, configuration: dict[str, Any]) -> None:
        """Keep what was asked for."""
        self.log.append(configuration)

    def start(self) -> None:
        """Note the call."""
        self.log.append("start")

    def capture_array(self, stream: str) -> np.ndarray:
        """Return the only frame."""
        assert stream == "main"
        return RED_GREEN_BLUE

    def close(self) -> None:
        """Note the call."""
        self.log.append("close")


class FakeCapture:
    """Stands in for OpenCV's VideoCapture: two frames blue, green, red."""

    def __init__(self, source: int | str) -> None:
        self.source, self.left, self.settings, self.released = source, 2, {}, False
        captures.append(self)

    settings: dict[int, int]

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        """Return whether there is such a camera."""
        return self.source != 9

    def set(self, key: int, value: int) -> None:
        """Keep the setting."""
        self.settings[key] = value

    def read(self) -> tuple[bool, np.ndarray | None]:
        """Return the next frame."""
        self.left -= 1
        return (True, RED_GREEN_BLUE[:, :, ::-1]) if self.left >= 0 else (False, None)

    def release(self) -> None:
        """Note the call."""
        self.released = True


captures: list[FakeCapture] = []


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both camera packages, as fakes."""
    picamera2, cv2 = ModuleType("picamera2"), ModuleType("cv2")
    FakePicamera2.log.clear()
    captures.clear()
    picamera2.Picamera2 = FakePicamera2  # type: ignore[attr-defined]
    cv2.VideoCapture = FakeCapture  # type: ignore[attr-defined]
    cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT = 3, 4  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "picamera2", picamera2)
    monkeypatch.setitem(sys.modules, "cv2", cv2)


def test_the_pi_camera_gives_rgb_and_is_closed(modules: None) -> None:
    """Asked for the size and for BGR888, whose arrays are RGB."""
    frames, live = open_frames("picamera2", (320, 240))
    np.testing.assert_array_equal(next(frames), RED_GREEN_BLUE)
    frames.close()  # type: ignore[attr-defined]
    assert live
    assert FakePicamera2.log == [{"size": (320, 240), "format": "BGR888"}, "start", "close"]


@pytest.mark.parametrize(("source", "opened"), [("0", 0), ("/dev/video2", "/dev/video2")])
def test_a_v4l2_camera_gives_rgb_and_is_released(modules: None, source: str, opened: int | str) -> None:
    """OpenCV's blue, green, red is turned; the size is asked for; a camera that is unplugged is an error."""
    frames, live = open_frames(source, (320, 240))
    for _ in range(2):
        np.testing.assert_array_equal(next(frames), RED_GREEN_BLUE)
    with pytest.raises(DataError) as error:
        next(frames)
    assert str(error.value) == f"{source}: the camera gives no more frames; is it still connected?"
    (capture,) = captures
    assert (live, capture.source, capture.settings, capture.released) == (True, opened, {3: 320, 4: 240}, True)


def test_a_video_file_is_read_whole(modules: None, tmp_path: Path) -> None:
    """A video is not live: each frame is used, at its own size."""
    path = tmp_path / "film.mp4"
    path.write_bytes(b"film")
    frames, live = open_frames(str(path))
    assert len(list(frames)) == 2
    assert (live, captures[0].settings) == (False, {})


def test_a_folder_and_an_animation_are_read_in_order(tmp_path: Path) -> None:
    """By name, and frame by frame."""
    shades = [Image.new("RGB", (2, 2), shade) for shade in ((255, 0, 0), (0, 0, 255))]
    for name, image in zip(("b.png", "a.png"), shades, strict=True):
        image.save(tmp_path / name)
    frames, live = open_frames(str(tmp_path))
    assert (list(frames), live) == ([tmp_path / "a.png", tmp_path / "b.png"], False)
    shades[0].save(tmp_path / "c.gif", save_all=True, append_images=shades[1:])
    frames, live = open_frames(str(tmp_path / "c.gif"))
    assert ([tuple(frame[0, 0]) for frame in frames], live) == ([(255, 0, 0), (0, 0, 255)], False)  # type: ignore[index]


def test_whatever_a_camera_raises_is_one_line(modules: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """picamera2 raises an IndexError if there is no camera, and a RuntimeError if it hangs."""

    def absent() -> None:
        raise IndexError("list index out of range")

    monkeypatch.setattr(sys.modules["picamera2"], "Picamera2", absent)
    with pytest.raises(DataError, match="^picamera2: IndexError: list index out of range$"):
        list(open_frames("picamera2")[0])


def test_a_long_path_is_a_source(tmp_path: Path) -> None:
    """A whole path may be longer than the name of one folder."""
    folder = tmp_path / ("a" * 200) / ("b" * 200)
    folder.mkdir(parents=True)
    Image.fromarray(RED_GREEN_BLUE).save(folder / "a.png")
    assert list(open_frames(str(folder))[0]) == [folder / "a.png"]


def test_sources_that_cannot_be_read_name_the_remedy(modules: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing source, a camera that does not open, and packages that are not installed."""

    def refusal(source: str) -> str:
        with pytest.raises(DataError) as error:
            list(open_frames(source)[0])
        return str(error.value)

    assert refusal("none.mp4") == (
        "none.mp4: no such source; expected picamera2, a camera's number, a video or a folder"
    )
    assert refusal("a" * 300) == (
        f"{'a' * 300}: cannot be read (File name too long); expected a camera, a video or a folder"
    )
    assert refusal("9") == "9: cannot be opened as a camera or video; expected a V4L2 camera or a video file"
    monkeypatch.setitem(sys.modules, "cv2", None)
    assert refusal("0") == "this source needs cv2, which is not installed; " + (
        "apt install python3-opencv, or pip install 'mixer-edge[camera]'"
    )
    monkeypatch.setitem(sys.modules, "picamera2", None)
    assert refusal("picamera2") == (
        "this source needs picamera2, which is not installed; apt install python3-picamera2"
    )


STUB = """
import sys, numpy


class Picamera2:
    def create_video_configuration(self, main):
        return main

    def configure(self, configuration):
        self.size = configuration["size"]

    def start(self):
        self.left = 2

    def capture_array(self, stream):
        if not self.left:
            raise RuntimeError("camera unplugged")
        self.left -= 1
        return numpy.full((self.size[1], self.size[0], 3), (1, 2, 3), numpy.uint8)

    def close(self):
        print("released", file=sys.stderr, flush=True)
"""


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of packages that only the system's Python sees, as Debian installs them."""
    packages = tmp_path / "dist-packages"
    packages.mkdir()
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin/python3"
    python.write_text(f'#!/bin/sh\n[ "$1" = -I ] && shift\nPYTHONPATH={packages} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path))
    return packages


def test_picamera2_of_the_system(system: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A venv reads the frames through the system's Python; the camera's error is one line, and it is released."""
    (system / "picamera2.py").write_text(STUB)
    frames, live = open_frames("picamera2", (4, 2))
    for _ in range(2):
        np.testing.assert_array_equal(next(frames), np.full((2, 4, 3), (1, 2, 3), np.uint8))
    with pytest.raises(DataError) as error:
        next(frames)
    assert live
    assert str(error.value) == "picamera2: RuntimeError: camera unplugged"
    assert capfd.readouterr().err == "released\n"


def test_a_reader_that_stops_early_releases_the_systems_camera(system: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The process ends when nobody reads it."""
    (system / "picamera2.py").write_text(STUB.replace("self.left -= 1", ""))
    frames, _ = open_frames("picamera2", (640, 480))
    next(frames)
    frames.close()  # type: ignore[attr-defined]
    assert capfd.readouterr().err == "released\n"


def test_opencv_of_the_system(system: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for a V4L2 camera."""
    monkeypatch.setitem(sys.modules, "cv2", None)
    (system / "cv2.py").write_text(
        "import numpy\nCAP_PROP_FRAME_WIDTH, CAP_PROP_FRAME_HEIGHT = 3, 4\n\n\nclass VideoCapture:\n"
        "    def __init__(self, source):\n        self.left = 1 if source == 0 else 0\n"
        "    def isOpened(self):\n        return self.left\n"
        "    def set(self, key, value):\n        pass\n"
        "    def read(self):\n        self.left -= 1\n"
        "        return self.left == 0, numpy.array([[[30, 20, 10]]], numpy.uint8)\n"
        "    def release(self):\n        pass\n"
    )
    np.testing.assert_array_equal(next(open_frames("0")[0]), RED_GREEN_BLUE)
    with pytest.raises(DataError) as error:
        list(open_frames("9")[0])
    assert str(error.value) == "9: cannot be opened as a camera or video; expected a V4L2 camera or a video file"


def test_a_reading_process_that_is_killed(system: Path) -> None:
    """This is an error, not the end of the frames."""
    (system / "picamera2.py").write_text(
        STUB.replace('raise RuntimeError("camera unplugged")', "import os; os._exit(3)")
    )
    frames, _ = open_frames("picamera2", (4, 2))
    with pytest.raises(DataError) as error:
        list(frames)
    assert str(error.value) == "picamera2: the process that reads it ended with exit code 3"


def test_a_late_reader_gets_the_newest_frame() -> None:
    """Three more frames arrive during the first: the next one taken is the last of them."""
    asked, arrived = threading.Semaphore(0), threading.Event()

    def camera() -> Iterator[bytes]:
        asked.acquire()
        yield b"1"
        asked.acquire()
        yield from (b"2", b"3", b"4")
        arrived.set()
        asked.acquire()

    latest = LatestFrame(camera())
    frames = iter(latest)
    asked.release()
    assert next(frames) == b"1"
    asked.release()
    arrived.wait()
    assert next(frames) == b"4"
    asked.release()
    assert next(frames, None) is None
    latest.close()


def test_an_error_of_the_camera_reaches_the_reader() -> None:
    """After the frames that came before it."""

    def camera() -> Iterator[bytes]:
        raise DataError("unplugged")
        yield b""

    with pytest.raises(DataError, match="^unplugged$"):
        list(LatestFrame(camera()))


def test_a_camera_that_hangs_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader does not wait for ever, nor does the end."""
    released = threading.Event()

    def camera() -> Iterator[bytes]:
        yield b"frame"
        released.wait()

    monkeypatch.setattr(camera_module, "_NEXT_FRAME_S", 0.1)
    monkeypatch.setattr(camera_module, "_RELEASE_S", 0.05)
    latest = LatestFrame(camera())
    with pytest.raises(DataError, match=r"^the camera has given no frame for 0.1 s; check its cable$"):
        list(latest)
    latest.close()
    released.set()


def test_closing_stops_the_camera() -> None:
    """The source has cleaned up when ``close`` returns."""
    closed = []

    def camera() -> Iterator[bytes]:
        try:
            while True:
                yield b"frame"
        finally:
            closed.append(True)

    latest = LatestFrame(camera())
    next(iter(latest))
    latest.close()
    assert closed == [True]


@pytest.mark.parametrize(("smoothing", "weights"), [(1, (0, 0, 1)), (3, (0.25, 0.25, 0.5))])
def test_logits_are_averaged_exponentially(
    tiny_bundle: Path, smoothing: int, weights: tuple[float, float, float]
) -> None:
    """Over 3 frames each new one counts a half: 1/4, 1/4 and 1/2 after three; over 1, the last alone."""
    pictures = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    with Classifier.load(tiny_bundle, "float32") as classifier:
        answers = list(classify_frames(classifier, pictures, top_k=10, smoothing=smoothing))
        logits = np.array([classifier.output(classifier.tensor(picture)) for picture in pictures])
    expected = softmax(np.tensordot(weights, logits, 1).astype(np.float32))
    assert [answer.frame for answer in answers] == [0, 1, 2]
    assert answers[0].fps is None
    np.testing.assert_array_equal([answer.image for answer in answers], pictures)
    np.testing.assert_array_equal([answer.outputs for answer in answers], logits)
    found = {category.index: category.probability for category in answers[-1].categories}
    np.testing.assert_allclose([found[index] for index in range(10)], expected, rtol=1e-5)


def test_the_averaged_logits_decide_whether_it_is_none_of_the_classes(tiny_bundle: Path) -> None:
    """The threshold is between the measures of the second frame alone and of the average: only the average is below."""
    bundle = Bundle.open(tiny_bundle)
    first, second = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    with Classifier(bundle, "float32") as classifier:
        logits = [classifier.output(classifier.tensor(picture)) for picture in (first, second)]
    measured = [float(unknown_score("energy", values)) for values in (logits[1], (logits[0] + logits[1]) / 2)]
    assert measured[1] < measured[0]
    unknown = UnknownSpec(measure="energy", threshold=sum(measured) / 2, refused=0.05)
    with Classifier(replace(bundle, manifest=replace(bundle.manifest, unknown=unknown)), "float32") as classifier:
        *_, smoothed = classify_frames(classifier, [first, second], smoothing=3)
        *_, alone = classify_frames(classifier, [first, second], smoothing=1)
    assert (smoothed.none, alone.none) == (True, False)


def test_a_class_that_is_taught_meanwhile_is_answered(tiny_features: Path) -> None:
    """The next frame has the new head, of the averaged features; without one there are no categories."""
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    kernel = np.random.default_rng(1).normal(size=(32, 2))
    with Classifier.load(tiny_features, "float32") as extractor:
        features = [extractor.embed(each).astype(np.float64) for each in pixels]
        answers = classify_frames(extractor, pixels, top_k=2, smoothing=3)
        first = next(answers)
        extractor.use_head(LinearHead(labels=("a", "b"), kernel=kernel, bias=np.zeros(2), unknown=None))
        second = next(answers)
        extractor.use_head(None)
        assert (first.categories, first.none, next(answers).categories) == ((), False, ())
    expected = softmax(((features[0] + features[1]) / 2 @ kernel).astype(np.float32))
    found = {category.label: category.probability for category in second.categories}
    np.testing.assert_allclose([found["a"], found["b"]], expected, rtol=1e-4)


def test_fps_is_the_rate_of_the_last_frames(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame every quarter of a second is 4 fps, from the second frame on."""
    ticks: Callable[[], float] = iter(np.arange(0, 10, 0.25)).__next__
    monkeypatch.setattr("mixer_edge.camera.time", SimpleNamespace(monotonic=ticks))
    picture = np.zeros((64, 64, 3), np.uint8)
    with Classifier.load(tiny_bundle) as classifier:
        answers = list(classify_frames(classifier, [picture] * 4))
    assert [answer.fps for answer in answers] == [None, 4, 4, 4]
