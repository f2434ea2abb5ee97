"""What quantization costs and what it brings: every variant and three stock tools, in one table and one plot.

    python -m benchmarks.quantization --onnx-python ENV/bin/python

writes ``docs/quantization.json``, ``docs/quantization.svg`` and prints the table. Needs the export's environment;
``--onnx-python`` is the Python of one with ``benchmarks/onnx-requirements.txt``. Three models:

- ``digits``: the bundled model on its held-out pictures.
- ``hard``: the same function, its weights changed exactly so that its activations are hard to quantize.
- ``heavy-tailed``: Mixer-B/32 at full size with heavy-tailed random weights, on generated pictures.

For ``heavy-tailed``, instructions per image of the files with integers are counted on emulated boards
(``tests/device``) and CPU time is a ratio to float32 on this host. Stages may be run one by one; each adds its figures
to the JSON file.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.models import harden, heavy_tailed
from benchmarks.stock import converter_int8, onnx_static, quantizer_static
from numpy.typing import NDArray

from mixer_edge.interpreter import Interpreter
from mixer_edge.metrics import wilson_interval
from mixer_edge.preprocess import load_pixels, normalize, preprocess_spec
from mixer_edge.tensors import dequantize, quantize
from mixer_edge_export.convert import convert_float
from mixer_edge_export.digits.images import write_images
from mixer_edge_export.inspect import inspect_file
from mixer_edge_export.mixer import PUBLISHED_CONFIGS, MixerWeights
from mixer_edge_export.quantize import LOSSLESS_OFFSET, measure_ranges, quantize_model
from mixer_edge_export.sources import load_source
from mixer_edge_export.variants import VARIANTS

DOCS = Path(__file__).parents[1] / "docs"
STOCK = {"TFLiteConverter int8": converter_int8, "ai-edge-quantizer static": quantizer_static}
ONNX = "ONNX Runtime static int8"
STAGES = ("digits", "hard", "heavy-tailed", "boards")
BOARDS = ("pi5-bookworm", "pi4-bookworm")
SPEC = preprocess_spec(224)
GENERATED = 96
CALIBRATION = 32
Rows = dict[str, dict[str, Any]]


def files(weights: MixerWeights, calibration: NDArray[np.uint8]) -> dict[str, bytes]:
    """Return the file of every variant and stock tool, calibrated on the same ``[n, 224, 224, 3]`` uint8 pictures."""
    images = normalize(calibration, SPEC)
    float_model = convert_float(weights)
    ranges = measure_ranges(float_model, (image[np.newaxis] for image in images), len(images))
    ours = {name: quantize_model(float_model, variant, ranges) for name, variant in VARIANTS.items()}
    return ours | {name: make(weights, images) for name, make in STOCK.items()}


def outputs(path: Path, name: str, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return a file's logits ``[n, classes]``, dequantized, for uint8 pictures."""
    interpreter = Interpreter(path, backend="ai-edge-litert")
    offset = LOSSLESS_OFFSET if name in VARIANTS and VARIANTS[name].calibrated else SPEC.offset
    table = quantize((np.arange(256) / SPEC.scale + offset).astype(np.float32), interpreter.input)
    return np.stack(
        [dequantize(interpreter.invoke(table[image][np.newaxis])[0], interpreter.output) for image in pixels]
    )


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
            "snr_db": 10 * float(np.log10(signal / noise)) if noise else None,
        }
        if truth is not None:
            correct = int((logits.argmax(axis=1) == truth).sum())
            rows[name] |= {"top_1": correct / len(truth), "interval": wilson_interval(correct, len(truth))}
    return rows


