"""Answers that go on: the events, and the live picture."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from mixer_edge.serve.limits import Limits
from mixer_edge.serve.live import Live
from mixer_edge.serve.signal import Signal
from mixer_edge.strict_json import line

HEARTBEAT_S = 1.0
BOUNDARY = "frame"


class Viewers:
    """The clients that hold a stream open."""

    def __init__(self, limits: Limits) -> None:
        """Begin with none."""
        self._limits, self._clients = limits, Counter[str]()

    def __len__(self) -> int:
        return self._clients.total()

    @contextmanager
    def place(self, request: Request) -> Iterator[None]:
        """Hold a place until the block ends.

        Raises:
            HTTPException: there is none.
        """
        client = request.client.host if request.client else ""
        if len(self) >= self._limits.streams or self._clients[client] >= self._limits.streams_per_client:
            raise HTTPException(503, f"{len(self)} of {self._limits.streams} streams are taken; close another page")
        self._clients[client] += 1
        try:
            yield
        finally:
            self._clients[client] -= 1
            self._clients += Counter()  # forget those at zero


class Stream(StreamingResponse):
    """A stream that leaves its place when it ends, however it ends."""

    def __init__(self, content: AsyncIterator[bytes], media_type: str, place: AbstractContextManager[None]) -> None:
        """Take the place now: without one, the answer can still be an error."""
        super().__init__(content, media_type=media_type)
        place.__enter__()
        self._place = place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the content ends or the client leaves."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._place.__exit__(None, None, None)


async def events(live: Live, signal: Signal, state: Callable[[], Any]) -> AsyncIterator[bytes]:
    """Yield server-sent events: ``state`` at once and every second, and ``change`` as soon as there is one."""
    loop = asyncio.get_running_loop()
    newest = live.last_change
    due = loop.time()
    while not live.closed:
        count = signal.count
        for change in reversed(live.changes()):
            if change.number > newest:
                newest = change.number
                yield _event("change", line(change))
        if loop.time() >= due:
            yield _event("state", line(await asyncio.to_thread(state)))
            due = loop.time() + HEARTBEAT_S
        await signal.wait(count, due - loop.time())


async def pictures(live: Live, signal: Signal) -> AsyncIterator[bytes]:
    """Yield the newest frame again and again, as parts of ``multipart/x-mixed-replace``, until the source ends."""
    number = 0
    yield f"--{BOUNDARY}\r\n".encode()
    while True:
        count = signal.count
        if (newest := await asyncio.to_thread(live.jpeg)) is not None and newest[0] != number:
            number, jpeg = newest
            head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n".encode()
            # a browser shows a part when it sees the next boundary
            yield head + jpeg + f"\r\n--{BOUNDARY}\r\n".encode()
        elif not live.running:
            return
        else:
            await signal.wait(count, HEARTBEAT_S)


def _event(name: str, data: str) -> bytes:
    return f"event: {name}\ndata: {data}\n\n".encode()
