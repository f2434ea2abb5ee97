"""The table: what each variant of a bundle costs and what it still gets right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mixer_edge.bundle import Bundle
from mixer_edge.classifier import Classifier
from mixer_edge.dataset import find_labelled_images
from mixer_edge.errors import BundleError, DataError
from mixer_edge.evaluate import evaluate
from mixer_edge.manifest import Manifest, VariantSpec
from mixer_edge.metrics import wilson_interval
from mixer_edge_export.calibration.record import CalibrationRecord
from mixer_edge_export.variants import VARIANTS

REFERENCE = "float32"
LATENCY_RUNS = 20


@dataclass(frozen=True, kw_only=True)
class VariantResult:
    """One row; the last three are None where nothing labelled was evaluated."""

    name: str
    size_bytes: int
    input_dtype: str
    output_dtype: str
    latency_ms: float
    """Median time of one inference on this machine, one thread, without decoding."""
    correct: int | None
    interval: tuple[float, float] | None
    """Wilson 95 % interval of top-1, in [0, 1]."""
    changed: int | None
    """Predictions that differ from float32's."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The rows of a bundle, the number of pictures behind them (0: none) and the pictures that could not be read."""

    model: str
    rows: tuple[VariantResult, ...]
    image_count: int
    unreadable: tuple[str, ...]
    weights: str
    notes: tuple[str, ...]
    """What the reader must know of how the files were calibrated, one sentence each."""


def compare(folder: Path, data: Path | None = None, *, variants: Sequence[str] | None = None) -> Comparison:
    """Return the table of a bundle, evaluated on the labelled pictures of ``data`` if given.

    Args:
        folder: bundle folder.
        data: class folders of pictures that neither trained nor calibrated the model.
        variants: which of the bundle's; None for all.

    Raises:
        BundleError: the bundle cannot be used, or has random weights or no classes while ``data`` is given.
        DataError: the pictures cannot be used.
    """
    bundle = Bundle.open(folder)
    manifest = bundle.manifest
    specs = [manifest.variant(name) for name in variants] if variants else list(manifest.variants)
    if data is not None and (manifest.source.weights == "random" or manifest.task != "classification"):
        raise BundleError(f"{folder}: has no accuracy to measure (random weights or no classes); leave the data out")
    # the reference comes first and goes along in any case: changes are counted against it
    names = [REFERENCE, *(spec.name for spec in specs if spec.name != REFERENCE)]
    classifiers = {name: Classifier(bundle, name) for name in (names if data else [spec.name for spec in specs])}
    if data is None:
        return Comparison(
            model=manifest.name,
            rows=tuple(_row(spec, latency_ms=classifiers[spec.name].latency_ms(LATENCY_RUNS)) for spec in specs),
            image_count=0,
            unreadable=(),
            weights=manifest.source.weights,
            notes=_notes(manifest),
        )
    if not bundle.labels:
        raise DataError(f"{folder}: the bundle has no labels to match folders with; export it with LABELS=")
    images = find_labelled_images(data, bundle.labels)
    truth = {image.path: image.index for image in images}
    result = evaluate(classifiers, [image.path for image in images])
    expected = np.array([truth[path] for path in result.paths])
    reference = result.predictions(REFERENCE)
    rows = tuple(
        _row(
            spec,
            latency_ms=result.latency_ms[spec.name],
            correct=int((result.predictions(spec.name) == expected).sum()),
            total=len(expected),
            changed=int((result.predictions(spec.name) != reference).sum()),
        )
        for spec in specs
    )
    return Comparison(
        model=manifest.name,
        rows=rows,
        image_count=len(expected),
        unreadable=result.unreadable,
        weights=manifest.source.weights,
        notes=_notes(manifest, CalibrationRecord.read(bundle).seen(result.digests)),
    )


def _notes(manifest: Manifest, seen: int = 0) -> tuple[str, ...]:
    """Return the notes on calibration; ``seen`` is how many of the evaluated pictures the files were made with."""
    calibrated = any(VARIANTS[variant.name].calibrated for variant in manifest.variants)
    notes = list(manifest.calibration.warnings) if calibrated and manifest.source.weights != "random" else []
    if seen:
        notes.append(
            f"{seen} of these pictures made the files: calibration or selection; "
            "take them out of DATA= to measure accuracy"
        )
    for variant in manifest.variants:
        if kept := variant.kept_float:
            notes.append(f"{variant.name} keeps {len(kept)} of its layers in float: {', '.join(kept)}")
    return tuple(notes)


def _row(
    spec: VariantSpec,
    *,
    latency_ms: float,
    correct: int | None = None,
    total: int = 0,
    changed: int | None = None,
) -> VariantResult:
    return VariantResult(
        name=spec.name,
        size_bytes=spec.file.size_bytes,
        input_dtype=spec.input.dtype,
        output_dtype=spec.output.dtype,
        latency_ms=latency_ms,
        correct=correct,
        interval=None if correct is None else wilson_interval(correct, total),
        changed=changed,
    )


def format_table(comparison: Comparison) -> str:
    """Return the comparison as text for a terminal, without a newline at the end."""
    heading = ["variant", "size", "input", "output", "top-1", "95 % interval", "changed", "latency"]
    lines = [heading]
    for row in comparison.rows:
        accuracy = ["-", "-", "-"]
        if row.correct is not None and row.interval is not None:
            low, high = row.interval
            accuracy = [
                f"{row.correct / comparison.image_count:.2%}",
                f"{low:.2%} to {high:.2%}",
                f"{row.changed} of {comparison.image_count}",
            ]
        size, latency = f"{row.size_bytes / 1e6:.2f} MB", f"{row.latency_ms:.2f} ms"
        lines.append([row.name, size, row.input_dtype, row.output_dtype, *accuracy, latency])
    widths = [max(len(line[column]) for line in lines) for column in range(len(heading))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    if comparison.weights == "random":
        table.append("Random weights: latency and size only.")
    elif comparison.image_count:
        table.append(f"{comparison.image_count} pictures; changed: predictions that differ from float32's.")
    else:
        table.append("No labelled pictures given (DATA=): latency and size only.")
    return "\n".join([*table, *(f"Note: {note}." for note in comparison.notes)])
