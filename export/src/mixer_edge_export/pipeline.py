"""The export: source -> float32 file -> its variants -> checked -> bundle."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixer_edge.errors import ModelError
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
from mixer_edge_export.metadata import LABELS_NAME, attach, describe, embed
from mixer_edge_export.metadata import replace as replace_metadata
from mixer_edge_export.quantize import LOSSLESS_OFFSET, measure_ranges, quantize_model
from mixer_edge_export.runtimes import LITERT, Runtime, find_runtimes, try_file
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

    task = "embedding" if source.num_classes is None else "classification"

    def metadata(preprocess: PreprocessSpec) -> bytes:
        return describe(source.name, preprocess, has_labels=bool(label_lines), task=task)

    # the conversion comes first: what the judge loads would stand in memory beside it
    float_model = embed(source.float_model(), metadata(spec))
    reference = source.network()(normalize(golden, spec))
    rebuilt_error = source.check_rebuilt(normalize(golden, spec), reference)
    ranges = {}
    if any(variant.calibrated for variant in selected):
        ranges = measure_ranges(float_model, pictures.representative_dataset(spec), len(pictures.pixels))
    files = {LABELS_NAME: "".join(f"{label}\n" for label in label_lines).encode()} if label_lines else {}
    runtimes = find_runtimes()
    with atomic_folder(out) as folder:
        specs, outputs = [], {}
        for variant in progress(selected, "writing variants"):
            path = folder / f"{variant.name}.tflite"
            lossless = variant.calibrated and source.weights is not None
            content = quantize_model(float_model, variant, ranges, None if lossless else pixel_range)
            own_spec = replace(spec, offset=LOSSLESS_OFFSET) if lossless else spec
            path.write_bytes(attach(replace_metadata(content, metadata(spec), metadata(own_spec)), files))
            check_size(path.stat().st_size, variant.bytes_per_weight * source.parameter_count, variant.name)
            variant_spec, outputs[variant.name] = _check_variant(
                path, variant, source, own_spec, golden, reference, runtimes
            )
            specs.append(variant_spec)
        np.savez_compressed(folder / "golden.npz", images=golden, reference=reference, **outputs)  # type: ignore[arg-type]
        label_spec = None
        if files:
            (folder / LABELS_NAME).write_bytes(files[LABELS_NAME])
            label_spec = FileSpec.of(folder / LABELS_NAME)
        manifest = Manifest(
            schema_version=SCHEMA_VERSION,
            name=source.name,
            task=task,
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
    runtimes: Sequence[Runtime],
) -> tuple[VariantSpec, NDArray[np.generic]]:
    """Run the file on the golden pictures in every runtime; return its facts and ai-edge-litert's raw outputs.

    Only ai-edge-litert, the runtime it was made for, must get along with it; what another makes of it is put down.
    """
    interpreter = Interpreter(path, backend=LITERT)
    tensors = quantize(normalize(golden, spec), interpreter.input)
    fared, raws = {}, {}
    for runtime in runtimes:
        fared[runtime.name], raws[runtime.name] = try_file(
            path, runtime, tensors, interpreter.output, reference, variant.max_error
        )
    raw = raws[LITERT]
    if raw is None:
        raise ModelError(f"{variant.name}: {LITERT} cannot run it ({fared[LITERT].reason}); nothing was written")
    check_outputs(
        variant.name, dequantize(raw, interpreter.output), reference, judge=source.location, max_error=variant.max_error
    )
    return (
        VariantSpec(
            name=variant.name,
            recipe=variant.recipe,
            file=FileSpec.of(path),
            offset=spec.offset,
            input=interpreter.input,
            output=interpreter.output,
            runtimes=fared,
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
