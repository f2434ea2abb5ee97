"""One interpreter and one pool of decoding threads for all requests, with a queue that has an end.

The network has a thread of its own, and the threads that decode have a lower priority: with both in the same threads,
16 clients got a tenth fewer answers, as the network waited for a processor (docs/serve.md).
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
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


_NICE = 5
"""How much more than the network the threads that decode give way."""


class FullError(MixerEdgeError):
    """The queue is full; the same request can succeed a little later."""


class Engine:
    """Runs pictures of requests; the camera uses the same interpreter through ``infer``."""

    def __init__(self, classifier: Classifier, *, queue: int) -> None:
        """Begin with an empty queue. ``queue``: how many pictures may wait or be computed at once."""
        self.classifier, self.queue = classifier, queue
        self._turns = Turns()
        self._decoding = ThreadPoolExecutor(usable_cpus(), "decode", initializer=_lower_priority)
        self._network = ThreadPoolExecutor(1, "network")
        self._large = threading.Lock()
        self._waiting = 0

    @property
    def waiting(self) -> int:
        """The number of pictures that wait or are computed now."""
        return self._waiting

    async def outputs(self, images: list[ImageSource]) -> NDArray[np.float32]:
        """Return the network's outputs for pictures, ``[pictures, outputs]`` float32: logits, or features.

        Raises:
            FullError: the queue has no room for all of them.
            ImageError: one of them cannot be read.
        """
        if self._waiting + len(images) > self.queue:
            raise FullError(f"{self._waiting} pictures wait already, at most {self.queue} may; try again soon")
        self._waiting += len(images)
        return np.stack(await asyncio.gather(*map(self._output, images)))

    def infer(self, tensor: NDArray[np.generic], party: Party) -> NDArray[np.float32]:
        """Return the network's outputs for an input, in the turn of ``party``."""
        with self._turns.turn(party):
            return self.classifier.network(tensor)

    def close(self) -> None:
        """Drop what waits, and wait for what is being computed."""
        self._decoding.shutdown(cancel_futures=True)
        self._network.shutdown(cancel_futures=True)

    async def _output(self, image: ImageSource) -> NDArray[np.float32]:
        loop = asyncio.get_running_loop()
        try:
            tensor = await loop.run_in_executor(self._decoding, self._decode, image)
            return await loop.run_in_executor(self._network, self.infer, tensor, "request")
        finally:
            self._waiting -= 1

    def _decode(self, image: ImageSource) -> NDArray[np.generic]:
        large = isinstance(image, bytes) and pixel_count(image) > _LARGE_PIXELS
        with self._large if large else nullcontext():
            return self.classifier.tensor(image)


def _lower_priority() -> None:
    if sys.platform == "linux":  # there it is this thread's alone, elsewhere the process's
        os.nice(_NICE)
