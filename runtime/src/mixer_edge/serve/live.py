"""What the camera sees now: its newest answer, its newest frame, and the last changes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from mixer_edge.camera import FrameAnswer, LatestFrame, classify_frames, open_frames
from mixer_edge.changes import Change, Changes
from mixer_edge.classifier import Category
from mixer_edge.decode import ImageSource, file_of, thumbnail
from mixer_edge.errors import DataError, MixerEdgeError
from mixer_edge.serve.engine import Engine
from mixer_edge.serve.state import SourceState

KEPT_CHANGES = 20
_STREAM_SIDE, _CHANGE_SIDE = 640, 320
"""Pixels on the longer side of the pictures of the stream, and of those of changes."""
_SHOWN = 5
_LONGEST_PAUSE_S = 30
_POLL_S = 0.1
_RELEASE_S = 6
"""How long a camera that gives no frame may take to end; longer than ``mixer_edge.camera`` waits for its process."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """What is shown, and how to read it."""

    name: str
    """As for ``mixer_edge.camera.open_frames``."""
    size: tuple[int, int] = (640, 480)
    """(width, height) to request from a camera."""
    fps: float = 10
    """At most so many frames per second are classified."""
    smoothing: int = 5
    """Frames to average over."""
    agree: int = 3
    """Answers in a row that must be equal before they count as a change."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The newest answer."""

    frame: int
    categories: tuple[Category, ...]
    """Empty without any class."""
    none: bool
    fps: float | None
    latency_ms: float
    """From the frame to its answer."""


