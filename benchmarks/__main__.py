"""Compare this project with other tools.

    python -m benchmarks [--quick] [--stages inference photo ...]

writes ``build/benchmark/results.json``, stage by stage, and prints the tables. It needs the development environment,
and makes environments for the other tools (several GB) and for tflite-runtime. The stage ``boards`` needs x86-64 Debian
and root, see emulator.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks import boards, evaluate, export, inference, photo, results
from benchmarks.contestants import Contestant, contestants, peers_python
from benchmarks.measure import machine
from benchmarks.page import page, read_accuracy
from emulator.host import HostError, setup
from numpy.typing import NDArray

from mixer_edge_export.calibration.generated import generate
from mixer_edge_export.digits.images import write_images
from mixer_edge_export.network.mixer import PUBLISHED_CONFIGS, MixerWeights
from mixer_edge_export.pipeline import export as export_bundle
from mixer_edge_export.sources.npz import save_npz

STAGES = ("inference", "photo", "evaluate", "boards", "export")
OURS_ALONE = ("evaluate", "export")
"""Stages without the peers, which then need not be installed."""
MODEL = "mixer_b32"
CALIBRATION, CHECKED = 12, 4
GROWTH = ("mixer_s32", "mixer_b32", "mixer_s16", "mixer_b16", "mixer_l16")
QUICK_STOCK = ("TFLiteConverter float32", "TFLiteConverter int8")


class Bench:
    """What the stages share: the model's files in every tool, and how thoroughly to measure."""

    def __init__(self, work: Path, *, quick: bool, peers: Path | None, counted: Mapping[str, Any] | None) -> None:
        self.work, self.quick, self._peers = work, quick, peers
        self.counted = counted
        """Figures of the stage ``boards`` of which only ours are counted again; None to count all."""
        self.config = PUBLISHED_CONFIGS[MODEL]

    @cached_property
    def peers(self) -> Path:
        """Python of the peers' environment."""
        return self._peers or peers_python(self.work)

    @cached_property
    def weights(self) -> MixerWeights:
        """The model."""
        return MixerWeights.random(self.config, seed=0)

    @cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """Pictures to calibrate on, then some to check on."""
        return np.stack(generate(CALIBRATION + CHECKED))

    @cached_property
    def everybody(self) -> list[Contestant]:
        """The model in every tool."""
        few = {"stock": QUICK_STOCK} if self.quick else {}
        return contestants(self.weights, self.pixels[:CALIBRATION], self.work / MODEL, peers=self.peers, **few)

    def inference(self) -> dict[str, Any]:
        """Inference on one thread and on all cores."""
        turns = 5 if self.quick else 25
        return {
            str(threads): inference.inference(self.everybody, self.pixels[CALIBRATION:], threads=threads, turns=turns)
            for threads in sorted({1, len(os.sched_getaffinity(0))})
        }

    def photo(self) -> dict[str, Any]:
        """Photo to label, cold start, peak memory."""
        bundle, checkpoint = self.work / "bundle", self.work / f"{MODEL}.npz"
        save_npz(self.weights, checkpoint)
        export_bundle(str(checkpoint), bundle, variants=("float32", "int8"), overwrite=True)
        sizes = ("3 MP",) if self.quick else tuple(photo.SIZES)
        return photo.photos(self.everybody, bundle, sizes, 5 if self.quick else 25)

    def evaluate(self) -> dict[str, Any]:
        """Throughput of the evaluation on the bundled model's pictures, each taken several times."""
        bundle = self.work / "digits"
        export_bundle("digits", bundle, variants=("float32", "int8"), overwrite=True)
        with tempfile.TemporaryDirectory() as folder:
            write_images(Path(folder) / "digits")
            repeat, turns = (2, 3) if self.quick else (16, 5)
            return evaluate.throughput(bundle, Path(folder) / "digits/held_out", turns=turns, repeat=repeat)

    def boards(self) -> dict[str, Any]:
        """Instructions on emulated boards."""
        if self.counted is None:
            return boards.count(self.everybody, self.config)
        folder, pixels = self.work / MODEL, self.pixels[:CALIBRATION]
        found = boards.count(contestants(self.weights, pixels, folder, peers=None, stock=()), self.config)
        return {name: facts | {"rows": self.counted[name]["rows"] | facts["rows"]} for name, facts in found.items()}

    def export(self) -> dict[str, Any]:
        """Time and memory of the export as the network grows."""
        return export.growth(GROWTH[:1] if self.quick else GROWTH)


def main() -> int:
    """Run the stages, store each when it ends, and print all of them."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="about three minutes, fewer files and turns, no boards")
    parser.add_argument("--stages", nargs="+", choices=STAGES, help="default: all, without boards and export if quick")
    parser.add_argument("--work", type=Path, default=Path("build/benchmark"), help="default: %(default)s")
    parser.add_argument("--json", type=Path, help="default: results.json, or quick.json, in the work folder")
    parser.add_argument("--peers", type=Path, metavar="PYTHON", help="of an environment with peers/requirements.txt")
    parser.add_argument("--ours", action="store_true", help="count our instructions, keep the other tools' of the file")
    parser.add_argument("--fresh", action="store_true", help="drop the stages that the file of results holds")
    arguments = parser.parse_args()
    target = arguments.json or arguments.work / ("quick.json" if arguments.quick else "results.json")
    stages = arguments.stages or (STAGES[:3] if arguments.quick else STAGES)
    if "boards" in stages:
        try:
            setup()
        except HostError as error:
            parser.error(f"{error}; name the other stages with --stages")
    found = {} if arguments.fresh else results.read(target)
    counted = found["boards"] if arguments.ours and "boards" in found else None
    if arguments.ours and counted is None:
        parser.error(f"{target}: no counts to keep; omit --ours")
    bench = Bench(
        arguments.work.resolve(),
        quick=arguments.quick,
        peers=arguments.peers,
        counted=counted and counted["figures"],
    )
    for stage in stages:
        measured_on = machine(*([] if stage in OURS_ALONE else [bench.peers]))
        if stage == "boards" and counted and counted["machine"]["tools"] != measured_on["tools"]:
            parser.error(f"{target}: counted with other versions of the tools; omit --ours")
        found[stage] = {"machine": measured_on, "quick": arguments.quick, "figures": getattr(bench, stage)()}
        results.write(target, found)
    print(page(found, read_accuracy()), end="")
    print(f"written: {target}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
