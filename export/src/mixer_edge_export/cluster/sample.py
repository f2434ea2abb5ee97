"""This machine computes some of the pictures again: a worker that reads other pictures is found."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from mixer_edge.cluster.worker import Answer
from mixer_edge.engine import Records
from mixer_edge.errors import MixerEdgeError

SHARE = 0.02
"""Share of the time that this machine computes pictures again."""


class Sample:
    """Compares one picture of an answer now and then."""

    def __init__(self, compute: Callable[[int], Records | str]) -> None:
        """Use this function, from a picture's number to this machine's result."""
        self.compute = compute
        self.count = 0
        self._random = random.Random(0)
        self._start, self._spent = time.monotonic(), 0.0

    def compare(self, worker: str, answer: Answer) -> None:
        """Compare one picture of an answer, unless that has taken more than ``SHARE`` of the time until now.

        Raises:
            MixerEdgeError: this machine's record is another one.
        """
        start = time.monotonic()
        if answer.records is None or self._spent > SHARE * (start - self._start):
            return
        record = self._random.choice(answer.records)
        mine = self.compute(int(record["picture"]))
        if isinstance(mine, str) or mine[0].tobytes() != record.tobytes():
            what = "pixels" if isinstance(mine, str) or mine[0]["pixels"] != record["pixels"] else "results"
            raise MixerEdgeError(
                f"{worker}: picture {record['picture']} has other {what} there than here, although the first ones were "
                "equal; remove the journal of this run from the user's cache, and repeat without this worker"
            )
        self.count += 1
        self._spent += time.monotonic() - start
