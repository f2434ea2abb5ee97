"""Connections with limits: how many, how slow their requests may come, and how slow their answers may be read."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from mixer_edge.serve.limits import Limits

_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_READ_BYTES = 65_536
"""What asyncio reads at once, and so how long h11 may keep the event loop: it parses tiny chunks slowly."""
_LINGER_S = 2
"""How long a client may go on sending after its answer."""
_SLOW = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def limited_protocol(limits: Limits) -> type[H11Protocol]:
    """Return uvicorn's protocol with these limits. Its own timer only covers the pause between two requests."""
    clients: Counter[str] = Counter()

    class LimitedProtocol(H11Protocol):
        _slow: asyncio.TimerHandle | None = None
        _stalled: asyncio.TimerHandle | None = None
        _address: str | None = None
        _leaving = False

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            address = self.client[0] if self.client else ""
            if clients[address] >= limits.connections_per_client or clients.total() >= limits.connections:
                transport.write(_BUSY)
                transport.close()
                return
            self._address = address
            clients[address] += 1
            transport.max_size = _READ_BYTES  # type: ignore[attr-defined]
            self._watch()

        def data_received(self, data: bytes) -> None:
            if self._leaving:
                return
            super().data_received(data)
            self._watch()
            if self.cycle is not None and self.cycle.response_complete and self.conn.their_state is h11.SEND_BODY:
                # the body of a request that is answered already: it is not even parsed, but its sender reads the answer
                self._leaving = True
                self._cancel("_slow")
                self._slow = self.loop.call_later(_LINGER_S, self._too_slow)

        def pause_writing(self) -> None:
            super().pause_writing()
            self._stalled = self.loop.call_later(limits.stalled_s, self.transport.abort)

        def resume_writing(self) -> None:
            super().resume_writing()
            self._cancel("_stalled")

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            self._cancel("_slow")
            self._cancel("_stalled")
            if self._address is not None:
                clients[self._address] -= 1
                if not clients[self._address]:
                    del clients[self._address]
                self._address = None

        def _watch(self) -> None:
            """Run the clock while a request's head comes, or a body that nobody reads."""
            if self.cycle is not None and not self.cycle.response_complete:
                self._cancel("_slow")
            elif self._slow is None and not self.transport.is_closing():
                self._slow = self.loop.call_later(limits.header_s, self._too_slow)

        def _too_slow(self) -> None:
            self._slow = None
            if not self.transport.is_closing():
                if self.cycle is None:
                    self.transport.write(_SLOW)
                self.transport.close()

        def _cancel(self, name: str) -> None:
            timer: Any = getattr(self, name)
            if timer is not None:
                timer.cancel()
                setattr(self, name, None)

    return LimitedProtocol
