"""The functions that a client calls on a worker, and what they return."""

from __future__ import annotations

import pickle
import platform
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

import mixer_edge
from mixer_edge.cluster.content import kept_folder
from mixer_edge.cluster.places import open_picture, size_of
from mixer_edge.engine import Function, Item, Records, Work
from mixer_edge.errors import ImageError, MixerEdgeError
from mixer_edge.interpreter import resolve_backend

T = TypeVar("T")

MAX_JOBS = 2
"""A worker forgets the oldest of more jobs: each keeps its files in memory."""


class NotPreparedError(MixerEdgeError):
    """This process does not know the job; it must be prepared again."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture of a batch."""

    number: int
    place: str
    size: int | None
    """Of its file, in bytes, on the client; None if it is not known."""
    logits: NDArray[np.float32] | None = None
    """``[classes]`` of the source model, if it is the reference."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a worker says to a batch."""

    batch: int
    records: Records | None
    """Those of the pictures that could be read, ``[n]``; None if there is none."""
    failed: tuple[tuple[int, str], ...]
    """The number of each other picture, and the reason."""
    seconds: float


def versions(backend: str) -> dict[str, str]:
    """Return the version of everything that decides the numbers, by name.

    Raises:
        InterpreterError: the interpreter is not installed.
    """
    tools = {tool: version(tool) for tool in ("numpy", "pillow", resolve_backend(backend))}
    return {"mixer-edge": mixer_edge.__version__, **tools, "python": platform.python_version()}


def has(files: Mapping[str, str]) -> bool:
    """Return whether these files, name to sha256, are kept here."""
    return kept_folder(files) is not None


def hold(job: str, pickled: bytes) -> None:
    """Keep what a job computes, for ``prepare``."""
    _keep(_held, job, pickled)


def prepare(job: str, files: Mapping[str, str]) -> dict[str, str]:
    """Load a job's files, and return what this machine makes of known inputs.

    Raises:
        MixerEdgeError: they are not kept here, or cannot be used.
    """
    folder = kept_folder(files)
    if folder is None or job not in _held:
        raise NotPreparedError("the files of the job are not kept here any more; repeat the command")
    work: Work = pickle.loads(_held[job]).moved(folder)
    said = work.prove()
    _keep(_jobs, job, _Job(work))
    return said


def run(job: str, batch: int, pictures: tuple[Picture, ...]) -> Answer:
    """Return the records of pictures.

    Raises:
        NotPreparedError: this process does not know the job.
        MixerEdgeError: an output is NaN or infinite, or a file cannot be used.
    """
    start = time.perf_counter()
    if job not in _jobs:
        raise NotPreparedError("this worker does not know the job any more; repeat the command")
    records, failed = [], []
    with _jobs[job].function() as function:
        for picture in pictures:
            result = _record(function, picture)
            if isinstance(result, str):
                failed.append((picture.number, result))
            else:
                records.append(result)
    return Answer(
        batch=batch,
        records=np.concatenate(records) if records else None,
        failed=tuple(failed),
        seconds=time.perf_counter() - start,
    )


def _record(function: Function, picture: Picture) -> Records | str:
    try:
        file = open_picture(picture.place)
    except ImageError as error:
        return str(error)
    size = size_of(file)
    if None not in (size, picture.size) and size != picture.size:
        return f"{picture.place}: has {size} bytes, expected {picture.size}"
    return function(Item(number=picture.number, picture=file, logits=picture.logits))


class _Job:
    """A job that is prepared, and the functions that no thread is using."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.free: list[Function] = []

    @contextmanager
    def function(self) -> Iterator[Function]:
        """Yield a function for this thread alone."""
        try:
            function = self.free.pop()
        except IndexError:
            function = self.work()
        yield function
        self.free.append(function)


def _keep(kept: dict[str, T], job: str, value: T) -> None:
    """Keep a value, and forget the oldest of more than ``MAX_JOBS``."""
    with _lock:
        kept[job] = value
        for oldest in list(kept)[:-MAX_JOBS]:
            del kept[oldest]


_held: dict[str, bytes] = {}
_jobs: dict[str, _Job] = {}
_lock = threading.Lock()
