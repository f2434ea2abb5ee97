"""``mixer-edge serve`` in a process of its own, and requests to it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PATIENCE_S = 60

WITH_LIMITS = """
import sys
from mixer_edge.commands import serve
from mixer_edge.serve import server
from mixer_edge.serve.limits import Limits
limits = eval(sys.argv.pop(1), {"Limits": Limits})
plain = server.Options
server.Options = lambda **options: plain(**options, limits=limits)
from mixer_edge.cli import main
sys.exit(main())
"""
"""Runs the command with other limits than its own, which are too wide for a test."""


@dataclass(frozen=True)
class Reply:
    """The answer to a request."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Server:
    """A running server."""

    process: subprocess.Popen[str]
    url: str
    lines: list[str] = field(default_factory=list)
    """What it wrote on standard error until it listened."""

    @property
    def port(self) -> int:
        """Its port."""
        return urlsplit(self.url).port or 0

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Return the answer to one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return Reply(
                response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
            )
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Reply:
        """Return the answer to a GET; ``_`` in a header's name is ``-``."""
        return self.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    @contextmanager
    def connection(self) -> Iterator[socket.socket]:
        """A connection on which nothing was sent."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as connection:
            yield connection

    def stop(self, number: int = signal.SIGTERM) -> str:
        """Send a signal, and return what it wrote on standard error since it listened."""
        self.process.send_signal(number)
        assert self.process.stderr is not None
        patience = threading.Timer(PATIENCE_S, self.process.kill)
        patience.start()
        written = self.process.stderr.read()  # communicate would lose what was read ahead
        self.process.wait()
        patience.cancel()
        return written


@contextmanager
def serving(
    bundle: Path, *flags: str | Path, limits: str | None = None, environment: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """A server on a free port; ``limits``: a call of ``mixer_edge.serve.limits.Limits``."""
    command = [sys.executable, "-m", "mixer_edge"] if limits is None else [sys.executable, "-c", WITH_LIMITS, limits]
    process = subprocess.Popen(
        [*command, "serve", str(bundle), "--port", "0", *map(str, flags)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | dict(environment or {}),
    )
    lines: list[str] = []
    assert process.stderr is not None
    try:
        while not (lines and lines[-1].startswith("serving ")):
            line = process.stderr.readline()
            assert line, f"ended with {process.wait()}: {lines}"
            lines.append(line.rstrip("\n"))
        yield Server(process, lines[-1].split()[-1], lines)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(PATIENCE_S)
        process.stderr.close()


def until(condition: Callable[[], Any]) -> Any:
    """Return the first true value of a condition."""
    deadline = time.monotonic() + PATIENCE_S
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return value
