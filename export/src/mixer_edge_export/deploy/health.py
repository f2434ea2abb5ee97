"""What the service ``serve`` of a board answers, asked on the board: it listens there on loopback alone."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from mixer_edge import strict_json
from mixer_edge_export.deploy import ask_health

PORT = 8080
"""The port of the service, on the board's loopback."""

# $1 is the port. Exit code 0 and no output if the service does not run.
ASK = f"""
systemctl --user --quiet is-active mixer-edge.service || exit 0
exec python3 -I -c {shlex.quote(Path(ask_health.__file__).read_text("utf-8"))} "$1"
"""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the pictures come from, as ``mixer-edge serve`` reports it."""

    name: str | None
    status: str
    """``none``, ``starting``, ``running``, ``ended`` or ``failed``."""
    error: str | None


@dataclass(frozen=True, kw_only=True)
class Health:
    """The answer of ``/healthz``."""

    status: str
    """``ok``."""
    source: Source | None
    """None if the server has a token."""

    def __str__(self) -> str:
        """Return the status and the source in a few words."""
        source = self.source
        if source is None:
            return self.status
        return f"{self.status} ({'no source' if source.name is None else f'{source.name}: {source.status}'})"

    @property
    def error(self) -> str | None:
        """Why the service does not do its work, or None if it does."""
        if self.source is not None and self.source.status == "failed":
            return f"its source {self.source.name} has failed: {self.source.error}"
        return None if self.status == "ok" else f"/healthz answers {self.status!r}"


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
