"""What machine this is, in words, for those who read the figures measured on it."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

DEVICE_TREE_MODEL = Path("/proc/device-tree/model")
CPU_INFO = Path("/proc/cpuinfo")


def machine_name() -> str:
    """Return the board's or the processor's name, the number of cores and the architecture."""
    return f"{_model()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"


def _model() -> str:
    if DEVICE_TREE_MODEL.is_file():
        return DEVICE_TREE_MODEL.read_text("utf-8").strip("\0\n ")
    found = re.search(r"^model name\s*:\s*(.+)$", CPU_INFO.read_text("utf-8"), re.M) if CPU_INFO.is_file() else None
    return found.group(1).strip() if found else platform.processor() or "unknown processor"
