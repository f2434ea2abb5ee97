"""From the start of a process to its first answer, for our server and for ``mixer-edge classify``; and idle memory."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.clients import Client, get, post
from benchmarks.measure import in_turns, spreads
from benchmarks.servers import OURS, mixer_edge, serving

CLASSIFY, SERVE = "mixer-edge classify", "mixer-edge serve"


def start(bundles: Mapping[str, tuple[Path, Path]], turns: int) -> dict[str, Any]:
    """Return for each name of a bundle and a picture the seconds to the first answer of both commands."""
    rows = {}
    for name, (bundle, picture) in bundles.items():
        calls = {
            CLASSIFY: lambda bundle=bundle, picture=picture: classify_s(bundle, picture),
            SERVE: lambda bundle=bundle, picture=picture: serve_s(bundle, picture),
        }
        print(f"start with {name}: {turns} turns", file=sys.stderr)
        rows[name] = spreads(in_turns(calls, turns), CLASSIFY, "wall_s")
    return rows


def classify_s(bundle: Path, picture: Path) -> float:
    """Return the seconds from the start of ``mixer-edge classify`` to its answer."""
    start = time.perf_counter()
    command = [*OURS, "classify", bundle, picture, "--threads", "1", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        line = process.stdout.readline()
        seconds = time.perf_counter() - start
    if not line:
        raise SystemExit(f"{' '.join(map(str, command))} failed")
    return seconds


def serve_s(bundle: Path, picture: Path) -> float:
    """Return the seconds from the start of ``mixer-edge serve`` to the answer to a picture that is sent at once."""
    request = post("/v1/classify", picture.read_bytes())
    start = time.perf_counter()
    with serving(mixer_edge(bundle)) as server, Client(server.port) as client:
        reply = client.ask(request)
    if reply.status != 200:
        raise SystemExit(f"status {reply.status}: {reply.body[:200]!r}")
    return reply.at - start


def idle_mib(bundle: Path) -> float:
    """Return the peak memory of our server when it has said that it is healthy, and nobody has sent a picture."""
    with serving(mixer_edge(bundle)) as server, Client(server.port) as client:
        client.ask(get("/healthz"))
        return server.memory_mib("VmHWM")
