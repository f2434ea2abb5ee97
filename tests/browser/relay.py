"""A network between a browser and a server, that a test can break."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Relay:
    """Passes connections on to a server on a port of this machine, from a port of its own."""

    def __init__(self, port: int) -> None:
        """Begin to listen."""
        self._server = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._passes = threading.Event()
        self._passes.set()
        self._open: dict[socket.socket, bytes] = {}
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """The address of the server's page through this relay."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/"

    @contextmanager
    def silence(self) -> Iterator[None]:
        """Pass nothing on until the block ends; nobody is told."""
        self._passes.clear()
        try:
            yield
        finally:
            self._passes.set()

    def cut(self, path: str = "") -> int:
        """Cut the connections whose first request was for ``path``, and return their number."""
        found = [each for each, request in list(self._open.items()) if request.startswith(f"GET {path}".encode())]
        for each in found:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        return len(found)

    def close(self) -> None:
        """End all connections, and listen no more."""
        self._listener.close()
        self._passes.set()
        self.cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), client, socket.create_connection(("127.0.0.1", self._server)) as server:
            back = threading.Thread(target=self._pass, args=(server, client), daemon=True)
            back.start()
            self._pass(client, server)
            back.join()
        self._open.pop(client, None)

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while content := source.recv(65536):
                self._open[source] = content[:200]
                self._passes.wait()
                target.sendall(content)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
