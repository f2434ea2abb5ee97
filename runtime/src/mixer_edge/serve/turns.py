"""Who uses the interpreter next: the camera and the requests take turns."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

Party = Literal["camera", "request"]


class Turns:
    """A lock for two parties: if both wait, it alternates between them, however many threads each has."""

    def __init__(self) -> None:
        """Begin unlocked."""
        self._changed = threading.Condition()
        self._waiting: Counter[Party] = Counter()
        self._busy = False
        self._last: Party | None = None

    @property
    def waiting(self) -> int:
        """The number of threads that wait for a turn."""
        return self._waiting.total()

    @contextmanager
    def turn(self, party: Party) -> Iterator[None]:
        """Wait for a turn and hold it until the block ends."""
        with self._changed:
            self._waiting[party] += 1
            self._changed.wait_for(lambda: not self._busy and (self._last != party or not self._others_wait(party)))
            self._waiting[party] -= 1
            self._busy, self._last = True, party
        try:
            yield
        finally:
            with self._changed:
                self._busy = False
                self._changed.notify_all()

    def _others_wait(self, party: Party) -> bool:
        return any(count for other, count in self._waiting.items() if other != party)
