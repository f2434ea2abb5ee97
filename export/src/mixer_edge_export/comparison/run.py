"""From a bundle and a folder of pictures to a ``Comparison``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np

from mixer_edge.board import Board
from mixer_edge.bundle import Bundle
from mixer_edge.classifier import Classifier
from mixer_edge.dataset import Dataset, open_dataset
from mixer_edge.engine import Engine
from mixer_edge.errors import BundleError, DataError, ImageError
from mixer_edge.evaluate import REFERENCE, SOURCE, Evaluation, Task, evaluate
from mixer_edge.manifest import Manifest
from mixer_edge.metrics import top_k
from mixer_edge.scores import score
from mixer_edge.stopwatch import times_ms
from mixer_edge_export.calibration.record import CalibrationRecord
from mixer_edge_export.comparison.boards import Boards, on_boards
from mixer_edge_export.comparison.elsewhere import Elsewhere
from mixer_edge_export.comparison.pictures import changed_pictures, confusions, duplicates
from mixer_edge_export.comparison.source import source_outputs
from mixer_edge_export.comparison.types import (
    SCHEMA_VERSION,
    BoundResult,
    Comparison,
    Measured,
    Recommendation,
    VariantResult,
)
from mixer_edge_export.comparison.verdict import Candidate, check_bound, recommend, verdict
from mixer_edge_export.quantize.variants import VARIANTS
from mixer_edge_export.training.record import Training

LATENCY_RUNS = 20
PHOTO_RUNS = 10
BACKEND = "ai-edge-litert"


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What the variants are compared with."""

    name: str = REFERENCE
    """``float32``, or ``source`` for the source model, run by TensorFlow."""
    source: str | None = None
    """Location of the source model; None for the location in the manifest."""


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How many pictures to evaluate, and with what."""

    limit: int | None = None
    """Largest number of pictures, spread evenly; None for all."""
    workers: int | None = None
    """Number of processes; None for one per core."""
    resume: bool = False
    """Whether to store finished pictures in the user's cache, and to continue from there."""
    engine: Engine | None = None
    """What evaluates the pictures instead of processes of this machine."""


def compare(
    folder: Path,
    data: Path | None = None,
    *,
    variants: Sequence[str] | None = None,
    reference: Reference = Reference(),
    max_drop: float | None = None,
    effort: Effort = Effort(),
    boards: Boards | None = None,
    elsewhere: Elsewhere | None = None,
) -> Comparison:
    """Return the size and latency of a bundle's variants and, on the pictures of ``data``, their accuracy.

    Args:
        folder: bundle folder.
        data: pictures that were not used for training or calibration, in a layout of ``mixer_edge.dataset``; None
            gives only sizes and latencies.
        variants: names of variants in the bundle; None for all.
        reference: what to compare them with.
        max_drop: points of top-1 that a variant may lose against the reference.
        effort: how many pictures to evaluate, and how.
        boards: boards on which to run the same evaluation too.
        elsewhere: where the pictures of ``data`` are if they are not on this machine; ``effort`` needs an engine then.

    Raises:
        BundleError: the bundle cannot be used, or has random weights or no classes while ``data`` is given.
        DataError: the pictures cannot be used, or boards are given without pictures.
        DeployError: a host name is not valid; a board that fails is in the comparison with its error.
        ModelError: the source cannot be used.
    """
    if boards is not None and data is None:
        raise DataError("--on needs pictures to compare boards on; add --data")
    bundle = Bundle.open(folder)
    manifest = bundle.manifest
    chosen = [manifest.variant(name).name for name in variants or [spec.name for spec in manifest.variants]]
    if data is not None and (manifest.source.weights == "random" or manifest.task != "classification"):
        raise BundleError(f"{folder}: has no accuracy to measure (random weights or no classes); omit the data")
    # the reference is always included: changes are counted against it
    names = (SOURCE,) * (reference.name == SOURCE) + (REFERENCE, *(name for name in chosen if name != REFERENCE))
    files = [name for name in names if name != SOURCE] if data is not None else chosen
    dataset = outputs = evaluation = None
    if data is not None:
        dataset = open_dataset(data, bundle.labels, elsewhere.stamps if elsewhere else None).limited(effort.limit)
        if elsewhere is not None:
            elsewhere.bring(image.path for image in dataset.limited(PHOTO_RUNS).images)
        outputs = source_outputs(bundle, reference.source, dataset) if reference.name == SOURCE else None
    costs = {name: _cost(bundle, name, dataset) for name in files}
    if dataset is not None:
        task = Task(bundle=folder, names=names, backend=BACKEND, source_outputs=outputs)
        evaluation = evaluate(task, dataset, workers=effort.workers, engine=effort.engine, resume=effort.resume)
    comparison = summarize(bundle, evaluation, costs, max_drop)
    if elsewhere is not None:
        elsewhere.bring(elsewhere.folder / picture.file for picture in comparison.changed)
    if boards is None or evaluation is None:
        return comparison
    return replace(comparison, boards=on_boards(bundle, evaluation, boards))


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The latency of a variant on this machine with one thread: medians in milliseconds."""

    latency_ms: float
    photo_to_label_ms: float | None
    """From a picture's file to its label; None without pictures."""


