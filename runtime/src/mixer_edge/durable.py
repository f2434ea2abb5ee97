"""What is on the disk, and not only in memory."""

from __future__ import annotations

import os
from pathlib import Path


def sync_one(path: Path) -> None:
    """Write a file, or the names in a folder, to the disk before returning."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
