"""From a JPEG file to its label: time in a running program, time from the start of a process, and memory.

Ours is the project's own code. The others are scripts that a user of another tool would write, with Pillow's resize, on
a file of the same network. Float32 files must give the same class as ours, or nothing is timed.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.contestants import Contestant
from benchmarks.inference import workers
from benchmarks.measure import Spread, in_turns, photo_files, run, spreads

SIZES = {"0.5 MP": (816, 612), "3 MP": (2000, 1500), "12 MP": (4000, 3000)}
"""Megapixels -> (width, height)."""
PHOTO, OURS = "china, grain", "mixer-edge int8"
SCRIPTS = {
    "int8": ("ai-edge-litert and Pillow, int8", "litert"),
    "float32": ("tensorflow package and Pillow, float32", "tensorflow"),
    "ONNX Runtime static int8": ("ONNX Runtime and Pillow, static int8", "onnx"),
    "ONNX Runtime float32": ("ONNX Runtime and Pillow, float32", "onnx"),
}
"""Contestant -> the script's name and the kind of worker that plays it."""


def rivals(everybody: Sequence[Contestant], bundle: Path) -> list[Contestant]:
    """Return the ways to a label: ours, then the scripts; the tensorflow package with both files."""
    own = [
        Contestant(name=f"mixer-edge {variant}", kind="mixer-edge", model=f"{bundle}:{variant}")
        for variant in ("int8", "float32")
    ]
    found = {one.name: one for one in everybody}
    scripts = [replace(found[name], name=title, kind=kind) for name, (title, kind) in SCRIPTS.items() if name in found]
    scripts.append(replace(found["int8"], name="tensorflow package and Pillow, int8", kind="tensorflow"))
    return own + scripts


def photo_to_label(ways: Sequence[Contestant], photo: Path, turns: int) -> dict[str, Any]:
    """Return the wall time from the file to the label in a running program, one thread, and the labels."""
    with workers({way.name: way.command(1) for way in ways}, 1) as running:
        labels = {name: worker.ask(label=str(photo))["label"] for name, worker in running.items()}
        floats = {name: label for name, label in labels.items() if "float32" in name}
        if len(set(floats.values())) > 1:
            raise SystemExit(f"{photo}: float32 files disagree on its class, so they are not of one network: {floats}")

        def take(name: str) -> float:
            return float(running[name].ask(label=str(photo))["wall"][0])

        wall = in_turns({name: lambda name=name: take(name) for name in running}, turns)
    rows = spreads(wall, OURS, "wall_ms", 1000)
    return {name: row | {"label": labels[name]} for name, row in rows.items()}


def cold_start(ways: Sequence[Contestant], photo: Path, turns: int) -> dict[str, Any]:
    """Return the wall time from the start of a process to the first label, and its peak memory, one thread.

    Ours is the command ``mixer-edge classify``, which checks the bundle's checksums too.
    """
    peaks: dict[str, list[float]] = {way.name: [] for way in ways}

    def take(way: Contestant) -> float:
        if way.kind == "mixer-edge":
            bundle, _, variant = str(way.model).rpartition(":")
            program = (
                "from mixer_edge.cli import console_script; console_script(); "
                "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
            )
            flags = ("--variant", variant, "--threads", "1")
            command = [sys.executable, "-c", program, "classify", bundle, str(photo), *flags]
        else:
            command = [*way.command(1), "--photo", str(photo)]
        start = time.perf_counter()
        last = run(*command).splitlines()[-1]
        seconds = time.perf_counter() - start
        peaks[way.name].append(int(last) / 1024 if way.kind == "mixer-edge" else json.loads(last)["peak_mib"])
        return seconds

    calls: dict[str, Callable[[], float]] = {way.name: lambda way=way: take(way) for way in ways}
    rows = spreads(in_turns(calls, turns), OURS, "wall_s")
    return {name: row | {"peak_mib": asdict(Spread.of(peaks[name]))} for name, row in rows.items()}


def photos(everybody: Sequence[Contestant], bundle: Path, sizes: Sequence[str], turns: int) -> dict[str, Any]:
    """Return photo-to-label for every size, and the cold start with the last of them."""
    ways = rivals(everybody, bundle)
    with tempfile.TemporaryDirectory() as folder:
        rows = {}
        for size in sizes:
            photo = Path(folder) / f"{size}.jpg"
            photo.write_bytes(next(file for name, file in photo_files(SIZES[size]) if name == PHOTO))
            print(f"photo to label, {size}", file=sys.stderr)
            rows[size] = photo_to_label(ways, photo, turns)
        print("cold start", file=sys.stderr)
        return {"photo_to_label": rows, "cold_start": cold_start(ways, photo, max(3, turns // 2))}
