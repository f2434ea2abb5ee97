"""What is taught in a running server: one change after the other, seen at once, and the last one can be undone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from mixer_edge.counted import picture_count
from mixer_edge.errors import ImageError, MixerEdgeError
from mixer_edge.serve.engine import Engine, FullError
from mixer_edge.teach.folder import Extractor
from mixer_edge.teach.lessons import teach, use_taught
from mixer_edge.teach.likeness import Likeness
from mixer_edge.teach.report import ClassesReport, report
from mixer_edge.teach.state import forget_rows, move, read_taught, undo
from mixer_edge.teach.tables import TAUGHT
from mixer_edge.teach.undo import Bin, Change

T = TypeVar("T")
Result = Literal["added", "moved", "known", "nearly equal"]

_LOOK_S = 1.0
"""How often the server looks whether another process has taught."""


@dataclass(frozen=True, kw_only=True)
class _Last:
    """The last change."""

    text: str
    change: Change
    hold: int | None
    also: Callable[[], object]


class Classroom:
    """Changes what is taught, in a thread of its own, and lets the engine's classifier answer with it."""

    def __init__(self, engine: Engine, *, on_change: Callable[[], None] = lambda: None) -> None:
        """Read what is taught, and look for changes by other processes until ``close``."""
        classifier = engine.classifier
        self._engine, self._on_change = engine, on_change
        self._extractor = Extractor.of(classifier.loaded, classifier.variant)
        self.folder = self._extractor.folder
        self._likeness = Likeness(self._extractor, max_pixels=classifier.max_pixels)
        self._bin = Bin(self.folder)
        self._bin.empty()  # of a server that was killed
        self._last: _Last | None = None
        self._report: tuple[int, ClassesReport] | None = None
        self._waiting = 0
        self.version = 0
        """Grows with every change."""
        self.error: str | None = None
        """Why the newest change of another process cannot be read; the classes are then those before."""
        self._stamp = self._stamp_now()
        self._read()
        self._closing = threading.Event()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="teach")
        self._watcher = threading.Thread(target=self._watch, name="taught", daemon=True)
        self._watcher.start()

    def close(self) -> None:
        """End the change that is being written, and forget what undo needs."""
        self._closing.set()
        self._pool.shutdown(cancel_futures=True)
        self._watcher.join()
        self._bin.empty()

    @property
    def undo_text(self) -> str | None:
        """The change that ``undo`` undoes, in words; None if there is none."""
        return self._last.text if self._last else None

    async def run(self, work: Callable[[], T]) -> T:
        """Return the result of one of the methods below, after all that were asked for before.

        Raises:
            FullError: too many wait already.
        """
        if self._waiting >= self._engine.queue:
            raise FullError(f"{self._waiting} changes wait already, at most {self._engine.queue} may; try again soon")
        self._waiting += 1
        try:
            return await asyncio.wrap_future(self._pool.submit(work))
        finally:
            self._waiting -= 1

    def counts(self) -> dict[str, int]:
        """Return the number of pictures of each class."""
        taught = read_taught(self.folder)
        return taught.counts if taught else {}

    def report(self) -> ClassesReport:
        """Return the figures of what is taught; it is computed once for each change, so call it in one thread."""
        version = self.version
        if self._report is None or self._report[0] != version:
            self._report = version, report(self.folder, self._extractor.name, self._extractor.variant)
        return self._report[1]

    def teach(
        self,
        label: str,
        name: str,
        content: bytes,
        *,
        time: str | None = None,
        new_only: bool = False,
        hold: int | None = None,
        also: Callable[[], object] = lambda: None,
    ) -> tuple[Result, str | None]:
        """Teach one picture, and return what became of it and the class that it had before.

        Args:
            label: the class, a checked name.
            name: of the picture.
            content: of its file.
            time: when it was seen, if that is known.
            new_only: whether a picture that is nearly equal to one of the class is left out.
            hold: a number for all changes that are undone together.
            also: what else is called to undo it.

        Raises:
            DataError: nothing can be written.
            ImageError: the picture cannot be read.
        """
        if new_only and self._likeness.is_taught(label, content):
            return "nearly equal", None
        (lesson,) = teach(self._engine.classifier, label, [(name, content)], times={name: time}, infer=self._infer)
        if isinstance(lesson, str):
            raise ImageError(lesson)
        if lesson.known:
            return "known", None
        before = lesson.moved[0][1] if lesson.moved else None
        change = lesson.change
        if hold is not None and self._last is not None and self._last.hold == hold:
            change = self._last.change + change
        self._changed(f"{picture_count(len(change))} taught as {label}", change, hold, also)
        return ("added", None) if before is None else ("moved", before)

    def move(self, file: str, label: str) -> bool:
        """Move a kept picture to another class, and return whether it is there.

        Raises:
            DataError: nothing can be written.
        """
        change = move(self._extractor, file, label)
        if change:
            self._changed(f"{picture_count(len(change))} moved to {label}", change)
        return change is not None

    def forget_picture(self, file: str) -> bool:
        """Forget a kept picture, and return whether it was there.

        Raises:
            DataError: nothing can be written.
        """
        change = forget_rows(self.folder, "file", file, self._bin)
        for picture in change.removed:
            self._changed(f"1 picture of {picture.label} removed", change)
        return len(change) > 0

    def forget_class(self, label: str) -> bool:
        """Forget a class, and return whether it was there.

        Raises:
            DataError: nothing can be written.
        """
        change = forget_rows(self.folder, "classes.name", label, self._bin)
        if change:
            self._changed(f"{label} with {picture_count(len(change))} removed", change)
        return len(change) > 0

    def undo(self) -> bool:
        """Undo the last change that this server made, and return whether there was one.

        Raises:
            DataError: nothing can be written.
        """
        if self._last is None:
            return False
        undo(self._extractor, self._last.change, self._bin)
        self._last.also()
        self._last = None
        self._bin.empty()
        self._read()
        return True

    def _changed(
        self, text: str, change: Change, hold: int | None = None, also: Callable[[], object] = lambda: None
    ) -> None:
        self._last = _Last(text=text, change=change, hold=hold, also=also)
        self._bin.empty(but={picture.file for picture in change.removed})
        self._read()

    def _infer(self, tensor: NDArray[np.generic]) -> NDArray[np.float32]:
        return self._engine.infer(tensor, "request")

    def _read(self) -> None:
        self._stamp = self._stamp_now()  # before it is read: a change meanwhile is then seen at the next look
        try:
            use_taught(self._engine.classifier, infer=self._infer)
            self.error = None
        except MixerEdgeError as error:
            self.error = str(error)
        self.version += 1
        self._on_change()

    def _watch(self) -> None:
        while not self._closing.wait(_LOOK_S):
            with suppress(RuntimeError, CancelledError):  # closed meanwhile
                self._pool.submit(self._look).result()

    def _look(self) -> None:
        if self._stamp_now() != self._stamp:
            self._read()

    def _stamp_now(self) -> tuple[tuple[int, int, int], ...]:
        """Return what changes with the database's files: the newest changes are in the second one."""
        database = self.folder / TAUGHT.file
        return tuple(map(_stamp_of, (database, database.with_name(f"{database.name}-wal"))))


def _stamp_of(file: Path) -> tuple[int, int, int]:
    try:
        status = file.stat()
    except OSError:
        return 0, 0, 0
    return (status.st_ino, status.st_mtime_ns, status.st_size) if status.st_size else (0, 0, 0)
