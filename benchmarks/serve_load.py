"""What a server adds to the network: one client beside the same call in process, many clients beside the network."""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.clients import Client, Reply, get, load, post, rate
from benchmarks.measure import in_turns, spreads
from benchmarks.servers import Server, serving

from mixer_edge.classifier import Classifier
from mixer_edge.stopwatch import times_ms

OURS, IN_PROCESS, NETWORK = "mixer-edge serve", "in process", "the network alone"
CAMERA, CAMERA_ALONE = "mixer-edge serve with a source", "its source alone"
BLOCK, CLIENTS, WARM_UP, FRAMES, POLL_S = 10, 16, 5, 20_000, 0.05
PATH = "/v1/classify"
Commands = Mapping[str, Sequence[str | Path]]


def latency(classifier: Classifier, commands: Commands, photo: bytes, turns: int) -> dict[str, Any]:
    """Return the time from a JPEG file to its label: in this process, and from each server to one client."""
    request = post(PATH, photo)
    calls = {IN_PROCESS: lambda: _median_ms(lambda: classifier.classify(photo))}
    best = {IN_PROCESS: classifier.classify(photo)[0].index}
    with ExitStack() as stack:
        for name, command in commands.items():
            client = stack.enter_context(Client(stack.enter_context(serving(command)).port))
            best[name] = json.loads(client.ask(request).body)["categories"][0]["index"]
            calls[name] = lambda client=client: _median_ms(lambda: client.ask(request))
        print(f"one client: {turns} turns of {', '.join(calls)}", file=sys.stderr)
        rows = spreads(in_turns(calls, turns), IN_PROCESS, "wall_ms")
    return {name: row | {"class": best[name]} for name, row in rows.items()}


def _median_ms(call: Callable[[], object]) -> float:
    return float(np.median(times_ms(call, BLOCK, warm_up=1)))


def throughput(
    classifier: Classifier, commands: Commands, photo: bytes, *, turns: int, seconds: float
) -> dict[str, Any]:
    """Return the pictures per second of the network alone and of each server with many clients.

    Servers run one at a time. With a source, its frames count as pictures too.

    Args:
        classifier: the network, on as many threads as the servers have.
        commands: of the servers; ours is also run with a source of ten frames per second and an open stream.
        photo: what the clients send, a JPEG file.
        turns: of every server.
        seconds: of load in each turn.
    """
    request = post(PATH, photo)
    replies: dict[str, list[Reply]] = {name: [] for name in (*commands, CAMERA)}
    cpu: dict[str, list[float]] = {name: [] for name in commands}
    fps: dict[str, list[float]] = {CAMERA_ALONE: [], CAMERA: []}

    def network() -> float:
        return 1000 / float(classifier.latencies_ms(sys.maxsize, warm_up=WARM_UP, seconds=seconds).mean())

    def server(name: str) -> float:
        with serving(commands[name]) as running, Client(running.port) as client:
            for _ in range(WARM_UP):
                client.ask(request)
            before = running.cpu_s()
            found = load(running.port, [request], clients=CLIENTS, seconds=seconds)
            cpu[name].append((running.cpu_s() - before) / len(found))
        replies[name] += found
        return rate(found)

    def camera(folder: str) -> float:
        with serving([*commands[OURS], "--source", folder, "--fps", "10"]) as running, watching(running):
            wait_for_frame(running.port)
            fps[CAMERA_ALONE].append(frames_per_second(running.port, lambda: time.sleep(seconds)))
            found: list[Reply] = []
            fps[CAMERA].append(
                frames_per_second(
                    running.port,
                    lambda: found.extend(load(running.port, [request], clients=CLIENTS, seconds=seconds)),
                )
            )
        replies[CAMERA] += found
        return rate(found) + fps[CAMERA][-1]

    with tempfile.TemporaryDirectory() as folder:
        write_frames(Path(folder), photo)
        calls = {NETWORK: network, CAMERA: lambda: camera(folder)}
        calls |= {name: lambda name=name: server(name) for name in commands}
        print(f"{CLIENTS} clients: {turns} turns of {', '.join(calls)}", file=sys.stderr)
        rows = spreads(in_turns(calls, turns), NETWORK, "per_second")
    for name, found in replies.items():
        rows[name] |= _summary(found)
    for name, each in spreads({name: values[1:] for name, values in cpu.items()}, OURS, "cpu_ms", 1000).items():
        rows[name] |= {"cpu_ms": each["cpu_ms"]}
    frames = spreads({name: values[1:] for name, values in fps.items()}, CAMERA_ALONE, "per_second")
    return {"rows": rows, "frames": frames}


def _summary(replies: Sequence[Reply]) -> dict[str, Any]:
    times = [1000 * reply.seconds for reply in replies if reply.status == 200]
    p50, p99 = np.percentile(times, (50, 99))
    statuses = Counter(str(reply.status) for reply in replies)
    return {"p50_ms": float(p50), "p99_ms": float(p99), "statuses": dict(statuses)}


def write_frames(folder: Path, photo: bytes, count: int = FRAMES) -> None:
    """Fill a folder with one picture under many names: a source that does not end while it is measured."""
    first = folder / f"{0:06d}.jpg"
    first.write_bytes(photo)
    for number in range(1, count):
        os.link(first, folder / f"{number:06d}.jpg")


@contextmanager
def watching(server: Server) -> Iterator[None]:
    """Hold its live picture open, and read it, until the block ends."""
    with closing(socket.create_connection(("127.0.0.1", server.port))) as viewer:
        viewer.sendall(get("/stream.mjpg"))

        def read() -> None:
            while viewer.recv(1 << 16):
                pass

        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield
        finally:
            viewer.shutdown(socket.SHUT_RDWR)
            reader.join()


def frames_per_second(port: int, during: Callable[[], object]) -> float:
    """Return the rate of classified frames while something is done."""
    (first, start), _, (last, end) = _frame(port), during(), _frame(port)
    return (last - first) / (end - start)


def wait_for_frame(port: int) -> None:
    """Return when a server has classified the first frame of its source; it ends itself if there is none."""
    while not _frame(port)[0]:
        time.sleep(POLL_S)


def _frame(port: int) -> tuple[int, float]:
    """Return how many frames there were, and when."""
    with Client(port) as client:
        reply = client.ask(get("/v1/state"))
    return json.loads(reply.body)["frame"] or 0, reply.at
