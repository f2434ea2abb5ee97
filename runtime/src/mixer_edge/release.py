"""``release.json``: what ``mixer-edge-export deploy`` installed on a board; it is in the folder of the release."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mixer_edge import strict_json
from mixer_edge.errors import BundleError
from mixer_edge.manifest import ModelTask

RELEASE_NAME = "release.json"
BUNDLE_FOLDER = "bundle"
"""The folder of the bundle, in the folder of the release."""


@dataclass(frozen=True, kw_only=True)
class Release:
    """A bundle with a runtime on a board: what runs there, and how."""

    schema_version: Literal[2] = 2
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
    threads: int
    """The interpreter's threads; 1 until deploy has measured more on the board, before it switches to the release."""

    @classmethod
    def of_bundle(cls, bundle: Path) -> Release | None:
        """Return the release that deploy made of the bundle in this folder; None if deploy did not put it there.

        Raises:
            BundleError: its ``release.json`` cannot be read.
        """
        folder = bundle.resolve()
        path = folder.parent / RELEASE_NAME
        if folder.name != BUNDLE_FOLDER or not path.is_file():
            return None
        try:
            return strict_json.read(cls, path.read_text("utf-8"))
        except ValueError as error:
            raise BundleError(
                f"{path}: not a release that this program can read ({error}); deploy again, or give --threads"
            ) from None
