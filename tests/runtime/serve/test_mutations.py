"""Damaged pictures and damaged requests: an answer or a closed connection, never a crash, never a traceback."""

from __future__ import annotations

import json
import random
import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tests.contract.test_mutated_images import mutate, originals
from tests.serving import serving

COUNT = 500
GOOD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def _requests(png: bytes) -> list[bytes]:
    """Return a request of each kind, whole."""
    part = b'--b\r\nContent-Disposition: form-data; name="f"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
    form = part + png + b"\r\n--b--\r\n"
    tensor = {"name": "pixels", "datatype": "UINT8", "shape": [1, 2, 2, 3], "data": list(range(12))}
    infer = json.dumps({"id": "1", "inputs": [tensor], "outputs": [{"name": "label"}]}).encode()
    size = {"binary_data_size": len(png) + 4}
    head = json.dumps({"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "parameters": size}]}).encode()
    binary = head + len(png).to_bytes(4, "little") + png
    return [
        GOOD,
        b"GET /v1/changes/1.jpg HTTP/1.1\r\nHost: localhost\r\nCookie: mixer-edge-token=abc\r\n\r\n",
        b"GET /v1/model?top_k=5&x=%C3%A9 HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n\r\n",
        b"POST /v1/classify?top_k=3 HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(png) + png,
        b"POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        b"Content-Length: %d\r\n\r\n" % len(form) + form,
        b"POST /v2/models/tiny/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(infer) + infer,
        b"POST /v2/models/tiny/infer HTTP/1.1\r\nHost: localhost\r\nInference-Header-Content-Length: %d\r\n"
        b"Content-Length: %d\r\n\r\n" % (len(head), len(binary)) + binary,
        b"POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(png)
        + png
        + b"\r\n0\r\n\r\n",
    ]


_HOSTILE = [
    b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /v1/changes/%00.jpg HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /v1/changes/\xff\xfe.jpg HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /v1/changes/%ff%fe.jpg HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /v1/changes/" + b"9" * 5000 + b".jpg HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST /v2/models/tiny/infer HTTP/1.1\r\nHost: localhost\r\nInference-Header-Content-Length: "
    + b"0" * 5000
    + b"1\r\nContent-Length: 2\r\n\r\n{}",
    b"POST /v1/classify?top_k=" + b"9" * 5000 + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\na",
    b"GET /v1/changes/\xc2\xb2.jpg HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET http://localhost/v1/model HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
    b"GET /events HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
    b"POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    b"POST /v2/models/tiny/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"0\r\n\r\n",
    b"POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    b"POST /v1/classify?top_k=\xd9\xa3 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\na",
    b"POST /v1/classify?top_k=%D9%A3 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\na",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: " + b"a=b; " * 2000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(1000)) + b"\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \xff\xfe\r\n\r\n",
    b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
]


def _ask(port: int, request: bytes) -> str:
    """Send a request; return the status of the answer, or ``closed`` if the server ends the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        try:
            connection.sendall(request)
            answer = connection.recv(65536)
        except (ConnectionResetError, BrokenPipeError):
            return "closed"
    return answer[9:12].decode() if answer.startswith(b"HTTP/1.1 ") else "closed"


def test_damaged_requests_never_stop_the_server(tiny_bundle: Path, png: bytes) -> None:
    """500 seeded mutations and the known tricks: no status above 499 but 503, no traceback, still alive."""
    rng, whole = random.Random(0), _requests(png)
    damaged = [mutate(whole[number % len(whole)], rng) for number in range(COUNT)]
    with (
        serving(tiny_bundle, limits="Limits(header_s=1, body_s=1)") as server,
        ThreadPoolExecutor(24) as clients,  # an incomplete request has its answer after a second
    ):
        for request in whole:
            assert _ask(server.port, request) in ("200", "404"), request
        statuses = Counter(clients.map(partial(_ask, server.port), damaged + _HOSTILE))
        assert not [status for status in statuses if status.startswith("5") and status != "503"], statuses
        assert statuses["400"] > 50, statuses
        assert _ask(server.port, GOOD) == "200"
        assert server.stop() == ""


def test_damaged_pictures_never_stop_the_server(tiny_bundle: Path) -> None:
    """500 seeded mutations of pictures of every format: an answer, or 400 with one line."""
    rng, files = random.Random(1), originals()
    with serving(tiny_bundle) as server:
        replies = [server.request("POST", "/v1/classify", mutate(files[n % len(files)][1], rng)) for n in range(COUNT)]
        assert {reply.status for reply in replies} == {200, 400}
        assert all("\n" not in reply.json["error"] for reply in replies if reply.status == 400)
        assert server.get("/healthz").status == 200
        assert "Traceback" not in server.stop()
