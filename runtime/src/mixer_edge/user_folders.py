"""The user's own folders, by the XDG base directory specification."""

from __future__ import annotations

import os
from pathlib import Path


def user_folder(variable: str, default: str) -> Path:
    """Return the folder that an environment variable names; without it, ``default`` in the user's home."""
    return Path(os.environ.get(variable) or f"~/{default}").expanduser()
