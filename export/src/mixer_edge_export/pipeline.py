"""The export: source -> float32 file -> its variants -> checked -> bundle."""

from __future__ import annotations

import gc
import logging
import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
    FileSpec,
    Manifest,
    PreprocessSpec,
    VariantSpec,
)
from mixer_edge.preprocess import load_pixels, normalize
from mixer_edge.progress import progress
from mixer_edge.tensors import dequantize, quantize
from mixer_edge_export.bundle import atomic_folder
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
from mixer_edge_export.layers import Layer, find_layers, keep_float
from mixer_edge_export.metadata import LABELS_NAME, attach, describe, embed
from mixer_edge_export.metadata import replace as replace_metadata
from mixer_edge_export.probe import Probe, load_probe
from mixer_edge_export.quantize import LOSSLESS_OFFSET, measure_ranges, quantize_model
from mixer_edge_export.ranges import Ranges
from mixer_edge_export.runtimes import LITERT, Runtime, find_runtimes, try_file
from mixer_edge_export.search import VARIANT as BOUND_VARIANT
from mixer_edge_export.search import find_mixture, format_mixture
from mixer_edge_export.sources import MIXER_RANGE, Source, load_source
from mixer_edge_export.variants import VARIANTS, Variant, select_variants

log = logging.getLogger(__name__)

GOLDEN_NAME = "golden.npz"
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
        BundleError: ``out`` must not be written to, or another export is at it.
        BoundError: no mixture of int8 and float layers loses so little.
    """
    selected = select_variants(variants)
    if max_drop is not None and BOUND_VARIANT not in variants:
        raise ModelError(f"max_drop bounds {BOUND_VARIANT}; add it to the variants")
    if selection is not None and max_drop is None:
        raise DataError(f"{selection}: a selection set is for max_drop alone; give the bound too")
    with atomic_folder(out, overwrite=overwrite) as folder:
        source = load_source(model)
        if labels is not None:
            source = replace(source, labels=read_labels(labels, source.num_classes))
        spec = source.preprocess(geometry=geometry, antialias=antialias, decode=decode, pixel_range=pixel_range)
        if calibration is not None:
            pictures = load_calibration(
                calibration, spec, samples=calibration_samples, seed=calibration_seed, labels=source.labels or ()
            )
        else:
            pictures = _own_calibration(source, spec, out)
        probe = None if max_drop is None else _selection(selection, pictures, source, spec)
        base = _convert(source, spec, pixel_range, pictures, selected)
        kept, bound = _meet_bound(base, probe, max_drop)
        specs = _write_variants(folder, base, selected, kept)
        record = CalibrationRecord(
            calibration=pictures.digests(), selection=probe.digests() if probe else (), ranges=base.ranges
        )
        manifest = Manifest(
            schema_version=SCHEMA_VERSION,
            name=source.name,
            task=source.task,
            source=source.facts(base.rebuilt_error),
            architecture=source.architecture,
            preprocess=spec,
            calibration=pictures.facts(record.write(folder)),
            bound=bound,
            labels=FileSpec.of(folder / LABELS_NAME) if source.labels else None,
            golden=FileSpec.of(folder / GOLDEN_NAME),
            variants=specs,
            tools={"python": platform.python_version()} | {tool: version(tool) for tool in TOOLS},
        )
        (folder / MANIFEST_NAME).write_bytes(manifest.to_bytes())
    return manifest


@dataclass(frozen=True, kw_only=True)
class _Base:
    """The float32 file, with all that its variants are made with and judged by."""

    source: Source
    spec: PreprocessSpec
    pixel_range: tuple[float, float] | None
    """As ``quantize_model`` takes it: None for a Mixer."""
    float_model: bytes
    ranges: Ranges
    """Of its activations; empty if no variant needs them."""
    golden: NDArray[np.uint8]
    """Pictures ``[n, height, width, 3]``."""
    reference: NDArray[np.float32]
    """The judge's outputs ``[n, classes]`` for them."""
    rebuilt_error: float


def _convert(
    source: Source,
    spec: PreprocessSpec,
    pixel_range: tuple[float, float],
    pictures: CalibrationSet,
    variants: Sequence[Variant],
) -> _Base:
    # the conversion comes first: what the judge loads would stand in memory beside it
    float_model = embed(source.float_model(), _metadata(source, spec))
    golden = pictures.golden(GOLDEN_COUNT)
    reference = source.network()(normalize(golden, spec))
    rebuilt_error = source.check_rebuilt(normalize(golden, spec), reference)
    gc.collect()  # the judge's objects point at each other and would keep its variables
    ranges = {}
    if any(variant.calibrated for variant in variants):
        ranges = measure_ranges(float_model, pictures.representative_dataset(spec), len(pictures.pixels))
    return _Base(
        source=source,
        spec=spec,
        pixel_range=pixel_range if source.weights is None else None,
        float_model=float_model,
        ranges=ranges,
        golden=golden,
        reference=reference,
        rebuilt_error=rebuilt_error,
    )


