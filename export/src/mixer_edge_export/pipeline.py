"""The export: source -> float32 file -> its variants -> checked -> bundle."""

from __future__ import annotations

import gc
import platform
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixer_edge.errors import DataError, ModelError
from mixer_edge.interpreter import Interpreter
from mixer_edge.manifest import (
    MANIFEST_NAME,
    SCHEMA_VERSION,
    BoundSpec,
    CalibrationSpec,
    FileSpec,
    Manifest,
    PreprocessSpec,
    SourceSpec,
    VariantSpec,
)
from mixer_edge.preprocess import load_pixels, normalize
from mixer_edge.progress import progress
from mixer_edge.tensors import dequantize, quantize
from mixer_edge_export.bundle import atomic_folder, check_destination
from mixer_edge_export.calibration import (
    DEFAULT_SAMPLES,
    CalibrationRecord,
    CalibrationSet,
    fingerprint,
    generated_calibration,
    load_calibration,
)
from mixer_edge_export.calibration.generated import generate
from mixer_edge_export.convert import check_size
from mixer_edge_export.digits.images import images_beside
from mixer_edge_export.judge import check_outputs
from mixer_edge_export.labels import read_labels
from mixer_edge_export.layers import find_layers, keep_float
from mixer_edge_export.metadata import LABELS_NAME, attach, describe, embed
from mixer_edge_export.metadata import replace as replace_metadata
from mixer_edge_export.probe import Probe, load_probe
from mixer_edge_export.quantize import LOSSLESS_OFFSET, measure_ranges, quantize_model
from mixer_edge_export.runtimes import LITERT, Runtime, find_runtimes, try_file
from mixer_edge_export.search import VARIANT as BOUND_VARIANT
from mixer_edge_export.search import find_mixture, format_mixture
from mixer_edge_export.sources import MIXER_RANGE, Source, load_source
from mixer_edge_export.variants import VARIANTS, Variant, select_variants

GOLDEN_COUNT = 4
SELECTION_SAMPLES = 1000
TOOLS = ("mixer-edge", "tensorflow", "ai-edge-quantizer", "ai-edge-litert", "numpy", "pillow")


