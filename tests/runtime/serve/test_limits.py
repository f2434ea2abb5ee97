"""Too much, too many, too slow: each has an answer or an end."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.serving import Server, serving, until

LIMITS = (
    "Limits(body_bytes=20_000, body_s=0.5, header_bytes=4096, header_s=0.5, stalled_s=0.5, connections=14, "
    "bodies_bytes=50_000, "
    "connections_per_client=12, streams=3, streams_per_client=3, queue=2, batch=8)"
)


@pytest.fixture(scope="module")
def narrow(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory, png: bytes) -> Iterator[Server]:
    """A server with narrow limits, and a source of one picture."""
    folder = tmp_path_factory.mktemp("source")
    (folder / "a.png").write_bytes(png)
    with serving(tiny_bundle, "--source", folder, limits=LIMITS) as running:
        yield running
        assert running.stop() == ""


def _rest(connection: socket.socket) -> bytes:
    """Return what comes until the server closes the connection."""
    content = b""
    while True:
        try:
            part = connection.recv(65536)
        except ConnectionResetError:
            return content
        if not part:
            return content
        content += part


def test_a_large_body_is_refused(narrow: Server, png: bytes) -> None:
    """The message says how much is allowed; the answer comes before the body ends."""
    reply = narrow.request("POST", "/v1/classify", b"x" * 20_001)
    assert (reply.status, reply.json) == (413, {"error": "the body has more than 20,000 bytes"})
    assert narrow.request("POST", "/v1/classify", png).status == 200
    with narrow.connection() as connection:
        connection.sendall(
            b"POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999999\r\n\r\n" + b"x" * 30_000
        )
        assert _rest(connection).startswith(b"HTTP/1.1 413 ")


def test_a_slow_body_is_refused(narrow: Server) -> None:
    """A body that does not come is answered, and the connection is closed."""
    with narrow.connection() as connection:
        connection.sendall(b"POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc")
        answer = _rest(connection)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert answer.endswith(b'{"error": "the body took longer than 0.5 s"}')


@pytest.mark.parametrize("start", [b"", b"GET /healthz HTTP/1.1\r\nHost: local"])
def test_a_slow_head_ends_the_connection(narrow: Server, start: bytes) -> None:
    """Neither silence nor a head that drips in holds a connection."""
    with narrow.connection() as connection:
        connection.sendall(start)
        assert _rest(connection).startswith(b"HTTP/1.1 408 ")


def test_a_slow_second_head_ends_the_connection(narrow: Server) -> None:
    """The clock runs for each request on a connection."""
    with narrow.connection() as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"GET /heal")
        assert b"HTTP/1.1" not in _rest(connection)


def test_a_body_that_nobody_reads_ends_the_connection(narrow: Server) -> None:
    """After an early answer, the rest of the body cannot drip in for ever."""
    with narrow.connection() as connection:
        connection.sendall(b"POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 404 ")
        connection.sendall(b"abc")
        assert b"HTTP/1.1" not in _rest(connection)


def test_a_large_head_is_refused(narrow: Server) -> None:
    """Headers are bounded."""
    with narrow.connection() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000)
        assert _rest(connection).startswith(b"HTTP/1.1 400 ")


def test_a_client_has_only_so_many_connections(narrow: Server) -> None:
    """One more is answered with 503 and closed; a closed one makes room."""
    with ExitStack() as stack:
        for _ in range(12):
            connection = stack.enter_context(narrow.connection())
            connection.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until(lambda: _refused(narrow))
    until(lambda: not _refused(narrow))


def _refused(server: Server) -> bool:
    with server.connection() as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = _rest(connection)
    if answer.startswith(b"HTTP/1.1 503 "):
        assert b"\r\nRetry-After: 1\r\n" in answer
        return True
    return False


def test_streams_are_counted(narrow: Server) -> None:
    """The fourth viewer is told to come again; a viewer that leaves makes room."""
    with ExitStack() as stack:
        for _ in range(3):
            connection = stack.enter_context(narrow.connection())
            connection.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        reply = narrow.get("/events")
        assert (reply.status, reply.headers["retry-after"]) == (503, "1")
        assert reply.json == {"error": "3 of 3 streams are taken; close another page"}
        assert narrow.get("/v1/state").json["viewers"] == 3
    until(lambda: narrow.get("/v1/state").json["viewers"] == 0)


def test_a_viewer_that_does_not_read_is_disconnected(narrow: Server) -> None:
    """A request's unread answers fill the buffers; then the server closes, and goes on."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", narrow.port))
        connection.settimeout(60)
        request = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
        with pytest.raises(OSError, match="reset|pipe"):
            while True:
                connection.sendall(request * 100)
    assert narrow.get("/healthz").status == 200


def test_a_full_queue_is_said_at_once(narrow: Server, png: bytes) -> None:
    """More pictures than the queue holds are refused with the time to come again, and none of them is computed."""
    data = ", ".join(['"aGVsbG8="'] * 3)
    body = f'{{"inputs": [{{"name": "image", "datatype": "BYTES", "shape": [3], "data": [{data}]}}]}}'
    reply = narrow.request("POST", "/v2/models/tiny/infer", body.encode())
    assert (reply.status, reply.headers["retry-after"]) == (503, "1")
    assert reply.json == {"error": "0 pictures wait already, at most 2 may; try again soon"}


def test_all_bodies_together_are_bounded(narrow: Server, png: bytes) -> None:
    """Three clients that hold back the rest of their bodies leave no room for a fourth; then there is room again."""
    head = b"POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 19000\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(narrow.connection()).sendall(head + b"x" * 18_000)
        with narrow.connection() as connection:
            connection.sendall(head + b"x" * 19_000)
            answer = _rest(connection)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert answer.endswith(b'{"error": "all requests together have more than 50,000 bytes"}')
    until(lambda: narrow.request("POST", "/v1/classify", png).status == 200)


def test_the_rest_of_a_refused_body_is_not_parsed(narrow: Server) -> None:
    """Chunks after an answer are dropped unread, and the connection ends."""
    with narrow.connection() as connection:
        connection.sendall(b"POST /nothing HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 404 ")
        connection.sendall(b"1\r\nx\r\n" * 10 + b"this is no chunk")
        assert b"HTTP/1.1" not in _rest(connection)


@pytest.mark.parametrize("path", ["/events", "/stream.mjpg"])
def test_a_stream_has_no_head_and_no_body(narrow: Server, path: str) -> None:
    """HEAD would never end, and nobody would read the body."""
    assert narrow.request("HEAD", path).status == 405
    reply = narrow.request("GET", path, b"body")
    assert (reply.status, reply.json) == (400, {"error": "a GET request has no body"})


def test_a_viewer_that_takes_nothing_is_left(narrow: Server) -> None:
    """A stream of small events ends, too, when its client takes nothing."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.connect(("127.0.0.1", narrow.port))
        connection.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until(lambda: narrow.get("/v1/state").json["viewers"] == 1)
        until(lambda: narrow.get("/v1/state").json["viewers"] == 0)
