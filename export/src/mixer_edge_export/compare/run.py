"""From a bundle and a folder of pictures to a ``Comparison``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from mixer_edge.board import Board
from mixer_edge.bundle import Bundle
from mixer_edge.classifier import Classifier
from mixer_edge.dataset import Dataset, open_dataset
from mixer_edge.errors import BundleError, DataError, ImageError
from mixer_edge.evaluate import REFERENCE, SOURCE, Evaluation, Task, evaluate
from mixer_edge.manifest import Manifest
from mixer_edge.metrics import top_k
from mixer_edge.scores import score
from mixer_edge_export.calibration.record import CalibrationRecord
from mixer_edge_export.compare.boards import Boards, on_boards
from mixer_edge_export.compare.pictures import changed_pictures, confusions, duplicates
from mixer_edge_export.compare.source import source_outputs
from mixer_edge_export.compare.types import (
    SCHEMA_VERSION,
    BoundResult,
    Comparison,
    Measured,
    Recommendation,
    VariantResult,
)
from mixer_edge_export.compare.verdict import Candidate, check_bound, recommend, verdict
from mixer_edge_export.quantize.variants import VARIANTS

LATENCY_RUNS = 20
PHOTO_RUNS = 10
BACKEND = "ai-edge-litert"


def compare(
    folder: Path,
    data: Path | None = None,
    *,
    variants: Sequence[str] | None = None,
    reference: str = REFERENCE,
    source: str | None = None,
    max_drop: float | None = None,
    limit: int | None = None,
    workers: int | None = None,
    resume: bool = False,
    boards: Boards | None = None,
) -> Comparison:
    """Return what a bundle's variants cost and, on the pictures of ``data``, what they still get right.

    Args:
        folder: bundle folder.
        data: pictures that neither trained nor calibrated the model, in a layout of ``mixer_edge.dataset``; None
            leaves sizes and latencies alone.
        variants: which of the bundle's; None for all.
        reference: ``float32``, or ``source`` for the model that the bundle was made from, run by TensorFlow.
        source: where that model is; None for the place in the manifest.
        max_drop: points of top-1 that a variant may lose to the reference.
        limit: at most so many pictures, spread evenly.
        workers: processes; None for one per core.
        resume: whether to keep what was done in the user's cache and go on from there.
        boards: where to run the same evaluation too.

    Raises:
        BundleError: the bundle cannot be used, or has random weights or no classes while ``data`` is given.
        DataError: the pictures cannot be used, or there are none for the boards.
        DeployError: a board cannot be meant; one that fails is in the comparison with its error.
        ModelError: the source cannot be used.
    """
    if boards is not None and data is None:
        raise DataError("a board is compared on pictures: add --data to --on")
    bundle = Bundle.open(folder)
    manifest = bundle.manifest
    chosen = [manifest.variant(name).name for name in variants or [spec.name for spec in manifest.variants]]
    if data is not None and (manifest.source.weights == "random" or manifest.task != "classification"):
        raise BundleError(f"{folder}: has no accuracy to measure (random weights or no classes); leave the data out")
    # the reference goes along in any case: changes are counted against it
    names = (SOURCE,) * (reference == SOURCE) + (REFERENCE, *(name for name in chosen if name != REFERENCE))
    dataset = evaluation = None
    if data is not None:
        dataset = open_dataset(data, bundle.labels).limited(limit)
        outputs = source_outputs(bundle, source, dataset) if reference == SOURCE else None
    candidates, photo_ms = [], {}
    for name in names if data is not None else chosen:
        if name == SOURCE:
            continue
        classifier = Classifier(bundle, name, backend=BACKEND, threads=1)
        photo_ms[name] = _photo_to_label_ms(classifier, dataset) if dataset else None
        candidates.append((name, classifier.latency_ms(LATENCY_RUNS)))
        del classifier  # its memory, before the next one takes more
    if dataset is not None:
        task = Task(bundle=folder, names=names, backend=BACKEND, source_outputs=outputs)
        evaluation = evaluate(task, dataset, workers=workers, resume=resume)
    latencies = dict(candidates)
    comparison = summarize(bundle, evaluation, latencies, photo_ms, max_drop)
    if boards is None or evaluation is None:
        return comparison
    return replace(comparison, boards=on_boards(bundle, evaluation, boards))


def summarize(
    bundle: Bundle,
    evaluation: Evaluation | None,
    latencies: dict[str, float],
    photo_ms: dict[str, float | None],
    max_drop: float | None,
) -> Comparison:
    """Return the comparison of what was measured.

    Args:
        bundle: whose variants.
        evaluation: their answers; None without pictures.
        latencies: milliseconds of one inference by variant.
        photo_ms: milliseconds from a picture's file to its label by variant.
        max_drop: points that a variant may lose to the reference; None for no bound.
    """
    manifest = bundle.manifest
    names = evaluation.names if evaluation else tuple(latencies)
    candidates = [
        Candidate(
            name=name,
            size_bytes=None if name == SOURCE else manifest.variant(name).file.size_bytes,
            latency_ms=latencies.get(name),
            score=score(evaluation, name, bundle.label) if evaluation else None,
        )
        for name in names
    ]
    reference = candidates[0]
    largest = next((candidate for candidate in candidates if candidate.name == REFERENCE), reference)
    bounds, recommendation = [], None
    changed_count, changed = changed_pictures(evaluation, bundle) if evaluation else (0, ())
    if evaluation:
        variant, reason = recommend(candidates, reference, max_drop)
        recommendation = Recommendation(variant=variant, reason=reason)
    if max_drop is not None:
        for candidate in candidates[1:]:
            if candidate.score is not None:
                holds, reason, needed = check_bound(candidate.score, reference.name, max_drop)
                bounds.append(BoundResult(variant=candidate.name, holds=holds, reason=reason, pictures_needed=needed))
    return Comparison(
        schema_version=SCHEMA_VERSION,
        model=manifest.name,
        weights=manifest.source.weights,
        reference=reference.name,
        labelled=evaluation is not None and evaluation.dataset.labelled,
        classes=manifest.architecture.get("num_classes"),
        pictures=len(evaluation.records) if evaluation else 0,
        unreadable=evaluation.unreadable if evaluation else (),
        duplicates=duplicates(evaluation) if evaluation else (),
        overlap=_overlap(bundle, evaluation) if evaluation else (),
        rows=tuple(_row(manifest, candidate, reference, largest, photo_ms) for candidate in candidates),
        recommendation=recommendation,
        max_drop=max_drop,
        bounds=tuple(bounds),
        confusions=confusions(evaluation, bundle) if evaluation else (),
        changed_count=changed_count,
        changed=changed,
        notes=_notes(manifest),
        boards=(),
        measured=_measured(manifest, evaluation),
    )


def _overlap(bundle: Bundle, evaluation: Evaluation) -> tuple[str, ...]:
    """Return the names of the pictures that the bundle was made with, known by their pixels."""
    record = CalibrationRecord.read(bundle)
    used = {*record.calibration, *record.selection}
    return tuple(
        evaluation.dataset.name(int(row["picture"]))
        for row in evaluation.records
        if row["pixels"].tobytes().hex() in used
    )


def _notes(manifest: Manifest) -> tuple[str, ...]:
    """Return what must be known of how the files were calibrated, one sentence each."""
    calibrated = any(VARIANTS[variant.name].calibrated for variant in manifest.variants)
    notes = list(manifest.calibration.warnings) if calibrated and manifest.source.weights != "random" else []
    for variant in manifest.variants:
        if kept := variant.kept_float:
            notes.append(f"{variant.name} keeps {len(kept)} of its layers in float: {', '.join(kept)}")
    return tuple(notes)


def _row(
    manifest: Manifest,
    candidate: Candidate,
    reference: Candidate,
    largest: Candidate,
    photo_ms: dict[str, float | None],
) -> VariantResult:
    spec = None if candidate.name == SOURCE else manifest.variant(candidate.name)
    return VariantResult(
        name=candidate.name,
        recipe=spec.recipe if spec else f"{manifest.source.location}, run by TensorFlow",
        size_bytes=candidate.size_bytes,
        input_dtype=spec.input.dtype if spec else "float32",
        output_dtype=spec.output.dtype if spec else "float32",
        latency_ms=candidate.latency_ms,
        photo_to_label_ms=photo_ms.get(candidate.name),
        score=candidate.score,
        verdict=verdict(candidate, reference, largest),
    )


def _measured(manifest: Manifest, evaluation: Evaluation | None) -> Measured:
    return Measured(
        bundle_fingerprint=manifest.fingerprint(),
        source=f"{manifest.source.kind} {manifest.source.location}",
        data=evaluation.dataset.folder.resolve().name if evaluation else None,
        data_fingerprint=evaluation.data_fingerprint() if evaluation else None,
        layout=evaluation.dataset.layout if evaluation else None,
        preprocess=manifest.preprocess,
        tools={tool: version(tool) for tool in ("mixer-edge", BACKEND, "numpy", "pillow")},
        made_with=manifest.tools,
        backend=BACKEND,
        machine=str(Board.read()),
    )


def _photo_to_label_ms(classifier: Classifier, dataset: Dataset) -> float | None:
    """Return the median time in milliseconds from a picture's file to its label; None if no picture can be read."""
    times = []
    for image in dataset.limited(PHOTO_RUNS).images:
        start = time.perf_counter()
        try:
            top_k(classifier.output(classifier.tensor(image.path)), 1)
        except ImageError:
            continue
        times.append(time.perf_counter() - start)
    return float(np.median(times)) * 1000 if times else None