def _meet_bound(base: _Base, probe: Probe | None, max_drop: float | None) -> tuple[tuple[Layer, ...], BoundSpec | None]:
    """Return the layers that int8 keeps in float, and what they bring; none and None without a bound."""
    if probe is None or max_drop is None:
        return (), None
    layers = find_layers(base.float_model, base.source.architecture)
    mixture = find_mixture(base.float_model, layers, base.ranges, probe, max_drop)
    log.info(format_mixture(mixture, probe))
    return mixture.kept, BoundSpec(
        max_drop=max_drop,
        measure=probe.measure,
        count=len(probe.pixels),
        fingerprint=fingerprint(probe.digests()),
        int8_drop=mixture.int8_drop,
        drop=mixture.drop,
        int8_size_bytes=mixture.int8_size_bytes,
    )


def _write_variants(
    folder: Path, base: _Base, variants: Sequence[Variant], kept: Sequence[Layer]
) -> tuple[VariantSpec, ...]:
    """Write the labels, a file per variant and the golden outputs of all; return the facts of the variants."""
    files = {LABELS_NAME: "".join(f"{label}\n" for label in base.source.labels).encode()} if base.source.labels else {}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    runtimes = find_runtimes()
    specs, outputs = [], {}
    for variant in progress(variants, "writing variants"):
        path = folder / f"{variant.name}.tflite"
        layers = kept if variant.name == BOUND_VARIANT else ()
        lossless = variant.calibrated and base.pixel_range is None
        spec = replace(base.spec, offset=LOSSLESS_OFFSET) if lossless else base.spec
        model = quantize_model(base.float_model, keep_float(variant, layers), base.ranges, base.pixel_range)
        model = replace_metadata(model, _metadata(base.source, base.spec), _metadata(base.source, spec))
        path.write_bytes(attach(model, files))
        del model  # as large as the file, like what the trial of the file needs
        check_size(path.stat().st_size, variant.bytes_per_weight * base.source.parameter_count, variant.name)
        facts, outputs[variant.name] = _check_variant(path, variant, base, spec, runtimes)
        specs.append(replace(facts, kept_float=tuple(layer.name for layer in layers)))
    arrays = {"images": base.golden, "reference": base.reference, **outputs}
    np.savez_compressed(folder / GOLDEN_NAME, **arrays)  # type: ignore[arg-type]
    return tuple(specs)


def _metadata(source: Source, spec: PreprocessSpec) -> bytes:
    return describe(source.name, spec, has_labels=bool(source.labels), task=source.task)


def _check_variant(
    path: Path, variant: Variant, base: _Base, spec: PreprocessSpec, runtimes: Sequence[Runtime]
) -> tuple[VariantSpec, NDArray[np.generic]]:
    """Run the file on the golden pictures in every runtime; return its facts and ai-edge-litert's raw outputs.

    Only ai-edge-litert, the runtime it was made for, must get along with it; what another makes of it is put down.
    """
    interpreter = Interpreter(path, backend=LITERT)
    input_spec, output_spec = interpreter.input, interpreter.output
    del interpreter  # it holds the file and its packed weights, and so will each process that tries the file
    tensors = quantize(normalize(base.golden, spec), input_spec)
    fared, raws = {}, {}
    for runtime in runtimes:
        fared[runtime.name], raws[runtime.name] = try_file(
            path, runtime, tensors, output_spec, base.reference, variant.max_error
        )
    raw = raws[LITERT]
    if raw is None:
        raise ModelError(f"{variant.name}: {LITERT} cannot run it ({fared[LITERT].reason}); nothing was written")
    check_outputs(
        variant.name,
        dequantize(raw, output_spec),
        base.reference,
        judge=base.source.location,
        max_error=variant.max_error,
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
            tolerance=variant.tolerance,
            runtimes=fared,
        ),
        raw,
    )


def _own_calibration(source: Source, spec: PreprocessSpec, out: Path) -> CalibrationSet:
    if source.kind != "bundled":
        return generated_calibration(spec)
    return load_calibration(images_beside(out, "calibration"), spec, kind=source.name)


def _selection(folder: Path | None, calibration: CalibrationSet, source: Source, spec: PreprocessSpec) -> Probe:
    if source.num_classes is None:
        raise ModelError("a feature extractor has no predictions to keep; leave --max-drop out")
    if folder is not None:
        return load_probe(folder, spec, source.labels or (), SELECTION_SAMPLES)
    if calibration.kind == "generated":
        pictures = generate(len(calibration.pixels), first=len(calibration.pixels))
        return Probe(pixels=tuple(load_pixels(picture, spec) for picture in pictures), truth=None, spec=spec)
    return Probe(pixels=calibration.pixels, truth=None, spec=spec)
