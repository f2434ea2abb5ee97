"""A loopback server with configurable faults, archives, and a separate cache for each test."""

from __future__ import annotations

import http.server
import io
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.export.conftest import TWINS


@dataclass(kw_only=True)
class Reply:
    """The server's reply at one address."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    sent: int | None = None
    """How many bytes of the body go out before the connection breaks; None for all."""
    stalls: bool = False
    """Whether the connection stays open and silent instead of breaking."""


class Server:
    """Answers at ``url`` with ``replies`` (by path with its query) and keeps the requests it got."""

    def __init__(self) -> None:
        """Listen on a free port of the loopback interface."""
        self.replies: dict[str, Reply] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.ending = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *_: object) -> None:
                """Keep the test's output clean."""

        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        """Send the reply for a request; a range is honoured if its ETag is still the reply's."""
        self.requests.append((handler.path, handler.headers["Range"]))
        reply = self.replies.get(handler.path, Reply(status=404))
        start, status = 0, reply.status
        if handler.headers["Range"] and handler.headers["If-Range"] == reply.headers.get("ETag"):
            start, status = int(handler.headers["Range"].removeprefix("bytes=").removesuffix("-")), 206
        handler.send_response(status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(reply.body) - start))
        handler.end_headers()
        handler.wfile.write(reply.body[start : reply.sent])
        handler.wfile.flush()
        if reply.stalls:
            self.ending.wait()

    def serve_module(self, name: str, archive: bytes) -> str:
        """Serve an archive as the Hub does, behind a redirect, and return the module's handle."""
        self.replies[f"/{name}/1?tf-hub-format=compressed"] = Reply(status=302, headers={"Location": f"/{name}.tar.gz"})
        self.replies[f"/{name}.tar.gz"] = Reply(body=archive)
        return f"{self.url}/{name}/1"

    def close(self) -> None:
        """Stop listening and close stalled connections."""
        self.ending.set()
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    """A server without any address yet."""
    server = Server()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a long timeout for a busy machine."""
    monkeypatch.setenv("MIXER_EDGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MIXER_EDGE_TIMEOUT", "60")
    for name in ("TFHUB_CACHE_DIR", "MIXER_EDGE_HUB_URL", "MIXER_EDGE_NPZ_URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache"


def archive_of(**members: bytes) -> bytes:
    """Return a .tar.gz with these members."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def archive_of_link(name: str, target: str) -> bytes:
    """Return a .tar.gz with one symbolic link."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = tarfile.SYMTYPE, target
        tar.addfile(member)
    return stream.getvalue()


@pytest.fixture
def bad_archives(twin_archive: bytes) -> dict[str, bytes]:
    """Archives that must be refused, by their fault."""
    middle = len(twin_archive) // 2
    return {
        "no archive": b"<html>sign in</html>",
        "truncated": twin_archive[:middle],
        "damaged": twin_archive[:5000] + bytes(100) + twin_archive[5100:],
        "climbs out": archive_of(**{"../evil": b"x"}),
        "link": archive_of_link("saved_model.pb", "/etc/hostname"),
        "no model": archive_of(**{"readme.txt": b"x"}),
        "graph alone": archive_of(**{"saved_model.pb": member_of(twin_archive, "./saved_model.pb")}),
    }


@pytest.fixture(scope="session")
def twin_archive() -> bytes:
    """The twin with 12 blocks as the Hub serves it."""
    return (TWINS / "mixer_12_blocks" / "saved_model.tar.gz").read_bytes()


def member_of(archive: bytes, name: str) -> bytes:
    """Return the content of one member of a .tar.gz."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        content = tar.extractfile(name)
        if content is None:
            raise KeyError(name)
        return content.read()
