"""The record of a small training made field by field, so that a test knows every figure that a page shows."""

from __future__ import annotations

from tests.comparisons import HOSTILE

from mixer_edge.manifest import FileSpec, TrainingSpec, UnknownSpec
from mixer_edge_export.training.record import (
    Candidate,
    ClassRecord,
    CurvePoint,
    MeasureResult,
    Suspect,
    ThresholdPoint,
    Together,
    Training,
    TrainingRecord,
)

CLASSES = tuple(
    ClassRecord(label=label, pictures=pictures, correct=correct, held_out=held_out, held_out_correct=held_out_correct)
    for label, pictures, correct, held_out, held_out_correct in (
        ("crane", 40, 37, 10, 9),
        ("crow", 36, 25, 9, 6),
        ("emu", 12, 6, 3, 2),
        (HOSTILE, 44, 43, 11, 11),
        ("raven", 38, 27, 8, 6),
    )
)
CONFUSION = ((37, 1, 0, 1, 1), (1, 25, 0, 1, 9), (2, 1, 6, 1, 2), (0, 0, 0, 43, 1), (0, 10, 1, 0, 27))
CURVE = tuple(
    CurvePoint(pictures_per_class=pictures, accuracy=accuracy, low=low, high=high)
    for pictures, accuracy, low, high in (
        (4.0, 0.62, 0.55, 0.69),
        (8.5, 0.71, 0.66, 0.755),
        (17.0, 0.765, 0.73, 0.8),
        (34.0, 0.812, 0.79, 0.83),
    )
)
TOGETHER = (
    Together(reason="equal pixels", files=("crow/0001.jpg", "raven/0002.jpg"), labels=("crow", "raven")),
    Together(reason="nearly equal", files=("crane/0001.jpg", "crane/0002.jpg", "crane/0003.jpg"), labels=("crane",)),
    Together(reason="taken together", files=("emu/0001.jpg", "crane/0004.jpg"), labels=("crane", "emu")),
    Together(reason="nearly equal", files=("emu/0002.jpg", "emu/0003.jpg"), labels=("emu",)),
)
SUSPECTS = (
    Suspect(file="crow/0003.jpg", label="crow", likely="raven", probability=0.021),
    Suspect(file=f"{HOSTILE}/0004.jpg", label=HOSTILE, likely="crane", probability=0.085),
)
MEASURES = (
    MeasureResult(measure="logit", auroc=0.912, strangers_refused=0.61),
    MeasureResult(measure="energy", auroc=0.9052, strangers_refused=0.552),
    MeasureResult(measure="probability", auroc=0.84, strangers_refused=0.405),
)
RECORD = TrainingRecord(
    trained={f"{it.label}/{n:04}.jpg": f"{it.label}{n}".encode().hex() for it in CLASSES for n in range(it.pictures)},
    held_out={
        f"{it.label}/held {n}.jpg": f"{it.label}-{n}".encode().hex() for it in CLASSES for n in range(it.held_out)
    },
    unreadable=("emu/broken.jpg: is no picture",),
    candidates=(
        Candidate(
            head="class means",
            strength=None,
            weight=0.0,
            temperature=3.5,
            accuracy=0.77,
            standard_error=0.032,
            brier_score=0.712,
        ),
        Candidate(
            head="ridge",
            strength=10.0,
            weight=0.75,
            temperature=0.125,
            accuracy=0.812,
            standard_error=0.03,
            brier_score=0.5942,
        ),
        Candidate(
            head="ridge",
            strength=100.0,
            weight=0.25,
            temperature=0.03125,
            accuracy=0.79,
            standard_error=0.031,
            brier_score=0.65,
        ),
    ),
    classes=CLASSES,
    confusion=CONFUSION,
    held_out_confusion=((9, 1, 0, 0, 0), (0, 6, 0, 1, 2), (0, 1, 2, 0, 0), (0, 0, 0, 11, 0), (0, 2, 0, 0, 6)),
    curve=CURVE,
    together=TOGETHER,
    suspects=SUSPECTS,
    measures=MEASURES,
    thresholds=tuple(
        ThresholdPoint(threshold=threshold, refused=refused, strangers_refused=strangers)
        for threshold, refused, strangers in (
            (2.0, 0.0, 0.1),
            (4.0, 0.02, 0.4),
            (5.5, 0.05, 0.61),
            (8.0, 0.3, 0.9),
            (12.0, 1.0, 1.0),
        )
    ),
    advice=("The first sentence.", "The second one: <b>."),
)
HEAD = TrainingSpec(
    extractor="mixer_b32_sam_fe",
    extractor_fingerprint="e" * 64,
    head="average",
    strength=None,
    temperature=1.25,
    pictures={item.label: item.pictures for item in CLASSES},
    held_out={item.label: item.held_out for item in CLASSES},
    fingerprint="f" * 64,
    held_out_fingerprint="a" * 64,
    seed=0,
    cross_validated=138 / 170,
    held_out_top1=34 / 41,
    file=FileSpec(name="training.json", size_bytes=1000, sha256="b" * 64),
)
UNKNOWN = UnknownSpec(measure="logit", threshold=5.5, refused=0.05)
TRAINING = Training(head=HEAD, unknown=UNKNOWN, record=RECORD)
