"""Checks of copied pictures: before one is moved into place, and before a board forgets its own."""

from __future__ import annotations

import os
from pathlib import Path

from mixer_edge.durable import sync_one
from mixer_edge.manifest import file_sha256


def check(staged: Path, sha256: str) -> str | None:
    """Return why a new copy is not the picture with this checksum; None if it is, and then it is on the disk."""
    if staged.is_symlink() or not staged.is_file():
        return "it is gone, or no file"
    if (found := file_sha256(staged)) != sha256:
        return f"it is damaged, its sha256 is {found}"
    sync_one(staged)
    return None


def is_safe(path: Path, sha256: str) -> bool:
    """Return whether a file is the picture with this checksum, read from the disk and not from memory."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        os.fsync(file.fileno())
        if hasattr(os, "posix_fadvise"):  # only Linux has it
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return file_sha256(path) == sha256
