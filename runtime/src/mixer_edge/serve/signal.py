"""Wake the event loop's tasks from the thread of the camera."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class Signal:
    """Something has happened: every task that waits is woken."""

    def __init__(self) -> None:
        """Begin in the thread of the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()
        self.count = 0
        """How often it was notified."""

    def notify(self) -> None:
        """Wake the waiting tasks; call it from any thread."""
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            self._loop.call_soon_threadsafe(self._wake)

    async def wait(self, count: int, seconds: float) -> None:
        """Wait until it was notified more than ``count`` times, at most so long."""
        if self.count == count:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._event.wait(), seconds)

    def _wake(self) -> None:
        self.count += 1
        event, self._event = self._event, asyncio.Event()
        event.set()
