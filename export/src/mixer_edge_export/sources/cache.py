"""Where downloads are kept: a folder of the user's that outlives a reboot, so that a second export needs no network.

``MIXER_EDGE_CACHE`` names another folder. TensorFlow Hub and kagglehub keep their own layout; ``TFHUB_CACHE_DIR`` and
``KAGGLEHUB_CACHE`` still decide theirs where they are set.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mixer_edge.errors import ModelError

CACHE_VARIABLE = "MIXER_EDGE_CACHE"


def cache_folder(name: str) -> Path:
    """Return the folder ``name`` of the cache, made if it is not there."""
    root = os.environ.get(CACHE_VARIABLE) or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "mixer-edge"
    folder = Path(root).expanduser() / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def discarded_on_error(path: Path) -> Iterator[None]:
    """Remove a cached file or folder if the body cannot use it, so that the next try fetches it again."""
    try:
        yield
    except ModelError:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        raise
