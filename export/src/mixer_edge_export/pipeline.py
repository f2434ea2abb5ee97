"""The export: source -> float32 file -> its variants -> checked -> bundle."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixer_edge.interpreter import Interpreter
from mixer_edge.manifest import (
    MANIFEST_NAME,
    SCHEMA_VERSION,
    FileSpec,
    Manifest,
    PreprocessSpec,
    SourceSpec,
    VariantSpec,
)
from mixer_edge.preprocess import normalize
from mixer_edge.progress import progress
from mixer_edge.tensors import dequantize, quantize
from mixer_edge_export.bundle import atomic_folder, check_destination
from mixer_edge_export.calibration import CalibrationSet, calibration_from_folder, generated_calibration
from mixer_edge_export.convert import check_size
from mixer_edge_export.digits.images import write_images
from mixer_edge_export.judge import check_outputs
from mixer_edge_export.labels import read_labels
from mixer_edge_export.quantize import measure_ranges, quantize_model
from mixer_edge_export.sources import MIXER_RANGE, Source, load_source
from mixer_edge_export.variants import VARIANTS, Variant, select_variants

GOLDEN_COUNT = 4
TOOLS = ("mixer-edge", "tensorflow", "ai-edge-quantizer", "ai-edge-litert", "numpy", "pillow")


def digits_folder(out: Path) -> Path:
    """Return the folder beside a bundle where the bundled model's pictures are written."""
    return out.parent / "digits-images"


def export(
    model: str,
    out: Path,
    *,
    calibration: Path | None = None,
    labels: Path | None = None,
    pixel_range: tuple[float, float] = MIXER_RANGE,
    variants: Sequence[str] = tuple(VARIANTS),
    overwrite: bool = False,
    geometry: str = "squash",
    antialias: bool = True,
    decode: str = "scaled",
) -> Manifest:
    """Write the bundle of a model to the folder ``out`` and return its manifest.

    Args:
        model: a name, an address or a path, see ``sources``.
        out: bundle folder; its parent is made.
        calibration: folder of pictures for the activations' ranges; None takes the model's own or generated ones.
        labels: file with one label per line, or ``imagenet``; None takes the model's own, if it has any.
        pixel_range: what pixels 0 and 255 become in the input; a Mixer's is (-1, 1), another network's may differ.
        variants: names from the table; float32 always comes along.
        overwrite: whether a bundle at ``out`` may be replaced.
        geometry: ``squash`` or ``resize-crop``; this and the next two as ``preprocess_spec`` takes them.
        antialias: False for a model that was trained through ``tf.image.resize`` as it is by default.
        decode: ``scaled``, or ``exact`` to decode JPEG at full size whatever its size.

    Raises:
        ModelError: the model cannot be loaded or converted, or a file does not compute what the model does.
        DataError: the calibration pictures or the label file cannot be used.
        BundleError: ``out`` must not be written to.
    """
    selected = select_variants(variants)
    check_destination(out, overwrite=overwrite)
    source = load_source(model)
    label_lines = source.labels if labels is None else read_labels(labels, source.num_classes)
    spec = source.preprocess(geometry=geometry, antialias=antialias, decode=decode, pixel_range=pixel_range)
    pictures = _calibration(calibration, source, spec, out)
    golden = pictures.golden(GOLDEN_COUNT)

    float_model = source.float_model()  # first: what the judge loads would stand in memory beside the conversion
    reference = source.network()(normalize(golden, spec))
    rebuilt_error = source.check_rebuilt(normalize(golden, spec), reference)
    ranges = {}
    if any(variant.calibrated for variant in selected):
        ranges = measure_ranges(float_model, pictures.representative_dataset(spec), len(pictures.pixels))
    with atomic_folder(out) as folder:
        specs, outputs = [], {}
        for variant in progress(selected, "writing variants"):
            path = folder / f"{variant.name}.tflite"
            path.write_bytes(quantize_model(float_model, variant, ranges))
            check_size(path.stat().st_size, variant.bytes_per_weight * source.parameter_count, variant.name)
            variant_spec, outputs[variant.name] = _check_variant(path, variant, source, spec, golden, reference)
            specs.append(variant_spec)
        np.savez_compressed(folder / "golden.npz", images=golden, reference=reference, **outputs)  # type: ignore[arg-type]
        label_spec = None
        if label_lines:
            (folder / "labels.txt").write_text("".join(f"{label}\n" for label in label_lines), "utf-8")
            label_spec = FileSpec.of(folder / "labels.txt")
        manifest = Manifest(
            schema_version=SCHEMA_VERSION,
            name=source.name,
            task="embedding" if source.num_classes is None else "classification",
            source=SourceSpec(
                kind=source.kind,
                location=source.location,
                weights="random" if source.is_random else "trained",
                fingerprint=source.fingerprint(),
                sha256=source.sha256,
                judge=source.judge,
                rebuilt_error=rebuilt_error,
            ),
            architecture=source.architecture,
            preprocess=spec,
            calibration=pictures.manifest(),
            labels=label_spec,
            golden=FileSpec.of(folder / "golden.npz"),
            variants=tuple(specs),
            tools={"python": platform.python_version()} | {tool: version(tool) for tool in TOOLS},
        )
        (folder / MANIFEST_NAME).write_bytes(manifest.to_bytes())
    return manifest


def _check_variant(
    path: Path,
    variant: Variant,
    source: Source,
    spec: PreprocessSpec,
    golden: NDArray[np.uint8],
    reference: NDArray[np.float32],
) -> tuple[VariantSpec, NDArray[np.generic]]:
    """Run the file on the golden pictures; return its facts and raw outputs once they are close to the reference."""
    interpreter = Interpreter(path, backend="ai-edge-litert")
    tensors = quantize(normalize(golden, spec), interpreter.input)
    raw = np.concatenate([interpreter.invoke(tensor[np.newaxis]) for tensor in tensors])
    error = check_outputs(
        variant.name, dequantize(raw, interpreter.output), reference, judge=source.location, max_error=variant.max_error
    )
    return (
        VariantSpec(
            name=variant.name,
            recipe=variant.recipe,
            file=FileSpec.of(path),
            input=interpreter.input,
            output=interpreter.output,
            error=error,
        ),
        raw,
    )


def _calibration(folder: Path | None, source: Source, spec: PreprocessSpec, out: Path) -> CalibrationSet:
    if folder is not None:
        return calibration_from_folder(folder, spec)
    if source.kind == "bundled":
        images = digits_folder(out)
        write_images(images)
        return calibration_from_folder(images / "calibration", spec, kind=source.name)
    return generated_calibration(spec)
