"""Where captured pictures are, and their table.

::

    $XDG_DATA_HOME/mixer-edge-captured, else ~/.local/share/mixer-edge-captured
        captured.sqlite     what was answered, and why the picture was kept
        pictures/           the pictures' own files, named by their sha256
        pending/            pictures that are being added or removed
        lock                held by the process that writes
"""

from __future__ import annotations

from pathlib import Path

from mixer_edge.kept.database import Database
from mixer_edge.user_folders import user_folder

CAPTURED = Database(
    file="captured.sqlite",
    tables="""
CREATE TABLE pictures (
    id INTEGER PRIMARY KEY, file TEXT UNIQUE, bytes INTEGER, time TEXT, reason TEXT, random INTEGER, categories TEXT,
    none INTEGER, label TEXT, bundle TEXT, fingerprint TEXT, variant TEXT, file_sha256 TEXT, outputs BLOB
);
""",
    remedy="move the folder away; its pictures stay readable",
)


def captured_folder() -> Path:
    """Return the folder of everything that was captured for this user."""
    return user_folder("XDG_DATA_HOME", ".local/share") / "mixer-edge-captured"
