"""Clients of a server on this machine: raw requests over kept connections, so cheap that only the server is timed."""

from __future__ import annotations

import re
import select
import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

TIMEOUT_S = 60
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close\r\n", re.IGNORECASE)


def get(path: str) -> bytes:
    """Return a request."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


def post(path: str, body: bytes, media_type: str = "image/jpeg") -> bytes:
    """Return a request with a body."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def form(path: str, body: bytes) -> bytes:
    """Return a request whose body is a form with one file."""
    head = b'--part\r\nContent-Disposition: form-data; name="picture"; filename="a.png"\r\n\r\n'
    return post(path, head + body + b"\r\n--part--\r\n", "multipart/form-data; boundary=part")


@dataclass(frozen=True, kw_only=True)
class Reply:
    """The answer to a request."""

    status: int
    body: bytes
    seconds: float
    """From the first byte sent to the last one received."""
    at: float
    """When it was complete, on the clock of ``time.perf_counter``."""


class Client:
    """One client. Its connection is kept, and opened again after a server has closed it."""

    def __init__(self, port: int) -> None:
        """Begin without a connection."""
        self._port, self._socket = port, None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, request: bytes) -> Reply:
        """Return the answer.

        Raises:
            ConnectionError: the server has cut it off.
        """
        start = time.perf_counter()
        if self._socket is not None and select.select([self._socket], [], [], 0)[0]:
            self.close()  # the server has closed it meanwhile
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), TIMEOUT_S)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(request)
        head, body = self._head()
        found = _LENGTH.search(head)
        if found is None:
            raise ConnectionError(f"an answer without its length: {head[:200]!r}")
        while len(body) < int(found[1]):
            body += self._receive()
        end = time.perf_counter()
        if _CLOSE.search(head) or head.startswith(b"HTTP/1.0"):
            self.close()
        return Reply(status=int(head[9:12]), body=body, seconds=end - start, at=end)

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _head(self) -> tuple[bytes, bytes]:
        """Return the head of an answer with its last line's end, and what has come of the body."""
        received = b""
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._receive()
        return received[: end + 2], received[end + 4 :]

    def _receive(self) -> bytes:
        if not (received := self._socket.recv(65536)):
            raise ConnectionError("the server has closed the connection before its answer was complete")
        return received


def load(port: int, requests: Sequence[bytes], *, clients: int, seconds: float) -> list[Reply]:
    """Return the answers that many clients, each with the next request after an answer, get in that time, by time.

    Raises:
        ConnectionError: the server has cut one off.
    """
    end = time.perf_counter() + seconds

    def ask(number: int) -> list[Reply]:
        found = []
        with Client(port) as client:
            while time.perf_counter() < end:
                found.append(client.ask(requests[(number + len(found)) % len(requests)]))
        return found

    with ThreadPoolExecutor(clients) as pool:
        replies = [reply for found in pool.map(ask, range(clients)) for reply in found]
    return sorted((reply for reply in replies if reply.at <= end), key=lambda reply: reply.at)


def rate(replies: Sequence[Reply]) -> float:
    """Return the answers per second between the first and the last of them."""
    return (len(replies) - 1) / (replies[-1].at - replies[0].at)
