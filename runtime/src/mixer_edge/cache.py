"""The user's cache: everything that can be fetched or computed again, in one folder that outlives a reboot.

::

    $MIXER_EDGE_CACHE, else $XDG_CACHE_HOME/mixer-edge, else ~/.cache/mixer-edge
        downloads/ unpacked/ hub/    models
        evaluations/                 journals
        runtimes/                    environments that exported files are tried in
        wheels/                      packages for boards
"""

from __future__ import annotations

import os
from pathlib import Path

CACHE_VARIABLE = "MIXER_EDGE_CACHE"


def cache_folder(name: str) -> Path:
    """Return the folder ``name`` of the cache, made if it is not there."""
    root = os.environ.get(CACHE_VARIABLE) or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "mixer-edge"
    folder = Path(root).expanduser() / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
