"""Facts about this machine: name, processors, CPU governor, temperature, throttling."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/")
_ANSWER_S = 2
"""How long ``vcgencmd`` may take."""
_THROTTLING = {0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}
"""Bits of ``vcgencmd get_throttled`` for the present; 16 bits higher, the same bits for the time since boot."""


@dataclass(frozen=True, kw_only=True)
class Board:
    """Facts that do not change while a program runs; None if the machine does not report it."""

    name: str
    machine: str
    cpus: int
    governor: str | None
    """CPU frequency governor; anything but ``performance`` makes latencies vary."""

    def __str__(self) -> str:
        """Return the name, the number of processors and the architecture, as reports state them."""
        return f"{self.name}, {self.cpus} cores, {platform.system()} {self.machine}"

    @classmethod
    def read(cls, root: Path = ROOT) -> Board:
        """Return this machine's facts, from the files below ``root``."""
        name = _text(root / "sys/firmware/devicetree/base/model") or _cpu_model(root / "proc/cpuinfo")
        return cls(
            name=name or "unknown",
            machine=platform.machine(),
            cpus=os.cpu_count() or 1,
            governor=_text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        )


def usable_cpus() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def temperature_celsius(root: Path = ROOT) -> float | None:
    """Return the temperature of the processor, or None if the machine does not report it."""
    text = _text(root / "sys/class/thermal/thermal_zone0/temp")
    try:
        return None if text is None else int(text) / 1000
    except ValueError:
        return None


def throttling() -> tuple[str, ...] | None:
    """Return what slows a Raspberry Pi down now or has done so since boot; None if ``vcgencmd`` does not report it."""
    if (program := shutil.which("vcgencmd")) is None:
        return None
    try:
        result = subprocess.run(
            [program, "get_throttled"], capture_output=True, text=True, check=False, timeout=_ANSWER_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    try:
        bits = int(result.stdout.strip().removeprefix("throttled="), 16)
    except ValueError:
        return None
    now = [f"{text} now" for bit, text in _THROTTLING.items() if bits >> bit & 1]
    before = [
        f"{text} since start"
        for bit, text in _THROTTLING.items()
        if bits >> bit & (1 << 16) and f"{text} now" not in now
    ]
    return (*now, *before)


def _text(path: Path) -> str | None:
    try:
        return path.read_text("utf-8", errors="replace").strip("\0\n ") or None
    except OSError:
        return None


def _cpu_model(path: Path) -> str | None:
    for line in (_text(path) or "").splitlines():
        if line.startswith(("model name", "Model")):
            return line.partition(":")[2].strip()
    return None
