"""The export: source -> float32 file -> variants -> checks -> bundle."""

from __future__ import annotations

import gc
import logging
import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from mixer_edge.errors import ModelError
from mixer_edge.manifest import (
    MANIFEST_NAME,
    SCHEMA_VERSION,
    BoundSpec,
    FileSpec,
    Manifest,
    PreprocessSpec,
    TrainingSpec,
    UnknownSpec,
)
from mixer_edge.preprocess import Preprocessing, load_pixels, normalize
from mixer_edge_export.bundle import atomic_folder
from mixer_edge_export.calibration import (
    Calibration,
    CalibrationRecord,
    CalibrationSet,
    fingerprint,
    generated_calibration,
    load_calibration,
)
from mixer_edge_export.calibration.generated import generate
from mixer_edge_export.digits.images import split_folder
from mixer_edge_export.quantize.activation_ranges import Observed, Ranges, observe, tune
from mixer_edge_export.quantize.half_precision import ENTRY, LARGEST, SMALLEST, Spread, scale_stream, spread
from mixer_edge_export.quantize.layers import Layer, find_layers
from mixer_edge_export.quantize.mixed_precision import BOUND_VARIANT, Bound, find_mixture, format_mixture
from mixer_edge_export.quantize.noise import noisiest_layers
from mixer_edge_export.quantize.selection import SelectionSet, load_selection
from mixer_edge_export.quantize.variants import VARIANTS, Variant, select_variants
from mixer_edge_export.signing import check_key, sign
from mixer_edge_export.sources import Source, load_source
from mixer_edge_export.sources.labels import read_labels
from mixer_edge_export.sources.source import preprocess_spec, source_spec, task
from mixer_edge_export.tflite.metadata import LABELS_NAME, NAME, embed
from mixer_edge_export.variant_files import GOLDEN_NAME, FloatFile, metadata_of, write_variants

log = logging.getLogger(__name__)

GOLDEN_COUNT = 4
TOOLS = ("mixer-edge", "tensorflow", "ai-edge-quantizer", "ai-edge-litert", "numpy", "pillow")


def export(
    model: str,
    out: Path,
    *,
    variants: Sequence[str] = tuple(VARIANTS),
    preprocessing: Preprocessing = Preprocessing(),
    calibration: Calibration = Calibration(),
    bound: Bound | None = None,
    labels: Path | None = None,
    overwrite: bool = False,
    key: Path | None = None,
) -> Manifest:
    """Write the bundle of a model to the folder ``out`` and return its manifest.

    Args:
        model: a name, an address or a path, see ``mixer_edge_export.sources.load``.
        out: bundle folder; its parent is created.
        variants: names from the table; float32 is always included.
        preprocessing: how pictures become the input.
        calibration: the pictures on which activation ranges are measured.
        bound: how much accuracy int8 may lose; layers are kept in float until it keeps the bound. None for no bound.
        labels: file with one label per line, or ``imagenet``; None uses the model's own labels, if it has any.
        overwrite: whether a bundle at ``out`` may be replaced.
        key: the key of ssh-keygen that signs the bundle; None for no signature.

    Raises:
        ModelError: the model cannot be loaded or converted, or the outputs of a file differ from the model's.
        DataError: the calibration pictures or the label file cannot be used.
        BundleError: ``out`` must not be written to, another export is writing to it, or the key cannot be used.
        BoundError: no mixture of int8 and float layers keeps the bound.
    """
    selected = select_variants(variants)
    if bound is not None and BOUND_VARIANT not in variants:
        raise ModelError(f"max_drop bounds {BOUND_VARIANT}; add it to the variants")
    if key is not None:
        check_key(key)
    with atomic_folder(out, overwrite=overwrite) as folder:
        source = load_source(model)
        if labels is not None:
            source = replace(source, labels=read_labels(labels, source.num_classes))
        spec = preprocess_spec(source, preprocessing)
        manifest = write_bundle(folder, source, spec, _calibration_set(source, spec, calibration, out), selected, bound)
        if key is not None:
            sign(folder, key)
    return manifest


def write_bundle(
    folder: Path,
    source: Source,
    spec: PreprocessSpec,
    pictures: CalibrationSet,
    variants: Sequence[Variant],
    bound: Bound | None = None,
    trained: tuple[TrainingSpec, UnknownSpec | None] | None = None,
) -> Manifest:
    """Write the bundle of a source into a folder, check it, and return its manifest.

    Args:
        folder: the folder that ``atomic_folder`` yields.
        source: the model.
        spec: how pictures become its input.
        pictures: the calibration pictures.
        variants: the files to write.
        bound: how much accuracy int8 may lose; None for no bound.
        trained: how the source was trained, and when its answer is "none of these"; None if it was not trained here.

    Raises:
        ModelError: the model cannot be converted, or the outputs of a file differ from the model's.
        BoundError: no mixture of int8 and float layers keeps the bound.
    """
    selection = None if bound is None else _selection(bound, pictures, source, spec)
    base = _convert(source, spec, pictures, variants)
    kept, bound_spec = _meet_bound(base, selection, bound)
    specs = write_variants(folder, base, variants, kept)
    record = CalibrationRecord(
        calibration=pictures.digests(), selection=selection.digests() if selection else (), ranges=base.ranges
    )
    training, unknown = trained or (None, None)
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        name=source.origin.name,
        task=task(source),
        source=source_spec(source, base.judgement),
        architecture=source.architecture,
        preprocess=spec,
        calibration=pictures.facts(record.write(folder)),
        bound=bound_spec,
        training=training,
        unknown=unknown,
        labels=FileSpec.of(folder / LABELS_NAME) if source.labels else None,
        golden=FileSpec.of(folder / GOLDEN_NAME),
        variants=specs,
        tools={"python": platform.python_version()} | {tool: version(tool) for tool in TOOLS},
    )
    (folder / MANIFEST_NAME).write_bytes(manifest.to_bytes())
    return manifest


