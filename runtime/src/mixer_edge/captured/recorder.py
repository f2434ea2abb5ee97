"""Keeps pictures that a running program was unsure of, without ever keeping its camera waiting."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixer_edge.captured.choice import Chooser, Options, Shot
from mixer_edge.captured.reasons import find_reason
from mixer_edge.captured.store import Answered, keep, remove_older
from mixer_edge.captured.tables import captured_folder
from mixer_edge.changes import days_ago, now
from mixer_edge.classifier import Category, Classifier, categories, is_none
from mixer_edge.decode import ImageSource, file_of
from mixer_edge.errors import ImageError, MixerEdgeError

KEPT_CATEGORIES = 5
_END_S = 5
"""How long the last picture may take when the program ends."""

_log = logging.getLogger(__name__)


class Recorder:
    """Keeps pictures in a thread of its own, from ``__enter__`` to ``__exit__``.

    One picture can wait while another is written. If a third comes it is dropped, and counted; a picture of the random
    share takes the place of a waiting one that is not, so that a slow disk does not bias the share. The first error,
    for example a full disk, is logged and ends the capture, not the program.
    """

    def __init__(
        self,
        classifier: Classifier,
        options: Options,
        *,
        agree: int,
        folder: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; nothing is written yet.

        Args:
            classifier: what answers.
            options: what is kept, and how much of it.
            agree: as for ``mixer_edge.changes.Changes``.
            folder: where; None is that of the user.
            clock: returns the time in seconds.
        """
        self._classifier, self._options = classifier, options
        self.folder = folder or captured_folder()
        self._chooser = Chooser(options, agree=agree, clock=clock)
        manifest, variant = classifier.bundle.manifest, classifier.variant
        self._answered = partial(
            Answered,
            bundle=manifest.name,
            fingerprint=manifest.source.fingerprint,
            variant=variant,
            file_sha256=manifest.variant(variant).file.sha256,
        )
        self._changed = threading.Condition()
        self._waiting: Shot | None = None
        self._closing = self._failed = False
        self.captured = 0
        """Pictures that were kept."""
        self.dropped = 0
        """Pictures that were to be kept and are not."""
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)

    def __enter__(self) -> Recorder:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Write what still waits; wait for it for a limited time."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(_END_S)
        if self.dropped and not self._failed:
            _log.info("captured: %d; dropped, as the disk was slower than they came: %d", self.captured, self.dropped)

    def add(self, image: ImageSource, outputs: NDArray[np.float32], answer: Sequence[Category], *, none: bool) -> None:
        """Keep a picture if it is to be kept, soon; return at once.

        Args:
            image: the picture. The file of a path is read now, as it may be removed after its answer.
            outputs: of the network for this picture alone, ``[outputs]`` float32.
            answer: what was answered after it, best first: for a camera the average over some frames.
            none: whether that is none of the classes.
        """
        random = self._chooser.pick()
        path = image if isinstance(image, str | Path) else None
        try:
            shot = Shot(
                image=image if path is None else file_of(path),
                name="frame.jpg" if path is None else str(path),
                answered=self._describe(outputs, random=random),
                outputs=outputs,
            )
        except ImageError:  # it is gone already
            with self._changed:
                self.dropped += 1
            return
        for chosen in self._chooser.choose(shot, answer, none=none):
            self._put(chosen)

    def _describe(self, outputs: NDArray[np.float32], *, random: bool) -> Answered:
        """Return what the picture alone is answered with."""
        answering, answered = self._classifier.answering, partial(self._answered, time=now(), random=random)
        if not answering.classifies:
            return answered(reason=None, categories=(), none=False)
        logits, bundle = answering.logits(outputs), answering.bundle
        return answered(
            reason=find_reason(logits, bundle.manifest.unknown),
            categories=tuple(categories(bundle, logits, KEPT_CATEGORIES)),
            none=is_none(bundle, logits),
        )

    def _put(self, shot: Shot) -> None:
        with self._changed:
            free = self._waiting is None or (shot.answered.random and not self._waiting.answered.random)
            if self._waiting is not None or self._failed:
                self.dropped += 1
            if free and not self._failed:
                self._waiting = shot
                self._changed.notify()

    def _take(self) -> Shot | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting is not None or self._closing)
            shot, self._waiting = self._waiting, None
            return shot

    def _run(self) -> None:
        shot = None
        try:
            remove_older(self.folder, days_ago(self._options.days))
            while (shot := self._take()) is not None:
                self._keep(shot)
        except MixerEdgeError as error:
            _log.warning("%s; no more pictures are captured, the answers go on", error)
            with self._changed:
                self._failed = True
                self.dropped += (shot is not None) + (self._waiting is not None)
                self._waiting = None

    def _keep(self, shot: Shot) -> None:
        self.captured += keep(
            self.folder,
            file_of(shot.image),
            shot.name,
            shot.answered,
            shot.outputs,
            most_bytes=self._options.most_bytes,
            oldest=days_ago(self._options.days),
        )
