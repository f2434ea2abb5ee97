"""How figures are measured: alternating within one run, as medians with quartiles, and as ratios to a reference."""

from __future__ import annotations

import io
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mixer_edge.board import Board

TOOLS = ("tensorflow", "ai-edge-litert", "ai-edge-quantizer", "numpy", "pillow")
INSTRUCTION_SETS = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "amx_int8", "asimddp", "i8mm")

SPIN = """
import time
end, count = time.perf_counter() + 1, 0
while time.perf_counter() < end:
    count += 1
print(count)
"""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Median and quartiles of repeated measurements."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return the median and the quartiles (linear interpolation)."""
        low, median, high = (float(f"{value:.5g}") for value in np.percentile(values, (25, 50, 75)))
        return cls(median=median, low=low, high=high)


def spreads(turns: Mapping[str, Sequence[float]], reference: str, unit: str, factor: float = 1) -> dict[str, Any]:
    """Return for every name the spread of its values and of its ratio to the reference's value in the same turn.

    Args:
        turns: one value per turn for every name.
        reference: the name whose ratio is 1.
        unit: key of the values, e.g. ``wall_ms``.
        factor: to that unit.
    """
    base = np.array(turns[reference])
    return {
        name: {
            unit: asdict(Spread.of(np.array(values) * factor)),
            "ratio": asdict(Spread.of(np.array(values) / base)),
        }
        for name, values in turns.items()
    }


def in_turns(calls: Mapping[str, Callable[[], float]], turns: int, seed: int = 0) -> dict[str, list[float]]:
    """Return what every call returned, each called once per turn, in a new order every turn, after one for nothing.

    A machine that slows down for a while so slows every side of a ratio, and none always runs behind the same other.
    """
    rng, names = np.random.default_rng(seed), list(calls)
    values: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(turns + 1):
        for name in rng.permutation(names):
            value = calls[name]()
            if turn:
                values[name].append(value)
    return values


def seconds(call: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Return how long the call takes."""
    start = clock()
    call()
    return clock() - start


def alternate(runs: int, *calls: Callable[[], object], clock: Callable[[], float]) -> list[float]:
    """Return the median seconds of each call, taken in turns."""
    values = in_turns({str(place): lambda call=call: seconds(call, clock) for place, call in enumerate(calls)}, runs)
    return [float(np.median(values[str(place)])) for place in range(len(calls))]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a process and its descendants took."""

    wall_s: float
    cpu_s: float
    peak_mib: float


def measure(command: Sequence[str | Path]) -> Cost:
    """Run the command and return what it took; its output is shown if it fails.

    Peak memory is the largest sum of resident memory over its processes, sampled every 50 ms.
    """
    start, peak = time.perf_counter(), 0
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryFile() as log:
        with subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT) as process:
            while process.poll() is None:
                peak = max(peak, resident_bytes(process.pid))
                time.sleep(0.05)
        if process.returncode:
            log.seek(0)
            raise SystemExit(f"{' '.join(map(str, command))} failed:\n{log.read().decode(errors='replace')}")
    wall_s, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return Cost(wall_s=wall_s, cpu_s=cpu_s, peak_mib=peak / 2**20)


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process and all its descendants; 0 once it is gone.

    Pages that several share count once in all. A child that still has its parent's command line is just being started
    and has not yet memory of its own: what it shows is its parent's, whole.
    """
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        resident = next(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        children = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children")]
        started = [
            int(child) for line in children for child in line if Path(f"/proc/{child}/cmdline").read_bytes() != command
        ]
    except (FileNotFoundError, ProcessLookupError, StopIteration):
        return 0
    return resident + sum(map(resident_bytes, started))


def run(*command: str | Path) -> str:
    """Return the standard output of a command; if it fails, show standard error."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stderr}")
    return done.stdout


def two_processes() -> float:
    """Return the throughput of two busy processes divided by that of one: 2 on two idle processors, 1 on one."""
    alone = int(run(sys.executable, "-c", SPIN))
    pair = [subprocess.Popen([sys.executable, "-c", SPIN], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    return sum(int(process.communicate()[0]) for process in pair) / alone


def machine(*pythons: Path) -> dict[str, Any]:
    """Return what was measured on: processor, cores, load, and the versions of every tool, those of peers included."""
    board = Board.read()
    flags = set(Path("/proc/cpuinfo").read_text().split())
    tools = {tool: version(tool) for tool in TOOLS}
    for python in pythons:
        tools |= {
            f"{package['name']} (peers)": package["version"]
            for package in json.loads(run(python, "-m", "pip", "list", "--format=json", "--disable-pip-version-check"))
            if package["name"]
            in ("Flask", "nncf", "numpy", "onnxruntime", "openvino", "starlette", "tensorflow", "torch", "uvicorn")
        }
    return {
        "processor": str(board),
        "instruction_sets": [name for name in INSTRUCTION_SETS if name in flags],
        "cores": len(os.sched_getaffinity(0)),
        "two_processes": round(two_processes(), 2),
        "load": os.getloadavg()[0],
        "system": platform.platform(),
        "python": platform.python_version(),
        "tools": tools,
    }


def photo_files(size: tuple[int, int]) -> Iterator[tuple[str, bytes]]:
    """Yield JPEG files of this (width, height): two photos enlarged, with grain, and as mosaics of small tiles."""
    from sklearn.datasets import load_sample_images  # slow to import, and no need of what only compares results

    rng = np.random.default_rng(0)
    for name, pixels in zip(("china", "flower"), load_sample_images().images, strict=True):
        large = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))
        grain = (large + rng.normal(0, 6, large.shape)).clip(0, 255).astype(np.uint8)
        tile = np.asarray(Image.fromarray(pixels).resize((size[0] // 8, size[1] // 6)))
        mosaic = np.tile(tile, (6, 8, 1))
        for kind, array in (("smooth", large), ("grain", grain), ("mosaic", mosaic)):
            file = io.BytesIO()
            Image.fromarray(array).save(file, "JPEG", quality=90)
            yield f"{name}, {kind}", file.getvalue()
