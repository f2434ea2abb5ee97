"""How much one client, and all together, may ask of the server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds of a server on a board; beyond them a client gets an error, or is disconnected."""

    body_bytes: int = 20_000_000
    """Of a request; more is answered with 413."""
    bodies_bytes: int = 64_000_000
    """Of all requests at one time; more is answered with 503."""
    body_s: float = 30
    """How long a request's body may take to arrive; a slower one is answered with 408."""
    header_bytes: int = 16_384
    header_s: float = 10
    """How long a request's head may take to arrive; then the connection is closed."""
    stalled_s: float = 15
    """How long a client may leave its answer unread; then the connection is closed."""
    connections: int = 200
    connections_per_client: int = 48
    """Clients are told apart by address: all that come through one tunnel are one."""
    streams: int = 32
    """Open ``/events`` and ``/stream.mjpg``."""
    streams_per_client: int = 12
    queue: int = 32
    """Pictures that wait or are computed at once; beyond, requests are answered with 503."""
    batch: int = 8
    """Pictures in one inference request."""
