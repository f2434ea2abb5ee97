"""``release.json``: what ``mixer-edge-export deploy`` installed on a board; it is in the folder of the release."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mixer_edge.manifest import ModelTask

RELEASE_NAME = "release.json"


@dataclass(frozen=True, kw_only=True)
class Release:
    """A bundle with a runtime on a board: what runs there, and how."""

    schema_version: Literal[1] = 1
    """Incremented when a field is added, removed or changes its meaning."""
    name: str
    """The model's name."""
    task: ModelTask
    bundle: str
    """The bundle's fingerprint."""
    variant: str
    """The file that the board runs."""
    backend: str
    """The interpreter that runs it."""
    python: str
    """The board's Python version, e.g. ``3.11``."""
    mixer_edge: str
    """The version of this package on the board."""