def evaluate(
    weights: MixerWeights,
    calibration: NDArray[np.uint8],
    pixels: NDArray[np.uint8],
    truth: NDArray[np.int64] | None,
    onnx_python: Path | None,
    folder: Path,
) -> Rows:
    """Return the rows of one model; the files stay in ``folder``."""
    found = {}
    for name, content in files(weights, calibration).items():
        path = folder / f"{name.replace(' ', '_')}.tflite"
        path.write_bytes(content)
        found[name] = outputs(path, name, pixels)
        print(f"{name}: {len(pixels)} pictures", file=sys.stderr)
    facts = {}
    if onnx_python:
        images = normalize(pixels, SPEC)
        found[ONNX], facts[ONNX] = onnx_static(onnx_python, weights, normalize(calibration, SPEC), images)
    rows = accuracy(found, found["float32"], truth)
    for name, row in rows.items():
        if name != ONNX:
            inspected = inspect_file(folder / f"{name.replace(' ', '_')}.tflite")
            row |= {"size_bytes": inspected.size_bytes, "partitions": inspected.partitions}
            row |= {"float_tensors": inspected.float_tensors}
    return {name: row | facts.get(name, {}) for name, row in rows.items()}


def cpu_ratios(folder: Path, names: list[str], rounds: int = 15) -> dict[str, float]:
    """Return each file's CPU time per inference as a ratio to float32's: medians of one interleaved run, one thread."""
    loaded = {name: Interpreter(folder / f"{name.replace(' ', '_')}.tflite", threads=1) for name in names}
    tensors = {name: np.zeros(one.input.shape, one.input.dtype) for name, one in loaded.items()}
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds + 1):
        for name, one in loaded.items():
            start = time.process_time()
            one.invoke(tensors[name])
            seconds[name].append(time.process_time() - start)
    median = {name: float(np.median(times[1:])) for name, times in seconds.items()}
    return {name: value / median["float32"] for name, value in median.items()}


def count_instructions(folder: Path, names: list[str], keep: Callable[[str, str, int], None]) -> None:
    """Call ``keep(name, board, count)`` for the instructions per inference of every file on every board."""
    from tests.device.board import fresh_board
    from tests.device.instructions import instructions

    for board_name in BOARDS:
        with fresh_board(board_name) as board:
            for name in names:
                path = folder / f"{name.replace(' ', '_')}.tflite"
                keep(name, board_name, instructions(board, path, None, "ai-edge-litert")["insn"])


