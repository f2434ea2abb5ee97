"""The accuracy of quantized files: every variant, the stock tools and the other tools, in one table and one plot.

    python -m benchmarks.quantization

writes ``docs/quantization.json``, ``docs/quantization.svg`` and the table of ``docs/quantization.md``. Three models:

- ``digits``: the bundled model on its held-out pictures.
- ``hard``: the same function, with exactly transformed weights that make its activations hard to quantize.
- ``heavy-tailed``: Mixer-B/32 at full size with heavy-tailed random weights, on generated pictures.

Instructions are those of ``docs/benchmarks.json``. Stages can be run one by one; each adds its figures to the file.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.boards import BOARDS
from benchmarks.contestants import FLOOR, SPEC, contestants, peers_python
from benchmarks.inference import outputs, workers
from benchmarks.models import harden, heavy_tailed
from benchmarks.page import DOCS, millions, replace_part, table, title
from benchmarks.results import read, write
from numpy.typing import NDArray

from mixer_edge.metrics import wilson_interval
from mixer_edge.preprocess import load_pixels, normalize
from mixer_edge_export.calibration.generated import generate
from mixer_edge_export.digits.images import write_images
from mixer_edge_export.network.mixer import PUBLISHED_CONFIGS, MixerWeights
from mixer_edge_export.quantize.variants import VARIANTS
from mixer_edge_export.report.svg import document, shape
from mixer_edge_export.sources import load_source
from mixer_edge_export.tflite.inspect import inspect_file

STAGES = ("digits", "hard", "heavy-tailed")
STOCK = ("TFLiteConverter int8", "TFLiteConverter dynamic int8", "ai-edge-quantizer static int8")
MARK = "<!-- written by benchmarks.quantization -->"
CALIBRATION, EVALUATION = 32, 64
Rows = dict[str, dict[str, Any]]


def evaluate(
    weights: MixerWeights,
    calibration: NDArray[np.uint8],
    pixels: NDArray[np.uint8],
    truth: NDArray[np.int64] | None,
    work: Path,
    peers: Path,
) -> Rows:
    """Return the outputs of every file of one model for uint8 pictures ``[n, H, W, 3]``."""
    everybody = [
        one
        for one in contestants(weights, calibration, work, peers=peers, stock=STOCK)
        if one.name != FLOOR and one.kind != "tflite"
    ]
    with workers({one.name: one.command(1) for one in everybody}, 1) as running:
        found = outputs(running, pixels)
    rows = accuracy(found, found["float32"], truth)
    for one in everybody:
        if one.kind == "litert":
            inspected = inspect_file(one.model)
            rows[one.name] |= {"size_bytes": inspected.size_bytes, "partitions": inspected.partitions}
            rows[one.name] |= {"float_tensors": inspected.float_tensors}
    return rows


def accuracy(
    found: Mapping[str, NDArray[np.float32]], reference: NDArray[np.float32], truth: NDArray[np.int64] | None
) -> Rows:
    """Return each file's signal-to-noise ratio, changed predictions and, with a truth, top-1 with its interval."""
    rows: Rows = {}
    signal = float(np.square(reference - reference.mean(axis=0)).sum())
    for name, logits in found.items():
        noise = float(np.square(logits - reference).sum())
        rows[name] = {
            "count": len(reference),
            "changed": int((logits.argmax(axis=1) != reference.argmax(axis=1)).sum()),
            "snr_db": 10 * math.log10(signal / noise) if noise else None,
        }
        if truth is not None:
            correct = int((logits.argmax(axis=1) == truth).sum())
            rows[name] |= {"top_1": correct / len(truth), "interval": list(wilson_interval(correct, len(truth)))}
    return rows


