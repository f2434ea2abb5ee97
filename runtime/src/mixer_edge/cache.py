"""The user's cache: one folder for everything that can be downloaded or computed again. It survives a reboot.

::

    $MIXER_EDGE_CACHE, else $XDG_CACHE_HOME/mixer-edge, else ~/.cache/mixer-edge
        downloads/ unpacked/ hub/    models
        evaluations/                 journals
        runtimes/                    environments in which exported files are tested
        wheels/                      packages for boards
"""

from __future__ import annotations

import os
from pathlib import Path

CACHE_VARIABLE = "MIXER_EDGE_CACHE"


def cache_folder(name: str) -> Path:
    """Return the folder ``name`` of the cache; create it if it does not exist."""
    root = os.environ.get(CACHE_VARIABLE) or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "mixer-edge"
    folder = Path(root).expanduser() / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
