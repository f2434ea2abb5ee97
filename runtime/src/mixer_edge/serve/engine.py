"""One interpreter and one pool of decoding threads for all requests, with a queue that has an end."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext

import numpy as np
from numpy.typing import NDArray

from mixer_edge.board import usable_cpus
from mixer_edge.classifier import Classifier
from mixer_edge.decode import ImageSource, pixel_count
from mixer_edge.errors import MixerEdgeError
from mixer_edge.serve.turns import Party, Turns

_LARGE_PIXELS = 4_000_000
"""Of pictures with more pixels, only one is decoded at once: all threads together would need too much memory."""


class FullError(MixerEdgeError):
    """The queue is full; the same request can succeed a little later."""


class Engine:
    """Runs pictures of requests; the camera uses the same interpreter through ``infer``."""

    def __init__(self, classifier: Classifier, *, queue: int) -> None:
        """Begin with an empty queue. ``queue``: how many pictures may wait or be computed at once."""
        self.classifier, self.queue = classifier, queue
        self._turns = Turns()
        # one thread waits for the network while the others decode
        self._pool = ThreadPoolExecutor(usable_cpus() + 1, thread_name_prefix="decode")
        self._lock, self._large = threading.Lock(), threading.Lock()
        self._waiting = 0

    @property
    def waiting(self) -> int:
        """The number of pictures that wait or are computed now."""
        return self._waiting

    def submit(self, images: list[ImageSource]) -> list[Future[NDArray[np.float32]]]:
        """Return, for each picture, a future of the network's outputs, ``[outputs]`` float32: all, or none of them.

        A future raises ``mixer_edge.errors.ImageError`` if its picture cannot be read.

        Raises:
            FullError: the queue has no room for all of them.
        """
        with self._lock:
            if self._waiting + len(images) > self.queue:
                raise FullError(f"{self._waiting} pictures wait already, at most {self.queue} may; try again soon")
            self._waiting += len(images)
        futures = [self._pool.submit(self._output, image) for image in images]
        for future in futures:
            future.add_done_callback(self._done)
        return futures

    async def outputs(self, images: list[ImageSource]) -> NDArray[np.float32]:
        """Return the network's outputs for pictures, ``[pictures, outputs]`` float32: logits, or features.

        Raises:
            FullError: the queue has no room for all of them.
            ImageError: one of them cannot be read.
        """
        return np.stack(await asyncio.gather(*map(asyncio.wrap_future, self.submit(images))))

    def infer(self, tensor: NDArray[np.generic], party: Party) -> NDArray[np.float32]:
        """Return the network's outputs for an input, in the turn of ``party``."""
        with self._turns.turn(party):
            return self.classifier.network(tensor)

    def close(self) -> None:
        """Drop what waits, and wait for what is being computed."""
        self._pool.shutdown(cancel_futures=True)

    def _output(self, image: ImageSource) -> NDArray[np.float32]:
        large = isinstance(image, bytes) and pixel_count(image) > _LARGE_PIXELS
        with self._large if large else nullcontext():
            tensor = self.classifier.tensor(image)
        return self.infer(tensor, "request")

    def _done(self, _: Future[NDArray[np.float32]]) -> None:
        with self._lock:
            self._waiting -= 1
