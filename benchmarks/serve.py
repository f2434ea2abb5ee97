"""What ``mixer-edge serve`` adds to the network, beside the same call in process and beside other services.

    python -m benchmarks.serve [--parts latency throughput soak start]

writes ``docs/serve.json`` and the tables of ``docs/serve.md``, part by part. Everything is on this machine, through its
loopback address. Mixer-B/32 has random weights. The parts:

- ``latency``: a JPEG to its label, one client, beside the same call in process and beside other services;
- ``throughput``: many clients, beside the network alone and beside other services, with and without a source;
- ``soak``: memory, threads and files after 100,000 requests and 1,000 streams that are cut, with the bundled model;
- ``start``: from the start of a process to its first answer, and the memory of the idle server.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks import results, serve_start
from benchmarks.contestants import PEERS, SPEC, peer_files, peers_python
from benchmarks.measure import machine, photo_files
from benchmarks.page import DOCS, replace_part
from benchmarks.serve_load import OURS, Commands, latency, throughput
from benchmarks.serve_page import page, verdicts
from benchmarks.servers import mixer_edge
from benchmarks.soak import soak

from mixer_edge.classifier import Classifier
from mixer_edge.decode import encode_png
from mixer_edge.preprocess import load_pixels, normalize
from mixer_edge_export.calibration.generated import generate
from mixer_edge_export.pipeline import export
from mixer_edge_export.sources import load_source
from mixer_edge_export.sources.npz import save_npz

PARTS = ("latency", "throughput", "soak", "start")
MARK = "<!-- written by benchmarks.serve -->"
MODEL, CALIBRATION = "random:mixer_b32", 12
PHOTO, SIZE, SMALL = "china, grain", (816, 612), (64, 64)
"""The picture of benchmarks.photo with half a megapixel, and a small one."""
REQUIREMENTS = PEERS / "serve_requirements.txt"


class Bench:
    """What the parts share, and how thoroughly to measure."""

    def __init__(self, work: Path, *, quick: bool, alone: bool) -> None:
        self.work, self.quick, self.alone = work, quick, alone

    @cached_property
    def bundle(self) -> Path:
        """Mixer-B/32."""
        return self._export(MODEL)

    @cached_property
    def digits(self) -> Path:
        """The bundled model."""
        return self._export("digits")

    def _export(self, model: str) -> Path:
        folder = self.work / model.replace(":", "_")
        export(model, folder, variants=("int8",), overwrite=True)
        return folder

    @cached_property
    def photo(self) -> bytes:
        """A JPEG file of half a megapixel."""
        return next(file for name, file in photo_files(SIZE) if name == PHOTO)

    @cached_property
    def peers(self) -> Path:
        """Python of the other services' environment."""
        return peers_python(self.work, REQUIREMENTS)

    @cached_property
    def commands(self) -> Commands:
        """Our server, and the other services with the same network."""
        ours = {OURS: mixer_edge(self.bundle)}
        if self.alone:
            return ours
        weights, pixels = load_source(MODEL).weights, np.stack(generate(CALIBRATION))
        save_npz(weights, self.work / "weights.npz")
        np.save(self.work / "calibration.npy", normalize(pixels, SPEC))
        inputs = hashlib.sha256(weights.fingerprint().encode() + pixels.tobytes()).hexdigest()
        files = peer_files(self.work, inputs, self.peers, [PEERS / "onnx_files.py"], REQUIREMENTS)
        return ours | {
            "Flask, tensorflow package, int8": [self.peers, PEERS / "serve_flask.py", self.bundle / "int8.tflite"],
            "Starlette, ONNX Runtime, static int8": [self.peers, PEERS / "serve_starlette.py", files / "static.onnx"],
        }

    def latency(self) -> dict[str, Any]:
        """One client."""
        with Classifier.load(self.bundle, threads=1) as classifier:
            return latency(classifier, self.commands, self.photo, 5 if self.quick else 25)

    def throughput(self) -> dict[str, Any]:
        """Many clients."""
        turns, seconds = (2, 3) if self.quick else (7, 10)
        with Classifier.load(self.bundle, threads=1) as classifier:
            return throughput(classifier, self.commands, self.photo, turns=turns, seconds=seconds)

    def soak(self) -> dict[str, Any]:
        """Very many requests, and streams that are cut."""
        return soak(self.digits, "digits", self._small(), 0.05 if self.quick else 1)

    def start(self) -> dict[str, Any]:
        """The first answer, and memory."""
        with tempfile.TemporaryDirectory() as folder:
            photo, small = Path(folder) / "photo.jpg", Path(folder) / "small.png"
            photo.write_bytes(self.photo)
            small.write_bytes(self._small())
            bundles = {"digits": (self.digits, small), "Mixer-B/32": (self.bundle, photo)}
            rows = serve_start.start(bundles, 5 if self.quick else 15)
        return {"rows": rows, "idle_mib": serve_start.idle_mib(self.digits)}

    def _small(self) -> bytes:
        height, width = SMALL
        return encode_png(load_pixels(self.photo, SPEC)[:height, :width])


def main() -> int:
    """Measure, and write the results and the tables; 3 if a bound is not kept."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serve", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS, help="default: all; none: tables alone")
    parser.add_argument("--quick", action="store_true", help="fewer turns, a twentieth of the requests")
    parser.add_argument("--alone", action="store_true", help="without the other services")
    parser.add_argument("--work", type=Path, default=Path("build/benchmark"), help="default: %(default)s")
    parser.add_argument(
        "--json", type=Path, help="results (default: docs/serve.json; with --quick or --alone, in the work folder)"
    )
    arguments = parser.parse_args()
    whole = DOCS / "serve.json"
    target = arguments.json or (arguments.work / "serve.json" if arguments.quick or arguments.alone else whole)
    bench = Bench(arguments.work.resolve(), quick=arguments.quick, alone=arguments.alone)
    found: dict[str, Any] = results.read(target)
    for part in arguments.parts:
        pythons = [] if arguments.alone or part in ("soak", "start") else [bench.peers]
        found[part] = {"machine": machine(*pythons), "quick": arguments.quick, "figures": getattr(bench, part)()}
        results.write(target, found)
    if target == whole and set(PARTS) <= set(found):
        replace_part(DOCS / "serve.md", MARK, page(found))
    print(page(found), end="")
    return 0 if all(kept for *_, kept in verdicts(found)) else 3


if __name__ == "__main__":
    sys.exit(main())
