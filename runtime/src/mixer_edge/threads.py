"""The number of threads of the interpreter in the commands ``classify``, ``camera`` and ``watch``."""

from __future__ import annotations

from pathlib import Path

from mixer_edge.board import usable_cpus
from mixer_edge.release import Release

MAX_THREADS = 4
"""The largest default: a Raspberry Pi has four cores."""


def default_threads(bundle: Path) -> int:
    """Return the number that deploy measured for the release of a bundle; without one, a thread per core, at most 4.

    Raises:
        BundleError: the ``release.json`` of the release cannot be read.
    """
    if (release := Release.of_bundle(bundle)) is not None:
        return release.threads
    return min(MAX_THREADS, usable_cpus())