def _calibration_set(source: Source, spec: PreprocessSpec, calibration: Calibration, out: Path) -> CalibrationSet:
    """Return the user's pictures, or else the bundled model's own, or else generated ones."""
    if calibration.pictures is not None:
        return load_calibration(calibration.pictures, spec, calibration, labels=source.labels or ())
    if source.origin.kind == "bundled":
        return load_calibration(split_folder(out, "calibration"), spec, kind=source.origin.name)
    return generated_calibration(spec)


def _selection(bound: Bound, calibration: CalibrationSet, source: Source, spec: PreprocessSpec) -> SelectionSet:
    """Return the pictures on which the bound is checked."""
    if source.num_classes is None:
        raise ModelError("a feature extractor has no predictions, so no accuracy to keep; omit --max-drop")
    if bound.selection is not None:
        return load_selection(bound.selection, spec, source.labels or ())
    if calibration.kind == "generated":
        pictures = generate(len(calibration.pixels), first=len(calibration.pixels))
        return SelectionSet(pixels=tuple(load_pixels(picture, spec) for picture in pictures), truth=None, spec=spec)
    return SelectionSet(pixels=calibration.pixels, truth=None, spec=spec)


def _convert(source: Source, spec: PreprocessSpec, pictures: CalibrationSet, variants: Sequence[Variant]) -> FloatFile:
    """Return the float32 file, its ranges, and the source's outputs for the golden pictures."""
    # the conversion comes first: otherwise the judge's memory would be in use at the same time
    content = embed(source.float_model(), {NAME: metadata_of(source, spec)} | ENTRY)
    golden = pictures.golden(GOLDEN_COUNT)
    judgement = source.judgement(normalize(golden, spec))
    gc.collect()  # the judge's objects reference each other and would keep its variables in memory
    calibrated, half = any(it.calibrated for it in variants), any(it.half for it in variants)
    observed = _observe(content, spec, pictures) if calibrated or half else {}
    if half:
        found = spread(content, observed)
        if source.lossless_input and found.factor != 1:
            content = scale_stream(content, source.architecture, found.factor)
            observed = _observe(content, spec, pictures)
            found = spread(content, observed)
        half = _fits_half_precision(found)
    ranges = tune(observed) if calibrated else {}
    return FloatFile(
        source=source,
        spec=spec,
        content=content,
        ranges=ranges,
        half=half,
        float_layers=_float_layers(content, source, observed, ranges) if calibrated else (),
        golden=golden,
        judgement=judgement,
    )


def _observe(content: bytes, spec: PreprocessSpec, pictures: CalibrationSet) -> dict[str, Observed]:
    return observe(content, pictures.representative_dataset(spec), len(pictures.pixels))


def _float_layers(
    content: bytes, source: Source, observed: Mapping[str, Observed], ranges: Ranges
) -> tuple[Layer, ...]:
    if not source.lossless_input:
        return ()  # not a Mixer: its layers have no names
    return noisiest_layers(content, find_layers(content, source.architecture), observed, ranges)


def _fits_half_precision(found: Spread) -> bool:
    if not found.fits:
        log.warning(
            "half precision is not used: on the calibration pictures activations reach %.3g (squares in LayerNorms "
            "%.3g) and variances %.3g; float16 needs at most %.3g and at least %.3g",
            found.largest, found.square, found.variance, LARGEST, SMALLEST,
        )  # fmt: skip
    return found.fits


def _meet_bound(
    base: FloatFile, selection: SelectionSet | None, bound: Bound | None
) -> tuple[tuple[Layer, ...], BoundSpec | None]:
    """Return the layers that int8 keeps in float, and the bound that they keep; None without a bound."""
    if selection is None or bound is None:
        return base.float_layers, None
    layers = find_layers(base.content, base.source.architecture)
    mixture = find_mixture(base.content, layers, base.ranges, selection, bound.max_drop, always=base.float_layers)
    log.info(format_mixture(mixture, selection))
    kept = {*base.float_layers, *mixture.kept}
    return tuple(layer for layer in layers if layer in kept), BoundSpec(
        max_drop=bound.max_drop,
        measure=selection.measure,
        count=len(selection.pixels),
        fingerprint=fingerprint(selection.digests()),
        int8_drop=mixture.int8_drop,
        drop=mixture.drop,
        int8_size_bytes=mixture.int8_size_bytes,
    )
