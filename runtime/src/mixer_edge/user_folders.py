"""The user's own folders, by the XDG base directory specification."""

from __future__ import annotations

import os
from pathlib import Path


def user_folder(variable: str, default: str) -> Path:
    """Return the folder that ``variable`` of the environment names; unless it is absolute, ``default`` in the home.

    A relative one would be another folder wherever a program is started: the specification ignores it.
    """
    folder = Path(os.environ.get(variable, ""))
    return folder if folder.is_absolute() else Path.home() / default
