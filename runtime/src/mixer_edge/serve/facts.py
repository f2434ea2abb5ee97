"""What the page says of the bundle and the board."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from typing import Literal

import mixer_edge
from mixer_edge.board import Board, temperature_celsius, throttling
from mixer_edge.classifier import Answering, Classifier
from mixer_edge.manifest import ModelTask, TrainingSpec, UnknownSpec

MayChange = Literal["no", "token", "yes"]

_READ_EVERY_S = 5


@dataclass(frozen=True, kw_only=True)
class InputSize:
    """Pixels of the network's input."""

    height: int
    width: int


@dataclass(frozen=True, kw_only=True)
class Model:
    """The bundle and what runs it: the answer of ``/v1/model``."""

    name: str
    task: ModelTask
    labels: tuple[str, ...]
    variant: str
    backend: str
    threads: int
    fingerprint: str
    weights: str
    mixer_edge: str
    unknown: UnknownSpec | None
    training: TrainingSpec | None
    input: InputSize
    size_bytes: int
    board: Board
    teaching: MayChange
    """Whether the request may teach classes: ``no`` with this bundle, else only with the token."""
    captures: MayChange
    """Whether it may say what captured pictures are: ``no`` without ``--capture``."""

    @classmethod
    def of(cls, classifier: Classifier, threads: int) -> Model:
        """Return the facts of a loaded bundle, without the classes that were taught."""
        manifest = classifier.loaded.manifest
        return cls(
            name=manifest.name,
            task=manifest.task,
            labels=tuple(classifier.loaded.labels),
            variant=classifier.variant,
            backend=classifier.interpreter.backend,
            threads=threads,
            fingerprint=manifest.fingerprint(),
            weights=manifest.source.weights,
            mixer_edge=mixer_edge.__version__,
            unknown=manifest.unknown,
            training=manifest.training,
            input=InputSize(height=manifest.preprocess.height, width=manifest.preprocess.width),
            size_bytes=manifest.variant(classifier.variant).file.size_bytes,
            board=Board.read(),
            teaching="no",
            captures="no",
        )

    def now(self, answering: Answering, *, teaching: MayChange, captures: MayChange) -> Model:
        """Return the facts with the classes that answer now."""
        manifest = answering.bundle.manifest
        labels = tuple(answering.bundle.labels)
        return replace(
            self,
            task=manifest.task,
            labels=labels,
            unknown=manifest.unknown,
            teaching=teaching,
            captures=captures,
        )


class BoardHealth:
    """The board's temperature and throttling, read at most every 5 seconds; reading starts a program on a Pi."""

    def __init__(self) -> None:
        """Begin without values."""
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._values: tuple[float | None, tuple[str, ...] | None] = None, None

    def read(self) -> tuple[float | None, tuple[str, ...] | None]:
        """Return the temperature in degrees Celsius and what slows the board down; None if it does not report it."""
        with self._lock:
            if time.monotonic() - self._read_at > _READ_EVERY_S:
                self._values = temperature_celsius(), throttling()
                self._read_at = time.monotonic()
            return self._values
