"""Frames from a camera, a video, an animated picture or a folder, and their smoothed labels.

Only ``capture`` imports picamera2 and OpenCV, and only for a source that needs them. If they are not in this
environment, it runs in the system's Python.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixer_edge import capture
from mixer_edge.classifier import Category, Classifier, categories, is_none
from mixer_edge.dataset import SUFFIXES, find_images
from mixer_edge.decode import ImageSource, read_frames
from mixer_edge.errors import DataError

FPS_WINDOW = 30
_FIRST_FRAME_S, _NEXT_FRAME_S = 60, 10
"""How long a camera may take to give a frame."""
_RELEASE_S = 5
"""How long the process that reads a camera may take to release it."""
_REMEDIES = {
    "picamera2": "apt install python3-picamera2",
    "cv2": "apt install python3-opencv, or pip install 'mixer-edge[camera]'",
}
Frames = Generator[ImageSource, None, None]


@dataclass(frozen=True, kw_only=True)
class FrameAnswer:
    """The smoothed categories after a frame, best first, and the recent rate of classified frames."""

    frame: int
    categories: tuple[Category, ...]
    none: bool
    """Whether the smoothed answer is none of the classes; the categories are then the nearest."""
    fps: float | None
    """None for the first frame."""
    image: ImageSource = field(compare=False, repr=False)
    outputs: NDArray[np.float32] = field(compare=False, repr=False)
    """Of the network for this frame alone, ``[outputs]``: logits, or the features below taught classes."""


@dataclass(frozen=True, kw_only=True)
class FrameClassification:
    """What ``mixer-edge camera --json`` prints for one frame."""

    frame: int
    categories: tuple[Category, ...]
    none: bool
    fps: float | None


def open_frames(source: str, size: tuple[int, int] = (640, 480)) -> tuple[Iterator[ImageSource], bool]:
    """Return the frames of a source, and whether it is live: a slow reader should then skip frames.

    Args:
        source: ``picamera2``; the number or ``/dev/video`` path of a V4L2 camera; a folder, whose pictures are sorted
            by path; an animated picture; or a video file.
        size: (width, height) to request from a camera.

    Raises:
        DataError: there is no such source, or the package that reads it is not installed.
    """
    path = Path(source)
    if source == "picamera2":
        return _captured("picamera2", source, size), True
    if source.isdigit() or source.startswith("/dev/video"):
        return _captured("cv2", source, size), True
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError as error:
        raise DataError(
            f"{source}: cannot be read ({error.strerror}); expected a camera, a video or a folder"
        ) from None
    if is_folder:
        return iter(find_images(path)), False
    if not is_file:
        raise DataError(f"{source}: no such source; expected picamera2, a camera's number, a video or a folder")
    return (read_frames(path) if path.suffix.lower() in SUFFIXES else _captured("cv2", source, None)), False


class LatestFrame:
    """Reads frames in its own thread and yields the newest; older frames that were not taken are dropped."""

    def __init__(self, frames: Iterable[ImageSource]) -> None:
        """Start reading."""
        self._frames = frames
        self._changed = threading.Condition()
        self._frame: ImageSource | None = None
        self._error: BaseException | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._read, name="camera", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[ImageSource]:
        """Yield the newest frame each time; wait until there is a new one. Errors of the source are raised here."""
        patience = _FIRST_FRAME_S
        while True:
            with self._changed:
                if not self._changed.wait_for(lambda: self._frame is not None or self._ended, patience):
                    raise DataError(f"the camera has given no frame for {patience} s; check its cable")
                frame, self._frame = self._frame, None
            if frame is None:
                if self._error is not None:
                    raise self._error
                return
            patience = _NEXT_FRAME_S
            yield frame

    def close(self) -> None:
        """Stop reading, and wait until the source has released the camera."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join(2 * _RELEASE_S)  # a camera that hangs ends with the program

    def _read(self) -> None:
        try:
            for frame in self._frames:
                with self._changed:
                    if self._ended:
                        break
                    self._frame = frame
                    self._changed.notify()
        except BaseException as error:  # raised again in the thread that takes the frames
            self._error = error
        finally:
            if isinstance(self._frames, Generator):
                self._frames.close()
            with self._changed:
                self._ended = True
                self._changed.notify()


def classify_frames(
    classifier: Classifier,
    frames: Iterable[ImageSource],
    *,
    top_k: int = 1,
    smoothing: int = 5,
    infer: Callable[[NDArray[np.generic]], NDArray[np.float32]] | None = None,
) -> Iterator[FrameAnswer]:
    """Yield an answer after each frame.

    The network's outputs are averaged exponentially: ``mean += (outputs - mean) * 2 / (smoothing + 1)``; 1 means no
    smoothing. Taught classes are a linear function of them: it is applied to the mean, so that a class that is taught
    meanwhile has its answer from the next frame on. Without any class there are no categories.
    ``infer`` replaces ``Classifier.network``, where others share the interpreter.
    """
    infer = infer or classifier.network
    mean: NDArray[np.float32] | None = None
    times: deque[float] = deque(maxlen=FPS_WINDOW)
    for number, frame in enumerate(frames):
        outputs = infer(classifier.tensor(frame))
        mean = outputs if mean is None else mean + (outputs - mean) * np.float32(2 / (smoothing + 1))
        times.append(time.monotonic())
        answering = classifier.answering
        logits = answering.logits(mean)
        yield FrameAnswer(
            frame=number,
            categories=tuple(categories(answering.bundle, logits, top_k)) if answering.classifies else (),
            none=answering.classifies and is_none(answering.bundle, logits),
            fps=(len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 and times[-1] > times[0] else None,
            image=frame,
            outputs=outputs,
        )


def _captured(module: str, source: str, size: tuple[int, int] | None) -> Frames:
    try:
        return _explained(source, capture.frames(module, source, size))
    except ImportError:
        python = Path(sys.base_prefix, "bin/python3")
        if sys.prefix == sys.base_prefix or not _has(python, module):
            raise DataError(f"this source needs {module}, which is not installed; {_REMEDIES[module]}") from None
    return _explained(source, _system_frames(python, module, source, size or (0, 0)))


def _explained(source: str, frames: Frames) -> Frames:
    try:
        yield from frames
    except capture.CaptureError as error:
        raise DataError(f"{source}: {error}") from None
    except Exception as error:  # picamera2 raises almost any exception for a camera that is not there or hangs
        raise DataError(f"{source}: {type(error).__name__}: {error}") from None


def _has(python: Path, module: str) -> bool:
    program = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
    try:
        return subprocess.run([python, "-I", "-c", program], stdin=subprocess.DEVNULL, check=False).returncode == 0
    except OSError:
        return False


def _system_frames(python: Path, module: str, source: str, size: tuple[int, int]) -> Frames:
    command = [str(python), "-I", capture.__file__, module, source, *map(str, size)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None  # for mypy
        try:
            while header := process.stdout.read(capture.HEADER.size):
                height, width = capture.HEADER.unpack(header.ljust(capture.HEADER.size, b"\0"))
                if height == 0:
                    raise capture.CaptureError(process.stdout.read(width).decode(errors="replace"))
                pixels = process.stdout.read(height * width * 3)
                if len(pixels) < height * width * 3:
                    break
                yield np.frombuffer(pixels, np.uint8).reshape(height, width, 3)
            if process.wait():
                raise capture.CaptureError(f"the process that reads it ended with exit code {process.returncode}")
        finally:
            process.stdout.close()  # it ends at its next frame, after it has released the camera
            try:
                process.wait(_RELEASE_S)
            except subprocess.TimeoutExpired:
                process.kill()
