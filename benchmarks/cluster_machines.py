"""A scheduler of Dask and workers of one thread on this machine, and how many bytes go to and from the scheduler."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mixer_edge.cache import CACHE_VARIABLE

DASK = Path(sys.executable).with_name("dask")
START_S = 60


def cpu_s(pid: int) -> float:
    """Return the processor time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, kw_only=True)
class Machines:
    """Processes that have started."""

    address: str
    scheduler: int
    """Process id."""
    workers: tuple[int, ...]


@contextmanager
def machines(folder: Path, workers: int) -> Iterator[Machines]:
    """Yield a scheduler with so many workers of one thread; they are ended with the block.

    Raises:
        SystemExit: one does not start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str, arguments: Sequence[str], text: str) -> tuple[int, str]:
        log = folder / f"{name}.log"
        env = os.environ | {CACHE_VARIABLE: str(folder / name)}
        with log.open("wb") as file:
            command = [DASK, *arguments, "--host", "127.0.0.1", "--no-dashboard"]
            process = subprocess.Popen(command, stdout=file, stderr=file, env=env, cwd=folder)
        started.append(process)
        end = time.monotonic() + START_S
        while process.poll() is None and time.monotonic() < end:
            if found := re.search(rf"{text}\s*(\S+)", log.read_text()):
                return process.pid, found[1]
            time.sleep(0.05)
        raise SystemExit(f"{name} does not start:\n{log.read_text()}")

    try:
        scheduler, address = start("scheduler", ["scheduler", "--port", "0"], "Scheduler at:")
        flags = ["worker", address, "--nthreads", "1", "--no-nanny", "--local-directory"]
        pids = [
            start(f"worker-{number}", [*flags, str(folder / f"scratch-{number}")], "Registered to:")[0]
            for number in range(workers)
        ]
        yield Machines(address=address, scheduler=scheduler, workers=tuple(pids))
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait()


class Counter:
    """Passes connections on to a server of this machine, and counts the bytes in both directions."""

    def __init__(self, port: int) -> None:
        """Begin to listen."""
        self.sent = self.received = 0
        self._server = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """End all connections, and listen no more."""
        self._listener.close()
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server))
                self._sockets += [client, server]
                for source, target, name in ((client, server, "sent"), (server, client, "received")):
                    threading.Thread(target=self._pass, args=(source, target, name), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, name: str) -> None:
        with suppress(OSError):
            while content := source.recv(1 << 16):
                setattr(self, name, getattr(self, name) + len(content))
                target.sendall(content)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)