def export(
    model: str,
    out: Path,
    *,
    calibration: Path | None = None,
    calibration_samples: int = DEFAULT_SAMPLES,
    calibration_seed: int = 0,
    max_drop: float | None = None,
    selection: Path | None = None,
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
        calibration: folder of pictures or file of arrays for the activations' ranges; None takes the model's own
            pictures or generated ones.
        calibration_samples: how many of them to use at most.
        calibration_seed: another one takes others.
        max_drop: points that int8 may lose on the selection set; layers are kept in float until it does not lose more.
        selection: pictures for that; None for the calibration's or, if these are generated, further ones.
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
        BoundError: no mixture of int8 and float layers loses so little.
    """
    selected = select_variants(variants)
    if max_drop is not None and BOUND_VARIANT not in variants:
        raise ModelError(f"max_drop bounds {BOUND_VARIANT}; add it to the variants")
    if selection is not None and max_drop is None:
        raise DataError(f"{selection}: a selection set is for max_drop alone; give the bound too")
    check_destination(out, overwrite=overwrite)
    source = load_source(model)
    label_lines = source.labels if labels is None else read_labels(labels, source.num_classes)
    spec = source.preprocess(geometry=geometry, antialias=antialias, decode=decode, pixel_range=pixel_range)
    if calibration is not None:
        pictures = load_calibration(
            calibration, spec, samples=calibration_samples, seed=calibration_seed, labels=label_lines or ()
        )
    else:
        pictures = _own_calibration(source, spec, out)
    golden = pictures.golden(GOLDEN_COUNT)
    probe = None if max_drop is None else _selection(selection, pictures, source, label_lines or (), spec)

    task = "embedding" if source.num_classes is None else "classification"

    def metadata(preprocess: PreprocessSpec) -> bytes:
        return describe(source.name, preprocess, has_labels=bool(label_lines), task=task)

    # the conversion comes first: what the judge loads would stand in memory beside it
    float_model = embed(source.float_model(), metadata(spec))
    reference = source.network()(normalize(golden, spec))
    rebuilt_error = source.check_rebuilt(normalize(golden, spec), reference)
    gc.collect()  # the judge's objects point at each other and would keep its variables
    ranges = {}
    if any(variant.calibrated for variant in selected):
        ranges = measure_ranges(float_model, pictures.representative_dataset(spec), len(pictures.pixels))
    files = {LABELS_NAME: "".join(f"{label}\n" for label in label_lines).encode()} if label_lines else {}
    runtimes = find_runtimes()
    mixture = bound = None
    if probe is not None and max_drop is not None:
        layers = find_layers(float_model, source.architecture)
        mixture = find_mixture(float_model, layers, ranges, probe, max_drop)
        print(format_mixture(mixture, probe), file=sys.stderr)
        bound = BoundSpec(
            max_drop=max_drop,
            measure=probe.measure,
            count=len(probe.pixels),
            fingerprint=fingerprint(probe.digests()),
            int8_drop=mixture.int8_drop,
            drop=mixture.drop,
            int8_size_bytes=mixture.int8_size_bytes,
        )
    with atomic_folder(out) as folder:
        specs, outputs = [], {}
        for variant in progress(selected, "writing variants"):
            path = folder / f"{variant.name}.tflite"
            kept = mixture.kept if mixture and variant.name == BOUND_VARIANT else ()
            lossless = variant.calibrated and source.weights is not None
            own_spec = replace(spec, offset=LOSSLESS_OFFSET) if lossless else spec
            content = quantize_model(float_model, keep_float(variant, kept), ranges, None if lossless else pixel_range)
            path.write_bytes(attach(replace_metadata(content, metadata(spec), metadata(own_spec)), files))
            del content  # as large as the file, like what the trial of the file needs
            check_size(path.stat().st_size, variant.bytes_per_weight * source.parameter_count, variant.name)
            variant_spec, outputs[variant.name] = _check_variant(
                path, variant, source, own_spec, golden, reference, runtimes
            )
            specs.append(replace(variant_spec, kept_float=tuple(layer.name for layer in kept)))
        np.savez_compressed(folder / "golden.npz", images=golden, reference=reference, **outputs)  # type: ignore[arg-type]
        label_spec = None
        if files:
            (folder / LABELS_NAME).write_bytes(files[LABELS_NAME])
            label_spec = FileSpec.of(folder / LABELS_NAME)
        record = CalibrationRecord(
            calibration=pictures.digests(), selection=probe.digests() if probe else (), ranges=ranges
        )
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
            calibration=CalibrationSpec(
                kind=pictures.kind,
                count=len(pictures.pixels),
                found=pictures.found,
                fingerprint=fingerprint(pictures.digests()),
                warnings=pictures.warnings,
                file=record.write(folder),
            ),
            bound=bound,
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
    input_spec, output_spec = interpreter.input, interpreter.output
    del interpreter  # it holds the file and its packed weights, and so will each process that tries the file
    tensors = quantize(normalize(golden, spec), input_spec)
    fared, raws = {}, {}
    for runtime in runtimes:
        fared[runtime.name], raws[runtime.name] = try_file(
            path, runtime, tensors, output_spec, reference, variant.max_error
        )
    raw = raws[LITERT]
    if raw is None:
        raise ModelError(f"{variant.name}: {LITERT} cannot run it ({fared[LITERT].reason}); nothing was written")
    check_outputs(
        variant.name, dequantize(raw, output_spec), reference, judge=source.location, max_error=variant.max_error
    )
    return (
        VariantSpec(
            name=variant.name,
            recipe=variant.recipe,
            kept_float=(),
            file=FileSpec.of(path),
            offset=spec.offset,
            input=input_spec,
            output=output_spec,
            runtimes=fared,
        ),
        raw,
    )


def _own_calibration(source: Source, spec: PreprocessSpec, out: Path) -> CalibrationSet:
    if source.kind != "bundled":
        return generated_calibration(spec)
    return load_calibration(images_beside(out, "calibration"), spec, kind=source.name)


def _selection(
    folder: Path | None, calibration: CalibrationSet, source: Source, labels: Sequence[str], spec: PreprocessSpec
) -> Probe:
    if source.num_classes is None:
        raise ModelError("a feature extractor has no predictions to keep; leave --max-drop out")
    if folder is not None:
        return load_probe(folder, spec, labels, SELECTION_SAMPLES)
    if calibration.kind == "generated":
        pictures = generate(len(calibration.pixels), first=len(calibration.pixels))
        return Probe(pixels=tuple(load_pixels(picture, spec) for picture in pictures), truth=None, spec=spec)
    return Probe(pixels=calibration.pixels, truth=None, spec=spec)