def digits_pictures(split: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return a split of the bundled model's pictures and their labels."""
    with tempfile.TemporaryDirectory() as folder:
        write_images(Path(folder) / "digits")
        paths = sorted((Path(folder) / "digits" / split).rglob("*.png"))
        return np.stack([load_pixels(path, SPEC) for path in paths]), np.array(
            [int(path.parent.name) for path in paths]
        )


def generated_pictures(count: int) -> NDArray[np.uint8]:
    """Return pictures of the export's own generator, ``[count, 224, 224, 3]`` uint8."""
    from mixer_edge_export.calibration.generated import generate

    return np.stack(generate(count))


def format_table(results: Mapping[str, Rows]) -> str:
    """Return the figures as a Markdown table, without a newline at the end."""

    def cell(stage: str, name: str, key: str, form: str, factor: float = 1) -> str:
        value = results.get(stage, {}).get(name, {}).get(key)
        return "–" if value is None else format(value * factor, form)

    lines = [
        "| file | top-1, digits | changed | SNR dB | top-1, hard | changed | SNR dB | changed, heavy-tailed | SNR dB "
        "| MB | partitions | M instructions Pi 5 | Pi 4 | CPU time |",
        "|" + " --- |" * 14,
    ]
    for name in dict.fromkeys(name for stage in STAGES[:3] for name in results.get(stage, {})):
        cells = [name]
        for stage in ("digits", "hard"):
            cells += [cell(stage, name, "top_1", ".2%"), cell(stage, name, "changed", "d")]
            cells += [cell(stage, name, "snr_db", ".1f")]
        cells += [cell("heavy-tailed", name, "changed", "d"), cell("heavy-tailed", name, "snr_db", ".1f")]
        cells += [cell("heavy-tailed", name, "size_bytes", ".1f", 1e-6), cell("heavy-tailed", name, "partitions", "d")]
        cells += [cell("boards", name, board, ".0f", 1e-6) for board in BOARDS]
        cells += [cell("heavy-tailed", name, "cpu_ratio", ".2f")]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def plot(results: Mapping[str, Rows], path: Path) -> None:
    """Draw the noise on the heavy-tailed model over instructions on a Pi 5 as SVG, one point per file."""
    points = {
        name: (row[BOARDS[0]] / 1e6, results["heavy-tailed"][name]["snr_db"])
        for name, row in results.get("boards", {}).items()
        if BOARDS[0] in row and results["heavy-tailed"][name]["snr_db"] is not None
    }
    if not points:
        return
    right = 100 * (int(max(x for x, _ in points.values()) / 100) + 2)
    top = 5 * (int(max(y for _, y in points.values()) / 5) + 2)

    def place(x: float, y: float) -> tuple[float, float]:
        return 70 + 600 * x / right, 370 - 340 * y / top

    def text(x: float, y: float, words: str, anchor: str = "middle") -> str:
        return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words}</text>'

    shapes = ['<rect width="720" height="430" fill="white"/>', '<path d="M70 30V370H670" fill="none" stroke="black"/>']
    shapes += [text(place(x, 0)[0], 388, str(x)) for x in range(0, right + 1, 100)]
    shapes += [text(62, place(0, y)[1] + 4, str(y), "end") for y in range(0, top + 1, 5)]
    shapes += [text(370, 415, "million instructions per image, Pi 5, Mixer-B/32")]
    shapes += [text(70, 20, "signal to noise of the logits, heavy-tailed weights (dB)", "start")]
    for name, point in points.items():
        x, y = place(*point)
        shapes.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{"#1f6fb4" if name in VARIANTS else "#888"}"/>')
        shapes.append(text(x + 8, y - 6, name, "start"))
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 430" font-family="sans-serif" font-size="12">'
    path.write_text("\n".join([head, *shapes, "</svg>"]) + "\n")


def main() -> int:
    """Run the stages, write the figures and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quantization", description=main.__doc__)
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES)
    parser.add_argument("--onnx-python", type=Path, help="Python of an environment with onnx-requirements.txt")
    parser.add_argument(
        "--work", type=Path, help="folder of the files, for boards without heavy-tailed (default: none)"
    )
    arguments = parser.parse_args()
    target = DOCS / "quantization.json"
    results: dict[str, Rows] = json.loads(target.read_text()) if target.exists() else {}

    def save() -> None:
        target.write_text(json.dumps(results, indent=1) + "\n")

    with tempfile.TemporaryDirectory() as temporary:
        work = arguments.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        if {"digits", "hard"} & set(arguments.stages):
            pixels, truth = digits_pictures("held_out")
            calibration, _ = digits_pictures("calibration")
            weights = load_source("digits").weights
            models = {"digits": weights, "hard": harden(weights, normalize(calibration, SPEC))}
            for stage in set(models) & set(arguments.stages):
                results[stage] = evaluate(models[stage], calibration, pixels, truth, arguments.onnx_python, work)
                save()
        if "heavy-tailed" in arguments.stages:
            pictures = generated_pictures(GENERATED)
            heavy = heavy_tailed(PUBLISHED_CONFIGS["mixer_b32"])
            rows = evaluate(heavy, pictures[:CALIBRATION], pictures[CALIBRATION:], None, arguments.onnx_python, work)
            for name, ratio in cpu_ratios(work, [name for name in rows if name != ONNX]).items():
                rows[name]["cpu_ratio"] = ratio
            results["heavy-tailed"] = rows
            save()
        if "boards" in arguments.stages:

            def keep(name: str, board: str, count: int) -> None:
                results.setdefault("boards", {}).setdefault(name, {})[board] = count
                save()

            # floats take minutes under emulation
            names = [name for name in (*VARIANTS, *STOCK) if not name.startswith("float")]
            count_instructions(work, names, keep)
    plot(results, DOCS / "quantization.svg")
    print(format_table(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
