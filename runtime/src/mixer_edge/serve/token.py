"""The secret that opens the server to other machines, in a file that only its user reads."""

from __future__ import annotations

import os
import secrets
import stat
import tempfile
from pathlib import Path

from mixer_edge.errors import MixerEdgeError
from mixer_edge.user_folders import user_folder

MIN_LENGTH = 20


def default_path() -> Path:
    """Return where the token is, unless the user says otherwise."""
    return user_folder("XDG_CONFIG_HOME", ".config") / "mixer-edge" / "token"


def read_token(path: Path) -> tuple[str, bool]:
    """Return the token in a file, and whether it is new: it is made if there is no file.

    Raises:
        MixerEdgeError: the file cannot be read or written, others can read it, or it has no good token.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = _make(path)
        if others := stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise MixerEdgeError(f"{path}: others can read the token (mode {others:03o}); chmod 600 {path}")
        token = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise MixerEdgeError(f"{path}: no token can be read or written there ({reason})") from None
    if len(token) < MIN_LENGTH or not token.isprintable() or set(token) & set(' ";,\\'):
        raise MixerEdgeError(
            f"{path}: not a token: expected {MIN_LENGTH} letters and digits or more; remove it and a new one is made"
        )
    return token, new


def _make(path: Path) -> bool:
    """Write a new token in one step, unless the file exists; return whether it was written."""
    if path.exists():
        return False
    descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # its mode is 600
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(partial, path)
    except FileExistsError:  # another process was quicker
        return False
    finally:
        Path(partial).unlink()
    return True
