"""The clients of a server, and what is promised of ours."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import pytest
from benchmarks.clients import Client, Reply, form, get, post, rate
from benchmarks.serve_page import page, verdicts

KEPT = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfirst"
CLOSED = b"HTTP/1.1 404 Not Found\r\nContent-Length: 6\r\nConnection: close\r\n\r\nsecond"
OLD = b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"


class Scripted:
    """A server that gives these answers, one for each request, in the connections in which they are grouped."""

    def __init__(self, connections: Sequence[Sequence[bytes]]) -> None:
        self.requests: list[bytes] = []
        self.closed = threading.Semaphore(0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, args=(connections,))

    def __enter__(self) -> Scripted:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self._listener.close()

    def _run(self, connections: Sequence[Sequence[bytes]]) -> None:
        for answers in connections:
            with closing(self._listener.accept()[0]) as connection:
                for answer in answers:
                    self.requests.append(connection.recv(65536))
                    connection.sendall(answer)
            self.closed.release()


def test_a_connection_is_kept_until_the_server_closes_it() -> None:
    """Two requests go through the first connection, and the next ones through others."""
    with Scripted([[KEPT, CLOSED], [OLD], [KEPT]]) as server, Client(server.port) as client:
        replies = [client.ask(get(f"/{number}")) for number in range(4)]
    assert [(reply.status, reply.body) for reply in replies] == [
        (200, b"first"),
        (404, b"second"),
        (200, b""),
        (200, b"first"),
    ]
    assert server.requests == [b"GET /%d HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % number for number in range(4)]


def test_a_connection_that_was_closed_meanwhile() -> None:
    """The next request goes through another one."""
    with Scripted([[KEPT], [OLD]]) as server, Client(server.port) as client:
        assert client.ask(get("/")).body == b"first"
        assert server.closed.acquire(timeout=60)
        assert client.ask(get("/")).body == b""


def test_an_answer_that_is_cut_off() -> None:
    """It is an error, not a short answer."""
    with (
        Scripted([[KEPT[:-1]]]) as server,
        Client(server.port) as client,
        pytest.raises(ConnectionError, match="^the server has closed the connection before its answer was complete$"),
    ):
        client.ask(get("/"))


def test_requests() -> None:
    """A body has its length and its type, and a form one file."""
    assert post("/a", b"xyz") == (
        b"POST /a HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/jpeg\r\nContent-Length: 3\r\n\r\nxyz"
    )
    head, _, body = form("/a", b"xyz").partition(b"\r\n\r\n")
    assert b"Content-Length: %d" % len(body) in head
    assert body == (
        b'--part\r\nContent-Disposition: form-data; name="picture"; filename="a.png"\r\n\r\nxyz\r\n--part--\r\n'
    )


def test_rate() -> None:
    """Three answers within a second are two in a second after the first."""
    replies = [Reply(status=200, body=b"", seconds=0.1, at=at) for at in (5.0, 5.1, 6.0)]
    assert rate(replies) == 2


def spread(median: float) -> dict[str, float]:
    """A median with quartiles."""
    return {"median": median, "low": median - 0.1, "high": median + 0.1}


def results(growth: float, threads: int) -> dict[str, Any]:
    """Results of two parts."""
    before, after = ({"resident_mib": 80.0, "threads": count, "files": 10} for count in (12, threads))
    soak = {"requests": 5000, "streams": 50, "said": [], "before": before, "after": after, "growth_mb": growth}
    rows = {"mixer-edge classify": spread(1), "mixer-edge serve": spread(1.25)}
    rows = {name: {"ratio": ratio, "wall_s": ratio} for name, ratio in rows.items()}
    return {
        "soak": {"figures": soak},
        "start": {"figures": {"rows": {"digits": rows}, "idle_mib": 66.7}},
    }


def test_verdicts() -> None:
    """Each bound is compared with the median."""
    assert list(verdicts(results(growth=10.1, threads=12))) == [
        ("after 5,000 requests and 50 streams: growth of memory", "at most 10 MB", "10.1 MB", False),
        ("after 5,000 requests and 50 streams: threads", "as before", "12, before 12", True),
        ("after 5,000 requests and 50 streams: open files", "as before", "10, before 10", True),
        ("after 5,000 requests and 50 streams: lines in the log", "none", "0", True),
        ("start to first answer, digits, to `classify`", "at most 1.2", "1.25 (1.15 to 1.35)", False),
        ("peak memory of the idle server, digits", "at most 100 MB", "70 MB", True),
    ]
    assert [kept for *_, kept in verdicts(results(growth=0.1, threads=13))] == [True, False, True, True, False, True]


def test_page() -> None:
    """A bound that is not kept is printed in bold."""
    lines = page(results(growth=0, threads=12)).splitlines()
    assert lines[2] == "| after 5,000 requests and 50 streams: growth of memory | at most 10 MB | 0.0 MB | yes |"
    assert lines[6] == "| start to first answer, digits, to `classify` | at most 1.2 | 1.25 (1.15 to 1.35) | **no** |"
    assert lines[-1] == "| digits | mixer-edge serve | 1.25 (1.15 to 1.35) | 1.25 |"