def digits_pictures(split: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return a split of the bundled model's pictures and their labels."""
    with tempfile.TemporaryDirectory() as folder:
        write_images(Path(folder) / "digits")
        paths = sorted((Path(folder) / "digits" / split).rglob("*.png"))
        return np.stack([load_pixels(path, SPEC) for path in paths]), np.array(
            [int(path.parent.name) for path in paths]
        )


def instructions() -> dict[str, dict[str, float]]:
    """Return the counts of docs/benchmarks.json in millions, by board and name."""
    found = read(DOCS / "benchmarks.json")
    if "boards" not in found:
        raise SystemExit(
            f"{DOCS / 'benchmarks.json'}: no instructions; python -m benchmarks --stages boards counts them"
        )
    return {board: millions(found["boards"]["figures"][board]["rows"]) for board in BOARDS}


def format_table(results: Mapping[str, Rows], counts: Mapping[str, Mapping[str, float]]) -> str:
    """Return the figures as a Markdown table."""

    def cell(stage: str, name: str, key: str, form: str, factor: float = 1) -> str:
        value = results.get(stage, {}).get(name, {}).get(key)
        return "–" if value is None else format(value * factor, form)

    lines = []
    for name in dict.fromkeys(name for stage in STAGES for name in results.get(stage, {})):
        cells = [title(name)]
        for stage in ("digits", "hard"):
            cells += [cell(stage, name, "top_1", ".2%"), cell(stage, name, "changed", "d")]
            cells += [cell(stage, name, "snr_db", ".1f")]
        cells += [cell("heavy-tailed", name, "changed", "d"), cell("heavy-tailed", name, "snr_db", ".1f")]
        cells += [cell("heavy-tailed", name, "size_bytes", ".1f", 1e-6), cell("heavy-tailed", name, "partitions", "d")]
        cells += [f"{counts[board][name]:.0f}" if name in counts[board] else "–" for board in BOARDS]
        lines.append(cells)
    header = ["file", "top-1, digits", "changed", "SNR dB", "top-1, hard", "changed", "SNR dB"]
    header += ["changed, heavy-tailed", "SNR dB", "MB", "partitions", "M instructions Pi 5", "Pi 4"]
    return table(header, lines)


def plot(rows: Rows, counts: Mapping[str, Mapping[str, float]]) -> str:
    """Return an SVG of the noise on the heavy-tailed model over instructions on a Pi 5, one point per file."""
    points = {
        name: (counts[BOARDS[0]][name], row["snr_db"])
        for name, row in rows.items()
        if name in counts[BOARDS[0]] and "float" not in name
    }
    right = 100 * (int(max(x for x, _ in points.values()) / 100) + 2)
    top = 5 * (int(max(y for _, y in points.values()) / 5) + 2)

    def place(x: float, y: float) -> tuple[float, float]:
        return 70 + 600 * x / right, 370 - 340 * y / top

    def text(x: float, y: float, words: str, anchor: str = "middle") -> str:
        return shape("text", words, x=float(x), y=float(y), text_anchor=anchor)

    shapes = [shape("path", d="M70 30V370H670", fill="none", stroke="black")]
    shapes += [text(place(x, 0)[0], 388, str(x)) for x in range(0, right + 1, 100)]
    shapes += [text(62, place(0, y)[1] + 4, str(y), "end") for y in range(0, top + 1, 5)]
    shapes += [text(370, 415, "million instructions per image, Pi 5, Mixer-B/32")]
    shapes += [text(70, 20, "signal to noise of the logits, heavy-tailed weights (dB)", "start")]
    # names of ours are on the left, of the others on the right, at least a line apart
    free = {"end": 0.0, "start": 0.0}
    for name, point in sorted(points.items(), key=lambda item: -item[1][1]):
        x, y = place(*point)
        side, shift, fill = ("end", -9, "#1f6fb4") if name in VARIANTS else ("start", 9, "#888")
        free[side] = max(y + 4, free[side] + 14)
        shapes.append(shape("circle", cx=x, cy=y, r=5, fill=fill))
        shapes.append(text(x + shift, free[side], name, side))
    return document(720, 430, shapes)


def main() -> int:
    """Run the stages and write the figures, the plot and the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quantization", description=main.__doc__)
    parser.add_argument("--stages", nargs="*", choices=STAGES, default=STAGES, help="none: plot and table alone")
    parser.add_argument("--work", type=Path, default=Path("build/benchmark"), help="default: %(default)s")
    parser.add_argument("--peers", type=Path, metavar="PYTHON", help="of an environment with peers/requirements.txt")
    arguments = parser.parse_args()
    target, work = DOCS / "quantization.json", arguments.work.resolve()
    results: dict[str, Rows] = read(target)
    peers = arguments.peers or (peers_python(work) if arguments.stages else None)
    if {"digits", "hard"} & set(arguments.stages):
        pixels, truth = digits_pictures("held_out")
        calibration, _ = digits_pictures("calibration")
        weights = load_source("digits").weights
        models = {"digits": weights, "hard": harden(weights, normalize(calibration, SPEC))}
        for stage in set(models) & set(arguments.stages):
            results[stage] = evaluate(models[stage], calibration, pixels, truth, work / stage, peers)
            write(target, results)
    if "heavy-tailed" in arguments.stages:
        pictures = np.stack(generate(CALIBRATION + EVALUATION))
        heavy = heavy_tailed(PUBLISHED_CONFIGS["mixer_b32"])
        folder = work / "heavy-tailed"
        results["heavy-tailed"] = evaluate(heavy, pictures[:CALIBRATION], pictures[CALIBRATION:], None, folder, peers)
        write(target, results)
    counts = instructions()
    (DOCS / "quantization.svg").write_text(plot(results["heavy-tailed"], counts))
    replace_part(DOCS / "quantization.md", MARK, format_table(results, counts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
