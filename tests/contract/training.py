"""A training as literal values, with one entry of every kind."""

from __future__ import annotations

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

TRAINING = Training(
    head=TrainingSpec(
        extractor="mixer_b32_sam_fe",
        extractor_fingerprint="a" * 64,
        head="average",
        strength=None,
        temperature=1.25,
        pictures={"1": 2, "7": 1},
        held_out={"1": 1, "7": 0},
        fingerprint="b" * 64,
        held_out_fingerprint="c" * 64,
        seed=0,
        cross_validated=0.6666666666666666,
        held_out_top1=1.0,
        file=FileSpec(name="training.json", size_bytes=2000, sha256="d" * 64),
    ),
    unknown=UnknownSpec(measure="logit", threshold=1.5, refused=0.05),
    record=TrainingRecord(
        trained={"1/a.png": "1" * 64, "1/b.png": "1" * 64, "7/c.png": "2" * 64},
        held_out={"1/d.png": "3" * 64},
        unreadable=("7/broken.png: is empty, expected a picture",),
        candidates=(
            Candidate(
                head="ridge",
                strength=10.0,
                weight=0.75,
                temperature=0.125,
                accuracy=0.75,
                standard_error=0.125,
                brier_score=0.5,
            ),
            Candidate(
                head="class means",
                strength=None,
                weight=0.25,
                temperature=3.5,
                accuracy=0.5,
                standard_error=0.25,
                brier_score=0.75,
            ),
        ),
        classes=(
            ClassRecord(label="1", pictures=2, correct=2, held_out=1, held_out_correct=1),
            ClassRecord(label="7", pictures=1, correct=0, held_out=0, held_out_correct=0),
        ),
        confusion=((2, 0), (1, 0)),
        held_out_confusion=((1, 0), (0, 0)),
        curve=(CurvePoint(pictures_per_class=1.5, accuracy=0.625, low=0.5, high=0.75),),
        together=(Together(reason="equal pixels", files=("1/a.png", "1/b.png"), labels=("1",)),),
        suspects=(Suspect(file="7/c.png", label="7", likely="1", probability=0.125),),
        measures=(MeasureResult(measure="logit", auroc=0.875, strangers_refused=0.5),),
        thresholds=(ThresholdPoint(threshold=1.5, refused=0.05, strangers_refused=0.5),),
        advice=("Take more pictures of 7.",),
    ),
)
