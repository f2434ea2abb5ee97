"""The order of a training: pictures -> features -> head -> bundle."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixer_edge.class_names import NONE, ClassNames
from mixer_edge.confidence import REFUSED
from mixer_edge.engine import Engine
from mixer_edge.manifest import Manifest, TrainingSpec
from mixer_edge.preprocess import Preprocessing
from mixer_edge_export.bundle import atomic_folder
from mixer_edge_export.calibration import load_calibration
from mixer_edge_export.pipeline import write_bundle
from mixer_edge_export.quantize.variants import VARIANTS, select_variants
from mixer_edge_export.sources.source import preprocess_spec
from mixer_edge_export.sources.trained import TrainedSource, load_extractor
from mixer_edge_export.training.advice import advice
from mixer_edge_export.training.choice import Choice, choose
from mixer_edge_export.training.curve import learning_curve
from mixer_edge_export.training.features import Extractor
from mixer_edge_export.training.links import TRAINED, link_pictures, pictures_folder
from mixer_edge_export.training.options import EXTRACTOR, HeldOut
from mixer_edge_export.training.part import Part, Parts, read_parts
from mixer_edge_export.training.record import ClassRecord, TrainingRecord
from mixer_edge_export.training.split import folds
from mixer_edge_export.training.summary import cross_validated_accuracy, held_out_accuracy
from mixer_edge_export.training.suspects import find_suspects
from mixer_edge_export.training.unknown import Threshold, find_threshold

FOLDS = 10
"""With five, heads see fewer pictures: the cross-validated accuracy is up to 0.3 points below that on new pictures."""


def train(
    data: Path,
    out: Path,
    *,
    model: str = EXTRACTOR,
    held_out: HeldOut = HeldOut(),
    refused: float = REFUSED,
    variants: Sequence[str] = tuple(VARIANTS),
    preprocessing: Preprocessing = Preprocessing(),
    overwrite: bool = False,
    workers: int | None = None,
    engine: Engine | None = None,
) -> Manifest:
    """Train a head for the classes of ``data``, write the bundle to ``out`` and return its manifest.

    Links to the pictures are written to ``pictures_folder(out)``, as ``{trained,held_out}/<class>/<picture>``.

    Args:
        data: the pictures, as ``<class>/<picture>`` or with a table; see ``mixer_edge.dataset``.
        out: bundle folder; its parent is created.
        model: a feature extractor; see ``mixer_edge_export.sources.load``.
        held_out: which pictures are never trained or tuned on.
        refused: share of pictures of the classes that may be answered with "none of these"; 0 for no such answer.
        variants: names from the table; float32 is always included.
        preprocessing: how pictures become the input.
        overwrite: whether a bundle at ``out`` may be replaced.
        workers: number of processes that compute features; None for one per core.
        engine: what computes features instead of processes of this machine.

    Raises:
        DataError: the pictures cannot be used.
        ModelError: the model is no feature extractor, or the outputs of a file differ from the trained model's.
        BundleError: ``out`` must not be written to, or another export is writing to it.
    """
    selected = select_variants(variants)
    with atomic_folder(out, overwrite=overwrite) as folder:
        extractor = load_extractor(model)
        spec = preprocess_spec(extractor, preprocessing)
        file = folder / "extractor.tflite"  # only while its features are computed
        file.write_bytes(extractor.float_model())
        found = Extractor(file=file, fingerprint=extractor.fingerprint(), spec=spec)
        parts = read_parts(data, found, held_out, workers, engine)
        file.unlink()
        trained = parts.trained
        count = len(parts.labels)
        fold_of = folds(trained.classes, trained.groups, _fold_count(trained), held_out.seed)
        choice = choose(trained.features, trained.classes, fold_of, count)
        none = ClassNames(parts.labels).find(NONE)
        threshold = find_threshold(trained.features, trained.classes, choice, refused, none) if refused else None
        record = _record(parts, choice, threshold, held_out.seed)
        source = TrainedSource.of(extractor, out.resolve().name, parts.labels, (choice.head.kernel, choice.head.bias))
        link_pictures(folder / "pictures", parts)
        calibration = load_calibration(folder / "pictures" / TRAINED, spec, labels=parts.labels)
        head = choice.head.parts[0] if len(choice.head.parts) == 1 else None
        training = TrainingSpec(
            extractor=extractor.origin.location,
            extractor_fingerprint=extractor.fingerprint(),
            head=head.kind if head else "average",
            strength=head.strength if head else None,
            temperature=choice.temperature,
            pictures=trained.counts(parts.labels),
            held_out=parts.held_out.counts(parts.labels),
            fingerprint=trained.fingerprint(),
            held_out_fingerprint=parts.held_out.fingerprint(),
            seed=held_out.seed,
            cross_validated=cross_validated_accuracy(record).share,
            held_out_top1=held_out_accuracy(record).share,
            file=record.write(folder),
        )
        manifest = write_bundle(
            folder, source, spec, calibration, selected,
            trained=(training, threshold.spec if threshold else None),
        )  # fmt: skip
        shutil.rmtree(pictures_folder(out), ignore_errors=True)
        (folder / "pictures").rename(pictures_folder(out))
    return manifest


def _fold_count(part: Part) -> int:
    groups = [len(np.unique(part.groups[part.classes == index])) for index in np.unique(part.classes)]
    return max(2, min(FOLDS, *groups))


def _record(parts: Parts, choice: Choice, threshold: Threshold | None, seed: int) -> TrainingRecord:
    trained, held_out, labels = parts.trained, parts.held_out, parts.labels
    held_out_logits = choice.head.logits(held_out.features)
    confusion = _confusion(choice.logits, trained.classes)
    held_out_confusion = _confusion(held_out_logits, held_out.classes)
    classes = tuple(
        ClassRecord(
            label=label,
            pictures=sum(confusion[index]),
            correct=confusion[index][index],
            held_out=sum(held_out_confusion[index]),
            held_out_correct=held_out_confusion[index][index],
        )
        for index, label in enumerate(labels)
    )
    record = TrainingRecord(
        trained=dict(zip(trained.names, trained.digests, strict=True)),
        held_out=dict(zip(held_out.names, held_out.digests, strict=True)),
        unreadable=parts.unreadable,
        candidates=choice.candidates,
        classes=classes,
        confusion=confusion,
        held_out_confusion=held_out_confusion,
        curve=learning_curve(trained.features, trained.classes, trained.groups, choice, seed),
        together=parts.groups.together,
        suspects=find_suspects(
            np.concatenate([choice.logits, held_out_logits]),
            np.concatenate([trained.classes, held_out.classes]),
            trained.names + held_out.names,
            labels,
        ),
        measures=threshold.measures if threshold else (),
        thresholds=threshold.curve if threshold else (),
        advice=(),
    )
    return replace(record, advice=advice(record))


def _confusion(logits: NDArray[np.float64], classes: NDArray[np.int64]) -> tuple[tuple[int, ...], ...]:
    """Return the number of pictures by true class and answer."""
    count = logits.shape[1]
    table = np.zeros((count, count), np.int64)
    np.add.at(table, (classes, logits.argmax(axis=1)), 1)
    return tuple(tuple(row) for row in table.tolist())
