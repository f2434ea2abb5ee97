"""What the server says of itself; ``mixer_edge_export`` reads it too, so nothing of the server is imported here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["none", "starting", "running", "ended", "failed"]


@dataclass(frozen=True, kw_only=True)
class SourceState:
    """Whether there are frames."""

    name: str | None
    """None: the server has no source."""
    status: Status
    error: str | None
    """Why it failed."""
    again: bool = False
    """Whether it is opened again: a camera is, within half a minute; a recording is not."""


@dataclass(frozen=True, kw_only=True)
class Health:
    """The answer of ``/healthz``."""

    status: Literal["ok"]
    source: SourceState | None
    """Not shown without the token."""