class Live:
    """Classifies a source in a thread of its own, from ``start`` to ``close``."""

    def __init__(
        self,
        engine: Engine,
        source: Source | None,
        *,
        on_frame: Callable[[], None] = lambda: None,
        on_change: Callable[[Change, bytes], None] | None = None,
        on_answer: Callable[[FrameAnswer], None] = lambda _: None,
    ) -> None:
        """Prepare; nothing is opened yet. The callbacks are called in the thread that classifies."""
        self._engine, self._source = engine, source
        self._on_frame, self._on_change, self._on_answer = on_frame, on_change, on_answer
        self._changes = Changes(source.agree) if source else Changes()
        self._kept: tuple[tuple[Change, bytes], ...] = ()
        self._closing, self._started = threading.Event(), threading.Event()
        self._encoding = threading.Lock()
        self._jpeg: tuple[int, bytes] | None = None
        self._newest: tuple[int, ImageSource] | None = None
        self._coming: ImageSource = b""
        self._began = 0.0
        self._frames = 0
        self.seen: Seen | None = None
        self.state = SourceState(
            name=source.name if source else None, status="starting" if source else "none", error=None
        )
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="live", daemon=True)

    def start(self) -> None:
        """Start the source, and return when its first frame is classified, or after ``close``.

        Raises:
            MixerEdgeError: it gives no frame.
        """
        if self._source is None:
            return
        self._thread.start()
        while not self._started.wait(_POLL_S) and not self._closing.is_set():
            pass
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Read no more frames."""
        self._closing.set()

    def close(self) -> None:
        """Stop, and release the camera."""
        self.stop()
        if self._thread.is_alive():
            self._thread.join(_RELEASE_S)

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._closing.is_set()

    @property
    def running(self) -> bool:
        """Whether another frame is to come."""
        return self.state.status in ("starting", "running") and not self._closing.is_set()

    def changes(self) -> list[Change]:
        """Return the last changes, the newest first."""
        return [change for change, _ in self._kept]

    @property
    def last_change(self) -> int:
        """The number of the last change; 0 before the first."""
        return self._kept[0][0].number if self._kept else 0

    def change_picture(self, number: int) -> bytes | None:
        """Return the picture of a change as a JPEG file; None if it is not kept any more."""
        return next((picture for change, picture in self._kept if change.number == number), None)

    def frame(self, after: int = 0) -> tuple[int, str, bytes] | None:
        """Return the newest frame's number, a name for it and its file: its own, or a JPEG file of a camera's pixels.

        None if there is none whose number is larger than ``after``.

        Raises:
            ImageError: its file cannot be read.
        """
        newest = self._newest
        if newest is None or newest[0] <= after:
            return None
        number, frame = newest
        return number, frame.name if isinstance(frame, Path) else "frame.jpg", file_of(frame)

    def jpeg(self) -> tuple[int, bytes] | None:
        """Return the newest frame's number and JPEG file, encoded once for all who ask; None before the first."""
        with self._encoding:
            if (newest := self._newest) is None:
                return None
            if self._jpeg is None or self._jpeg[0] != newest[0]:
                self._jpeg = newest[0], thumbnail(newest[1], _STREAM_SIDE)
            return self._jpeg

    def _run(self) -> None:
        pause = 1.0
        try:
            while not self._closing.is_set():
                frames = self._frames
                live = self._attempt()
                if not live or self._error is not None:
                    break
                pause = 1.0 if self._frames > frames else min(2 * pause, _LONGEST_PAUSE_S)
                self._closing.wait(pause)
        finally:
            self._started.set()

    def _attempt(self) -> bool:
        """Read the source until it ends; return whether it is live, and can come back."""
        assert self._source is not None  # for mypy
        live = False
        with ExitStack() as stack:
            try:
                frames: Iterable[ImageSource]
                frames, live = open_frames(self._source.name, self._source.size)
                if live:
                    latest = LatestFrame(frames)
                    stack.callback(latest.close)
                    frames = latest
                self._read(self._source, frames)
                if live:
                    raise DataError(f"{self._source.name}: the camera gives no more frames")
                if self.seen is None:
                    raise DataError(f"{self._source.name}: has no frames")
                self.state = replace(self.state, status="ended", error=None)
            except Exception as error:
                expected = isinstance(error, MixerEdgeError)
                text = str(error) if expected else f"{type(error).__name__}: {error}"
                self.state = replace(self.state, status="failed", error=text, again=live and expected)
                if not self._started.is_set():
                    self._error = error
                elif not expected:
                    raise
        self._on_frame()
        return live

    def _read(self, source: Source, frames: Iterable[ImageSource]) -> None:
        answers = classify_frames(
            self._engine.classifier,
            self._paced(frames, 1 / source.fps),
            top_k=_SHOWN,
            smoothing=source.smoothing,
            infer=lambda tensor: self._engine.infer(tensor, "camera"),
        )
        for answer in answers:
            self._show(answer)

    def _paced(self, frames: Iterable[ImageSource], interval: float) -> Iterator[ImageSource]:
        due = time.monotonic()
        iterator = iter(frames)
        # waits first: of a camera, the newest frame is then taken
        while not self._closing.wait(max(0, due - time.monotonic())):
            if (frame := next(iterator, None)) is None:
                return
            self._began = time.monotonic()
            due = max(due, self._began - interval) + interval
            self._coming = frame
            yield frame

    def _show(self, answer: FrameAnswer) -> None:
        self._frames += 1
        self._newest = self._frames, self._coming
        self.seen = Seen(
            frame=self._frames,
            categories=answer.categories,
            none=answer.none,
            fps=answer.fps,
            latency_ms=1000 * (time.monotonic() - self._began),
        )
        if self.state.status != "running":
            self.state = replace(self.state, status="running", error=None, again=False)
        change = self._changes.update(answer.categories, none=answer.none) if answer.categories else None
        if change is not None:
            picture = thumbnail(self._coming, _CHANGE_SIDE)
            # replaced in one step, as other threads read it
            self._kept = ((change, picture), *self._kept[: KEPT_CHANGES - 1])
            if self._on_change is not None:
                self._on_change(change, picture)
        self._on_answer(answer)
        self._started.set()
        self._on_frame()
