"""Measure parts of the runtime on this machine in one run: decoding, import, memory, throughput.

    mixer-edge-export export --model random:mixer_b32 --variants int8 --out build/random_mixer_b32
    python -m benchmarks.runtime build/random_mixer_b32 --json build/runtime.json

``python -m benchmarks`` measures the time from a photo to its label and from a cold start, and compares it with other
tools. Needs the development environment; the pictures are scikit-learn's two sample photos.
"""

from __future__ import annotations

import argparse
import io
import json
import platform
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.measure import alternate, photo_files, run, two_processes
from PIL import Image

from mixer_edge.board import Board
from mixer_edge.classifier import Classifier
from mixer_edge.preprocess import Preprocessing, load_pixels

PHOTO_SIZE = (4000, 3000)
SMALL_SIZE = (1600, 1200)

IMPORT_TIMES = """
import time
start = time.process_time()
import numpy
after_numpy = time.process_time()
import mixer_edge
print(after_numpy - start, time.process_time() - after_numpy)
"""

MEMORY = """
import json, re, sys

def resident():
    status = open("/proc/self/status").read()
    values = {key: int(re.search(key + r":\\s+(\\d+)", status)[1]) / 1024 for key in ("VmRSS", "VmHWM", "RssAnon")}
    model, mapping = 0, ""
    for line in open("/proc/self/smaps"):
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            mapping = line.rstrip()
        elif line.startswith("Rss:") and mapping.endswith(".tflite"):
            model += int(line.split()[1]) / 1024
    return {"resident": values["VmRSS"], "peak": values["VmHWM"], "anonymous": values["RssAnon"], "mapped_model": model}

stages = {"python": resident()}
import numpy
stages["numpy"] = resident()
import mixer_edge
stages["mixer_edge and Pillow"] = resident()
import ai_edge_litert.interpreter
stages["ai-edge-litert"] = resident()
classifier = mixer_edge.Classifier.load(sys.argv[1], sys.argv[2])
stages["model loaded"] = resident()
classifier.classify(sys.argv[3])
stages["first label"] = resident()
print(json.dumps(stages))
"""


def decoding(files: dict[str, bytes], runs: int) -> dict[str, Any]:
    """Return CPU times from a JPEG to the 224 x 224 tensor, also with plain Pillow, and the error of the result."""
    spec = Preprocessing().spec(224)
    rows = {}
    for name, file in files.items():

        def plain(file: bytes = file) -> np.ndarray:
            image = Image.open(io.BytesIO(file)).convert("RGB").resize((224, 224), Image.Resampling.BILINEAR)
            return np.asarray(image) / np.float32(127.5) - np.float32(1)

        def ours(file: bytes = file) -> np.ndarray:
            return load_pixels(file, spec)

        plain_s, ours_s = alternate(runs, plain, ours, clock=time.process_time)
        off = np.abs(ours().astype(int) - load_pixels(file, replace(spec, decode="exact")))
        rows[name] = {
            "megabytes": len(file) / 1e6,
            "plain_ms": plain_s * 1000,
            "scaled_ms": ours_s * 1000,
            "ratio": ours_s / plain_s,
            "mean_difference": float(off.mean()),
            "within_2": float((off <= 2).mean()),
        }
    return rows


def import_time(runs: int) -> dict[str, float]:
    """Return the CPU time of importing numpy and, after it, ``mixer_edge``."""
    times = np.median(
        [[float(text) for text in run(sys.executable, "-c", IMPORT_TIMES).split()] for _ in range(runs)], 0
    )
    return {"numpy_ms": float(times[0]) * 1000, "mixer_edge_ms": float(times[1]) * 1000}


def throughput(bundle: Path, files: list[bytes], count: int) -> dict[str, float]:
    """Return pictures per second: the network alone, one after the other, and decoded ahead, three times in turn."""
    with tempfile.TemporaryDirectory() as folder, Classifier.load(bundle) as classifier:
        paths = []
        for number in range(count):
            paths.append(Path(folder) / f"{number}.jpg")
            paths[-1].write_bytes(files[number % len(files)])
        tensor = classifier.tensor(paths[0])
        network_s, one_by_one_s, ahead_s = alternate(
            3,
            lambda: [classifier.output(tensor) for _ in paths],
            lambda: [classifier.classify(path) for path in paths],
            lambda: list(classifier.classify_many(paths)),
            clock=time.perf_counter,
        )
    return {
        "network_per_s": count / network_s,
        "classify_per_s": count / one_by_one_s,
        "classify_many_per_s": count / ahead_s,
        "ratio": network_s / ahead_s,
    }


def main() -> None:
    """Measure, print and, if asked, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--runs", type=int, default=7, help="runs per figure (default: %(default)s)")
    parser.add_argument("--pictures", type=int, default=60, help="pictures for the throughput (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    arguments = parser.parse_args()
    board, files = Board.read(), dict(photo_files(PHOTO_SIZE))
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "photo.jpg"
        photo.write_bytes(next(iter(files.values())))
        figures = {
            "machine": f"{board.name}, {board.cpus} CPUs, Python {platform.python_version()}",
            "decoding": decoding(files, arguments.runs),
            "import": import_time(arguments.runs),
            "memory_mb": json.loads(run(sys.executable, "-c", MEMORY, arguments.bundle, "int8", photo)),
            "two_processes": two_processes(),
            "throughput": {
                "12 megapixels": throughput(arguments.bundle, list(files.values()), arguments.pictures),
                "2 megapixels": throughput(
                    arguments.bundle, list(dict(photo_files(SMALL_SIZE)).values()), arguments.pictures
                ),
            },
        }
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")
    print_table(figures)


def print_table(figures: dict[str, Any]) -> None:
    """Print the figures as text."""
    print(figures["machine"])
    print("\n12-megapixel JPEG to tensor      MB  plain ms  scaled ms  ratio  mean off  within 2/255")
    for name, row in figures["decoding"].items():
        print(
            f"  {name:26} {row['megabytes']:7.1f} {row['plain_ms']:9.1f} {row['scaled_ms']:10.1f} {row['ratio']:6.2f}"
            f" {row['mean_difference']:9.2f} {row['within_2']:13.2%}"
        )
    imports = figures["import"]
    print(f"\nimport: mixer_edge {imports['mixer_edge_ms']:.0f} ms of CPU after numpy's {imports['numpy_ms']:.0f} ms")
    print("\nresident memory, MB         total   peak  anonymous  mapped model")
    for stage, row in figures["memory_mb"].items():
        columns = f"{row['resident']:9.1f} {row['peak']:6.1f} {row['anonymous']:10.1f} {row['mapped_model']:13.1f}"
        print(f"  {stage:22} {columns}")
    print(f"\nphotos per second; two busy processes get {figures['two_processes']:.2f} times as much done as one here")
    print("                 network alone  classify  classify_many  ratio to the network")
    for name, row in figures["throughput"].items():
        columns = f"{row['network_per_s']:14.1f} {row['classify_per_s']:9.1f} {row['classify_many_per_s']:14.1f}"
        print(f"  {name:14} {columns} {row['ratio']:21.2f}")


if __name__ == "__main__":
    main()
