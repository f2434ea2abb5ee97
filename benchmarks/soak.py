"""What a server keeps after very many requests and streams: memory, threads, and open files."""

from __future__ import annotations

import json
import random
import socket
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.clients import Client, form, get, post
from benchmarks.serve_load import POLL_S, wait_for_frame, write_frames
from benchmarks.servers import Server, mixer_edge, serving

REQUESTS, STREAMS = 100_000, 1_000
WARM_UP, WARM_UP_STREAMS = 0.1, 100
"""The part of the requests, and the streams, after which the server has started all its threads."""
CLIENTS, VIEWERS, SETTLE_S = 4, 4, 30
WARM_UP_CLIENTS, WARM_UP_VIEWERS = 24, 8
"""More than later: a pool of threads starts another only if all are busy."""
OPENED, WATCHED_S, ATTEMPTS = b"HTTP/1.1 200 ", 1.5, 100
LONGEST = 20_000
"""Bytes of a stream after which it is cut at the latest."""


def requests(name: str, picture: bytes) -> dict[str, tuple[bytes, int]]:
    """Return what is asked in turn: requests, good and bad, with the status that is right."""
    size = {"binary_data_size": 4 + len(picture)}
    infer = json.dumps({"inputs": [{"name": "image", "shape": [1], "datatype": "BYTES", "parameters": size}]}).encode()
    binary = post(f"/v2/models/{name}/infer", infer + struct.pack("<I", len(picture)) + picture)
    header = b"Inference-Header-Content-Length: %d\r\n" % len(infer)
    return {
        "a picture": (post("/v1/classify", picture), 200),
        "a form": (form("/v1/classify", picture), 200),
        "inference": (binary.replace(b"Content-Type:", header + b"Content-Type:", 1), 200),
        "half a picture": (post("/v1/classify", picture[: len(picture) // 2]), 400),
        "no picture": (post("/v1/classify", b"no picture"), 400),
        "nothing": (post("/v1/classify", b""), 400),
        "inference of nothing": (post(f"/v2/models/{name}/infer", b"{}", "application/json"), 400),
        "no such page": (get("/v1/nothing"), 404),
    }


def soak(bundle: Path, name: str, picture: bytes, scale: float) -> dict[str, Any]:
    """Return memory, threads and files of our server after a tenth of the requests and streams, and after all of them.

    Args:
        bundle: what it serves.
        name: of the bundle's model.
        picture: a small picture file.
        scale: of the numbers of requests and streams.

    Raises:
        SystemExit: an answer has another status than it should.
    """
    asked, streams = int(REQUESTS * scale), int(STREAMS * scale)
    with tempfile.TemporaryDirectory() as folder:
        write_frames(Path(folder), picture)
        with serving(mixer_edge(bundle, "--source", folder)) as server:
            idle_files = _idle_files(server)
            crowd = WARM_UP_CLIENTS, WARM_UP_VIEWERS
            counted = _burden(server, requests(name, picture), int(asked * WARM_UP), WARM_UP_STREAMS, crowd)
            before = _settled(server, idle_files)
            start = time.perf_counter()
            counted += _burden(server, requests(name, picture), asked, streams)
            seconds = time.perf_counter() - start
            after = _settled(server, idle_files)
            said = list(server.said)[1:]
    return {
        "requests": asked,
        "streams": streams,
        "seconds": seconds,
        "answers": dict(counted),
        "said": said,
        "before": before,
        "after": after,
        "growth_mb": (after["resident_mib"] - before["resident_mib"]) * 2**20 / 1e6,
    }


def _burden(
    server: Server,
    mixed: dict[str, tuple[bytes, int]],
    asked: int,
    streams: int,
    crowd: tuple[int, int] = (CLIENTS, VIEWERS),
) -> Counter[str]:
    """Send the requests from several clients, and open and cut the streams meanwhile; return the answers by kind."""
    print(f"{asked} requests and {streams} streams", file=sys.stderr)
    clients, viewers = crowd
    with ThreadPoolExecutor(clients + viewers) as pool:
        cut = [pool.submit(_cut_streams, server.port, range(first, streams, viewers)) for first in range(viewers)]
        shares = [range(first, asked, clients) for first in range(clients)]
        answers = [pool.submit(_ask, server.port, list(mixed.items()), share) for share in shares]
        for each in cut:
            each.result()
        return sum((each.result() for each in answers), Counter())


def _ask(port: int, mixed: Sequence[tuple[str, tuple[bytes, int]]], numbers: range) -> Counter[str]:
    counted: Counter[str] = Counter()
    with Client(port) as client:
        for turn in range(len(numbers)):
            kind, (request, status) = mixed[(turn + numbers.start) % len(mixed)]
            reply = client.ask(request)
            if reply.status != status:
                raise SystemExit(f"{kind}: status {reply.status}, expected {status}: {reply.body[:200]!r}")
            counted[f"{kind}, {reply.status}"] += 1
    return counted


def _cut_streams(port: int, numbers: range) -> None:
    """Open streams and cut them; one that is refused, as the ends of others are not known yet, is opened again.

    Raises:
        SystemExit: one is refused again and again.
    """
    for number in numbers:
        for _ in range(ATTEMPTS):
            received = _cut_stream(port, random.Random(number))
            if received.startswith(OPENED[: len(received)]):
                break
            time.sleep(POLL_S)
        else:
            raise SystemExit(f"a stream is refused again and again: {received!r}")


def _cut_stream(port: int, draw: random.Random) -> bytes:
    """Open a stream, cut it somewhere, and return what was read; half of the cuts are resets instead of farewells."""
    request = get(draw.choice(("/events", "/stream.mjpg")))
    with socket.create_connection(("127.0.0.1", port)) as viewer:
        if draw.random() < 0.5:
            viewer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if draw.random() < 0.1:
            viewer.sendall(request[: draw.randrange(len(request))])
            return b""
        try:
            viewer.sendall(request)
            return _read(viewer, int(LONGEST ** draw.random()))
        except ConnectionError as error:
            return str(error).encode()


def _read(viewer: socket.socket, most: int) -> bytes:
    """Return that many bytes, or those that come within a while: events are few."""
    received, end = b"", time.monotonic() + WATCHED_S
    viewer.settimeout(WATCHED_S)
    with suppress(TimeoutError):
        while len(received) < most and time.monotonic() < end and (more := viewer.recv(most - len(received))):
            received += more
    return received


def _idle_files(server: Server) -> int:
    """Return the number of open files of a server without clients; its source may be reading a picture just now."""
    wait_for_frame(server.port)
    return min(_counts(server)["files"] for _ in range(20) if not time.sleep(POLL_S))


def _settled(server: Server, idle_files: int) -> dict[str, float]:
    """Return the counts of a server when all connections have ended; those at the end of a while if some do not end."""
    end = time.monotonic() + SETTLE_S
    while (found := _counts(server))["files"] > idle_files and time.monotonic() < end:
        time.sleep(POLL_S)
    return found


def _counts(server: Server) -> dict[str, float]:
    return {"resident_mib": server.memory_mib("VmRSS"), "threads": server.count("task"), "files": server.count("fd")}
