"""What the service ``serve`` of a board answers, asked on the board: it listens there on loopback alone."""

from __future__ import annotations

import shlex
from pathlib import Path

from mixer_edge import strict_json
from mixer_edge.serve.state import Health
from mixer_edge_export.deploy import ask_health

PORT = 8080
"""The port of the service, on the board's loopback."""

# $1 is the port. Exit code 0 and no output if the service does not run.
ASK = f"""
systemctl --user --quiet is-active mixer-edge.service || exit 0
exec python3 -I -c {shlex.quote(Path(ask_health.__file__).read_text("utf-8"))} "$1"
"""


def describe(health: Health) -> str:
    """Return the answer in a few words: the status and the source."""
    source = health.source
    if source is None:
        return health.status
    return f"{health.status} ({'no source' if source.name is None else f'{source.name}: {source.status}'})"


def failure(health: Health) -> str | None:
    """Return why the server does not do its work, or None if it does."""
    if health.source is None or health.source.status != "failed":
        return None
    return f"its source {health.source.name} has failed: {health.source.error}"


def parse(text: str) -> Health:
    """Return the answer of ``/healthz``.

    Raises:
        ValueError: it is not the answer of ``mixer-edge serve``; the message says why.
    """
    try:
        return strict_json.read(Health, text)
    except ValueError as error:
        raise ValueError(f"what answers on port {PORT} is not mixer-edge serve of this version ({error})") from None


def how_to_open(host: str, options: tuple[str, ...]) -> str:
    """Return how a user opens the page of a board: the tunnel, with the options that ssh needs, and the address."""
    tunnel = shlex.join(["ssh", *options, "-L", f"{PORT}:127.0.0.1:{PORT}", host])
    return f"to open it: {tunnel}, then http://127.0.0.1:{PORT}/"
