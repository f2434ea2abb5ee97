"""Measures the export of a full-size module against the stock route, in wall time and peak memory.

    python benchmarks/export.py build/twin/mixer_b32/saved_model

Ours: the bundle of the SavedModel as the Hub serves it, with all the checks against the source and in the runtimes, but
without the table of latencies that the command prints behind it.
Stock: the same network in convertible form, saved as a SavedModel (not counted), then one ``TFLiteConverter`` run per
variant in one process, calibrated on the same pictures, as close to each as its options go: it cannot keep single
layers in float, so its int8 is that of every operator, with float input and output. Processor time says the same as
wall time where other work disturbs the latter. Peak memory is the largest sum of resident memory over a route's
processes, sampled every 50 ms.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

VARIANTS = ("float32", "float16", "int8", "int8-dynamic", "int8-integer", "int16-integer")


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a route took."""

    wall_s: float
    cpu_s: float
    peak_mib: float


def main() -> int:
    """Print both costs and their ratios."""
    parser = argparse.ArgumentParser(description="Measure the export against one TFLiteConverter run per variant.")
    parser.add_argument("saved_model", type=Path, help="module to export, e.g. build/twin/mixer_b32/saved_model")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--stock", type=Path, metavar="FOLDER", help=argparse.SUPPRESS)
    parser.add_argument("--ours", type=Path, metavar="FOLDER", help=argparse.SUPPRESS)
    parser.add_argument("--rebuild", type=Path, metavar="FOLDER", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.rebuild:
        save_convertible(arguments.saved_model, arguments.rebuild)
        return 0
    if arguments.ours:
        from mixer_edge_export.pipeline import export

        export(str(arguments.saved_model), arguments.ours, variants=VARIANTS)
        return 0
    if arguments.stock:
        convert_stock(arguments.saved_model, arguments.stock)
        return 0
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        this = [sys.executable, __file__]
        measure([*this, str(arguments.saved_model), "--rebuild", str(work / "convertible")])
        stock = measure([*this, str(work / "convertible"), "--stock", str(work / "stock")])
        ours = measure([*this, str(arguments.saved_model), "--ours", str(work / "ours")])
        sizes = {
            variant: [(work / route / f"{variant}.tflite").stat().st_size for route in ("stock", "ours")]
            for variant in VARIANTS
        }
    figures = {
        "stock": asdict(stock),
        "ours": asdict(ours),
        "wall_ratio": ours.wall_s / stock.wall_s,
        "cpu_ratio": ours.cpu_s / stock.cpu_s,
        "peak_ratio": ours.peak_mib / stock.peak_mib,
        "size_bytes": sizes,
    }
    if arguments.json:
        print(json.dumps(figures))
        return 0
    print(f"{'':14}{'stock':>12}{'ours':>12}{'ratio':>8}")
    print(f"{'wall':14}{stock.wall_s:10.1f} s{ours.wall_s:10.1f} s{figures['wall_ratio']:8.2f}")
    print(f"{'cpu':14}{stock.cpu_s:10.1f} s{ours.cpu_s:10.1f} s{figures['cpu_ratio']:8.2f}")
    print(f"{'peak':14}{stock.peak_mib:8.0f} MiB{ours.peak_mib:8.0f} MiB{figures['peak_ratio']:8.2f}")
    for variant, (theirs, own) in sizes.items():
        print(f"{variant:14}{theirs / 1e6:9.1f} MB{own / 1e6:9.1f} MB{own / theirs:8.2f}")
    return 0


def measure(command: list[str]) -> Cost:
    """Run the command and return what it took; its output is shown if it fails."""
    start, peak = time.perf_counter(), 0
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryFile() as log:
        with subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT) as process:
            while process.poll() is None:
                peak = max(peak, resident_bytes(process.pid))
                time.sleep(0.05)
        if process.returncode:
            log.seek(0)
            raise SystemExit(f"{' '.join(command)} failed:\n{log.read().decode(errors='replace')}")
    wall_s, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return Cost(wall_s=wall_s, cpu_s=cpu_s, peak_mib=peak / 2**20)


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process and all its descendants; 0 once it is gone.

    Pages that several share count once in all: a process that is just starting another has it as its double.
    """
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        resident = next(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))
        children = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except (FileNotFoundError, ProcessLookupError, StopIteration):
        return 0
    return resident + sum(resident_bytes(int(child)) for line in children for child in line)


def save_convertible(saved_model: Path, folder: Path) -> None:
    """Save the module's network in plain ops with named variables, as a user would port it."""
    import tensorflow as tf

    from mixer_edge_export.mixer import mixer
    from mixer_edge_export.sources.saved_model import load_saved_model

    weights = load_saved_model(saved_model)
    module = tf.Module()
    module.parameters = {key.replace("/", "_"): tf.Variable(array) for key, array in weights.arrays.items()}
    variables = {key: module.parameters[key.replace("/", "_")] for key in weights.arrays}
    spec = tf.TensorSpec(weights.config.input_shape, tf.float32, name="images")
    function = tf.function(lambda images: {"output": mixer(weights.config, variables, images)}, [spec])
    tf.saved_model.save(module, str(folder), signatures=function.get_concrete_function())


def convert_stock(saved_model: Path, folder: Path) -> None:
    """Run one converter per variant on a convertible SavedModel."""
    import tensorflow as tf

    from mixer_edge.preprocess import preprocess_spec
    from mixer_edge_export.calibration import generated_calibration

    spec = preprocess_spec(224)
    pictures = generated_calibration(spec)
    int8, int16 = (
        tf.lite.OpsSet.TFLITE_BUILTINS_INT8,
        tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8,
    )
    operators = {"int8": int8, "int8-integer": int8, "int16-integer": int16}
    folder.mkdir()
    for variant in VARIANTS:
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
