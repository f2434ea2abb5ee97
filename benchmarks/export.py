"""Compare the export of a module with the stock tools, in wall time and peak memory.

    python -m benchmarks.export build/twin/mixer_b32/saved_model

Ours: the bundle of the source (a SavedModel as the Hub serves it, or a checkpoint), with all checks against the source
and in the runtimes, but without the table of latencies that the command prints afterwards.
Stock: the same network in convertible form, saved as a SavedModel (not counted), then one ``TFLiteConverter`` run per
variant in one process, calibrated on the same pictures, with the options closest to the variant. It cannot keep single
layers in float, so its int8 quantizes every operator, with float input and output. Processor time is more reliable than
wall time if the machine is busy. Peak memory is the largest sum of resident memory over the processes, sampled every
50 ms.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.measure import measure

from mixer_edge_export.network.mixer import PUBLISHED_CONFIGS, MixerWeights
from mixer_edge_export.quantize.variants import VARIANTS
from mixer_edge_export.sources import load_source
from mixer_edge_export.sources.npz import save_npz

THREE = ("float32", "float16", "int8")


def costs(source: Path, variants: Sequence[str]) -> dict[str, Any]:
    """Return what both routes take for a source, their ratios, and the sizes of the files."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        this = [sys.executable, "-m", "benchmarks.export", "--variants", ",".join(variants)]
        measure([*this, str(source), "--rebuild", str(work / "convertible")])
        stock = measure([*this, str(work / "convertible"), "--stock", str(work / "stock")])
        ours = measure([*this, str(source), "--ours", str(work / "ours")])
        sizes = {
            variant: [(work / route / f"{variant}.tflite").stat().st_size for route in ("stock", "ours")]
            for variant in variants
        }
    return {
        "stock": asdict(stock),
        "ours": asdict(ours),
        "wall_ratio": ours.wall_s / stock.wall_s,
        "cpu_ratio": ours.cpu_s / stock.cpu_s,
        "peak_ratio": ours.peak_mib / stock.peak_mib,
        "size_bytes": sizes,
    }


def growth(sizes: Sequence[str]) -> dict[str, Any]:
    """Return the costs of three variants for checkpoints of these published sizes, with random weights."""
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            print(f"export of {size}", file=sys.stderr)
            weights = MixerWeights.random(PUBLISHED_CONFIGS[size], seed=0)
            path = Path(folder) / f"{size}.npz"
            save_npz(weights, path)
            rows[size] = {"parameters": weights.parameter_count} | costs(path, THREE)
            path.unlink()
    return rows


def main() -> int:
    """Print both costs and their ratios."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.export",
        description="Compare the export with one TFLiteConverter run per variant.",
    )
    parser.add_argument("source", type=Path, help="module to export, e.g. build/twin/mixer_b32/saved_model")
    parser.add_argument("--variants", default=",".join(VARIANTS), help="default: %(default)s")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--stock", type=Path, metavar="FOLDER", help=argparse.SUPPRESS)
    parser.add_argument("--ours", type=Path, metavar="FOLDER", help=argparse.SUPPRESS)
    parser.add_argument("--rebuild", type=Path, metavar="FOLDER", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    variants = arguments.variants.split(",")
    if arguments.rebuild:
        save_convertible(arguments.source, arguments.rebuild)
        return 0
    if arguments.ours:
        from mixer_edge_export.pipeline import export

        export(str(arguments.source), arguments.ours, variants=variants)
        return 0
    if arguments.stock:
        convert_stock(arguments.source, arguments.stock, variants)
        return 0
    figures = costs(arguments.source, variants)
    print(json.dumps(figures) if arguments.json else format_costs(figures))
    return 0


def format_costs(figures: dict[str, Any]) -> str:
    """Return the figures of one source as a table."""
    stock, ours = figures["stock"], figures["ours"]
    lines = [f"{'':14}{'stock':>12}{'ours':>12}{'ratio':>8}"]
    for title, key in (("wall", "wall"), ("cpu", "cpu")):
        lines.append(f"{title:14}{stock[f'{key}_s']:10.1f} s{ours[f'{key}_s']:10.1f} s{figures[f'{key}_ratio']:8.2f}")
    lines.append(f"{'peak':14}{stock['peak_mib']:8.0f} MiB{ours['peak_mib']:8.0f} MiB{figures['peak_ratio']:8.2f}")
    for variant, (theirs, own) in figures["size_bytes"].items():
        lines.append(f"{variant:14}{theirs / 1e6:9.1f} MB{own / 1e6:9.1f} MB{own / theirs:8.2f}")
    return "\n".join(lines)


def save_convertible(source: Path, folder: Path) -> None:
    """Save the module's network in plain ops with named variables, as a user would port it."""
    import tensorflow as tf

    from mixer_edge_export.network.mixer import mixer

    weights = load_source(str(source)).weights
    module = tf.Module()
    module.parameters = {key.replace("/", "_"): tf.Variable(array) for key, array in weights.arrays.items()}
    variables = {key: module.parameters[key.replace("/", "_")] for key in weights.arrays}
    spec = tf.TensorSpec(weights.config.input_shape, tf.float32, name="images")
    function = tf.function(lambda images: {"output": mixer(weights.config, variables, images)}, [spec])
    tf.saved_model.save(module, str(folder), signatures=function.get_concrete_function())


def convert_stock(saved_model: Path, folder: Path, variants: Sequence[str]) -> None:
    """Run one converter per variant on a convertible SavedModel."""
    import tensorflow as tf

    from mixer_edge.preprocess import Preprocessing
    from mixer_edge_export.calibration import generated_calibration

    spec = Preprocessing().spec(224)
    pictures = generated_calibration(spec)
    int8, int16 = (
        tf.lite.OpsSet.TFLITE_BUILTINS_INT8,
        tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8,
    )
    operators = {"int8": int8, "int8-integer": int8, "int16-integer": int16}
    folder.mkdir()
    for variant in variants:
        converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model))
        if variant != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if variant == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if variant in operators:
            converter.representative_dataset = lambda: ([image] for image in pictures.representative_dataset(spec))
            converter.target_spec.supported_ops = [operators[variant]]
        if variant.endswith("-integer"):
            converter.inference_input_type = tf.int16 if variant.startswith("int16") else tf.int8
            converter.inference_output_type = converter.inference_input_type
        (folder / f"{variant}.tflite").write_bytes(converter.convert())


if __name__ == "__main__":
    sys.exit(main())
