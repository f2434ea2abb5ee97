"""``release.json``: what ``mixer-edge-export deploy`` put on a board, beside the bundle that it is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mixer_edge.manifest import ModelTask

RELEASE_NAME = "release.json"


@dataclass(frozen=True, kw_only=True)
class Release:
    """A bundle with a runtime on a board: what runs there, and how."""

    schema_version: Literal[1] = 1
    """Raised when a field changes its meaning, comes or goes."""
    name: str
    """Of the model."""
    task: ModelTask
    bundle: str
    """The bundle's fingerprint."""
    variant: str
    """The file that the board runs."""
    backend: str
    """The interpreter that runs it."""
    python: str
    """The board's, ``3.11``."""
    mixer_edge: str
    """Version of this package there."""
