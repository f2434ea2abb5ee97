"""The user's cache: one folder for everything that can be downloaded or computed again. It survives a reboot.

::

    $MIXER_EDGE_CACHE, else $XDG_CACHE_HOME/mixer-edge, else ~/.cache/mixer-edge
        downloads/ unpacked/ hub/    models
        evaluations/ features/       journals
        runtimes/                    environments in which exported files are tested
        wheels/                      packages for boards
        cluster/                     bundles that were sent to a worker
        pictures/                    the few pictures at an address that are needed here
"""

from __future__ import annotations

import os
from pathlib import Path

from mixer_edge.errors import MixerEdgeError
from mixer_edge.user_folders import user_folder

CACHE_VARIABLE = "MIXER_EDGE_CACHE"


def cache_folder(name: str) -> Path:
    """Return the folder ``name`` of the cache; create it if it does not exist.

    Raises:
        MixerEdgeError: it cannot be created.
    """
    root = os.environ.get(CACHE_VARIABLE) or user_folder("XDG_CACHE_HOME", ".cache") / "mixer-edge"
    folder = Path(root).expanduser() / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MixerEdgeError(
            f"{folder}: cannot be created ({error.strerror}); set {CACHE_VARIABLE} to a folder for the cache"
        ) from None
    return folder
