"""The user's own folders, by the XDG base directory specification."""

from __future__ import annotations

import os
from pathlib import Path

from mixer_edge.errors import MixerEdgeError


def user_folder(variable: str, default: str) -> Path:
    """Return the folder that ``variable`` of the environment names; unless it is absolute, ``default`` in the home.

    A relative one would be another folder wherever a program is started: the specification ignores it.

    Raises:
        MixerEdgeError: the user has no home.
    """
    folder = Path(os.environ.get(variable, ""))
    try:
        return folder if folder.is_absolute() else Path.home() / default
    except RuntimeError:
        raise MixerEdgeError(f"this user has no home folder; set HOME, or {variable} to a folder") from None