def _cost(bundle: Bundle, name: str, dataset: Dataset | None) -> Cost:
    with Classifier(bundle, name, backend=BACKEND, threads=1) as classifier:
        photo_ms = _photo_to_label_ms(classifier, dataset) if dataset else None
        return Cost(latency_ms=classifier.latency_ms(LATENCY_RUNS), photo_to_label_ms=photo_ms)


def summarize(
    bundle: Bundle, evaluation: Evaluation | None, costs: Mapping[str, Cost], max_drop: float | None
) -> Comparison:
    """Return the comparison from its measurements.

    Args:
        bundle: the bundle of the variants.
        evaluation: their answers; None without pictures.
        costs: the latency of each variant that is a file.
        max_drop: points that a variant may lose against the reference; None for no bound.
    """
    manifest = bundle.manifest
    names = evaluation.names if evaluation else tuple(costs)
    candidates = [
        Candidate(
            name=name,
            size_bytes=None if name == SOURCE else manifest.variant(name).file.size_bytes,
            latency_ms=costs[name].latency_ms if name in costs else None,
            score=score(evaluation, name, bundle.label) if evaluation else None,
        )
        for name in names
    ]
    reference = candidates[0]
    largest = next((candidate for candidate in candidates if candidate.name == REFERENCE), reference)
    bounds, recommendation, training = [], None, Training.read(bundle)
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
        overlap=_overlap(bundle, evaluation, training) if evaluation else (),
        rows=tuple(
            replace(
                _row(manifest, candidate, reference, largest),
                photo_to_label_ms=costs[candidate.name].photo_to_label_ms if candidate.name in costs else None,
            )
            for candidate in candidates
        ),
        recommendation=recommendation,
        max_drop=max_drop,
        bounds=tuple(bounds),
        confusions=confusions(evaluation, bundle) if evaluation else (),
        changed_count=changed_count,
        changed=changed,
        notes=_notes(manifest),
        boards=(),
        training=training,
        measured=_measured(manifest, evaluation),
    )


def _overlap(bundle: Bundle, evaluation: Evaluation, training: Training | None) -> tuple[str, ...]:
    """Return the names of the pictures with which the bundle was made, found by their pixels."""
    record = CalibrationRecord.read(bundle)
    used = {*record.calibration, *record.selection, *(training.record.trained.values() if training else ())}
    return tuple(
        evaluation.dataset.name(int(row["picture"]))
        for row in evaluation.records
        if row["pixels"].tobytes().hex() in used
    )


def _notes(manifest: Manifest) -> tuple[str, ...]:
    """Return notes about calibration and layers kept in float, one sentence each."""
    calibrated = any(VARIANTS[variant.name].calibrated for variant in manifest.variants)
    notes = list(manifest.calibration.warnings) if calibrated and manifest.source.weights != "random" else []
    for variant in manifest.variants if manifest.bound else ():
        if kept := variant.kept_float:
            notes.append(f"{variant.name} keeps {len(kept)} of its layers in float: {', '.join(kept)}")
    return tuple(notes)


def _row(manifest: Manifest, candidate: Candidate, reference: Candidate, largest: Candidate) -> VariantResult:
    spec = None if candidate.name == SOURCE else manifest.variant(candidate.name)
    return VariantResult(
        name=candidate.name,
        recipe=spec.recipe if spec else f"{manifest.source.location}, run by TensorFlow",
        size_bytes=candidate.size_bytes,
        input_dtype=spec.input.dtype if spec else "float32",
        output_dtype=spec.output.dtype if spec else "float32",
        latency_ms=candidate.latency_ms,
        photo_to_label_ms=None,
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


def _label(classifier: Classifier, picture: Path) -> int:
    return int(top_k(classifier.output(classifier.tensor(picture)), 1)[0])


def _photo_to_label_ms(classifier: Classifier, dataset: Dataset) -> float | None:
    """Return the median time in milliseconds from a picture's file to its label; None if no picture can be read."""
    times: list[float] = []
    for image in dataset.limited(PHOTO_RUNS).images:
        with suppress(ImageError):
            times += times_ms(partial(_label, classifier, image.path), 1).tolist()
    return float(np.median(times)) if times else None
