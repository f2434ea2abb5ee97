"""A small comparison made field by field, so that a test knows every figure that a table or a page shows.

No two figures are alike: one in another's place is seen.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mixer_edge.classifier import Category
from mixer_edge.preprocess import Preprocessing
from mixer_edge.scores import Accuracy, ClassScore, Difference, Score
from mixer_edge_export.comparison.types import (
    BoardResult,
    BoardVariant,
    BoundResult,
    ChangedPicture,
    Comparison,
    Confusion,
    Measured,
    Recommendation,
    VariantResult,
)

HOSTILE = "<script>'\"&"
"""A label that no page may run."""


def accuracy(correct: int, low: float, high: float, *, of: int = 1000) -> Accuracy:
    """Return a share with an interval."""
    return Accuracy(correct=correct, share=correct / of, interval=(low, high))


def score(name: str, **changes: Any) -> Score:
    """Return the score of a variant, equal to the reference's but for the changes."""
    facts: dict[str, Any] = {
        "name": name,
        "pictures": 1000,
        "top1": accuracy(900, 0.8798, 0.9171),
        "top5": accuracy(990, 0.9817, 0.9946),
        "difference": Difference(lost=0, won=0, share=0.0, interval=(0.0, 0.0), p_value=1.0),
        "changed": 0,
        "agreement": accuracy(1000, 0.9962, 1.0),
        "refused": None,
        "mean_kl_divergence": 0.0,
        "largest_difference": 0.0,
        "worst_classes": (ClassScore(index=2, label="crane", pictures=40, correct=31, reference_correct=31),),
    }
    return Score(**facts | changes)


SCORES = {
    "float32": score("float32"),
    "float16": score(
        "float16",
        top1=accuracy(901, 0.8809, 0.918),
        top5=accuracy(991, 0.983, 0.9952),
        difference=Difference(lost=0, won=1, share=0.001, interval=(-0.001, 0.003), p_value=0.75),
        changed=2,
        agreement=accuracy(998, 0.9927, 0.9995),
        mean_kl_divergence=1.25e-5,
        largest_difference=0.0625,
        worst_classes=(),
    ),
    "int8": score(
        "int8",
        top1=accuracy(862, 0.8392, 0.882),
        top5=accuracy(979, 0.968, 0.9863),
        difference=Difference(lost=42, won=4, share=-0.038, interval=(-0.051, -0.025), p_value=1.5e-9),
        changed=57,
        agreement=accuracy(943, 0.9269, 0.9557),
        mean_kl_divergence=0.0375,
        largest_difference=2.125,
        worst_classes=(
            ClassScore(index=1, label=HOSTILE, pictures=50, correct=20, reference_correct=48),
            ClassScore(index=2, label="crane", pictures=40, correct=30, reference_correct=31),
        ),
    ),
}


def row(name: str, size_bytes: int, latency_ms: float, photo_to_label_ms: float) -> VariantResult:
    """Return the row of a variant."""
    dtype = "int8" if name == "int8" else "float32"
    return VariantResult(
        name=name,
        recipe=f"how {name} is made",
        size_bytes=size_bytes,
        input_dtype=dtype,
        output_dtype=dtype,
        latency_ms=latency_ms,
        photo_to_label_ms=photo_to_label_ms,
        score=SCORES[name],
        verdict=f"{name}: what is said of {name}.",
    )


def answers(*labels: str) -> tuple[Category, ...]:
    """Return answers with 60, 30 and 10 %."""
    return tuple(
        Category(index=index, label=label, probability=share)
        for index, (label, share) in enumerate(zip(labels, (0.6, 0.3, 0.1), strict=True))
    )


CHANGED = (
    ChangedPicture(
        file="crane/0001.png",
        truth="crane",
        answers={
            "float32": answers("crane", "emu", "owl"),
            "float16": answers("crane", "owl", "emu"),
            "int8": answers(HOSTILE, "crane", "emu"),
        },
        changes={"int8": "lost"},
    ),
    ChangedPicture(
        file="owl/it's <b>.png",
        truth="owl",
        answers={
            "float32": answers("Emu", "owl", "crane"),
            "float16": answers("owl", "Emu", "crane"),
            "int8": answers("crane", "Emu", "owl"),
        },
        changes={"float16": "won", "int8": "changed"},
    ),
)
BOARDS = (
    BoardResult(
        host="pi@kitchen",
        board="Raspberry Pi 5",
        backend="ai-edge-litert",
        temperature_celsius=48.34,
        pictures=999,
        variants=(
            BoardVariant(
                name="float32", changed=0, changed_files=(), top1=accuracy(899, 0.87, 0.92, of=999), latency_ms=7.123
            ),
            BoardVariant(
                name="int8",
                changed=12,
                changed_files=("a.png", "b.png", "c.png", "d.png"),
                top1=None,
                latency_ms=3.456,
            ),
        ),
        notes=("float16 does not run there: no kernel",),
        error=None,
    ),
    BoardResult.failed("pi@garden", "it does not answer"),
)
COMPARISON = Comparison(
    schema_version=1,
    model="birds",
    weights="trained",
    reference="float32",
    labelled=True,
    classes=1234,
    pictures=1000,
    unreadable=("data/broken.png: is no picture",),
    duplicates=(("a.png", "b.png", "c.png"), ("d.png", "e.png")),
    overlap=("f.png", "g.png", "h.png", "i.png", "j.png"),
    rows=(
        row("float32", 4_120_000, 2.13, 5.5),
        row("float16", 2_070_000, 2.25, 5.75),
        row("int8", 1_060_000, 0.8125, 3.125),
    ),
    recommendation=Recommendation(variant="float16", reason="the one that is chosen"),
    max_drop=0.5,
    bounds=(
        BoundResult(variant="float16", holds=True, reason="float16 keeps it", pictures_needed=None),
        BoundResult(variant="int8", holds=False, reason="int8 does not keep it", pictures_needed=2000),
    ),
    confusions=(
        Confusion(variant="float16", before="Emu", after="owl", count=2, lost=0, won=1),
        Confusion(variant="int8", before="crane", after=HOSTILE, count=50, lost=42, won=0),
        Confusion(variant="int8", before="owl", after="crane", count=7, lost=0, won=4),
    ),
    changed_count=1058,
    changed=CHANGED,
    notes=("int8 was calibrated so",),
    boards=BOARDS,
    training=None,
    measured=Measured(
        bundle_fingerprint="ab" * 32,
        source="npz birds.npz",
        data="photos",
        data_fingerprint="cd" * 32,
        layout="class folders",
        preprocess=Preprocessing().spec(64),
        tools={"mixer-edge": "0.1.0", "numpy": "2.4.6"},
        made_with={"tensorflow": "2.21.0", "mixer-edge": "0.0.9"},
        backend="ai-edge-litert",
        machine="Test, 2 cores, Linux x86_64",
    ),
)
UNLABELLED = replace(
    COMPARISON,
    labelled=False,
    rows=tuple(
        replace(row, score=row.score and replace(row.score, top1=None, top5=None, difference=None, worst_classes=()))
        for row in COMPARISON.rows
    ),
    changed=tuple(replace(picture, truth=None) for picture in COMPARISON.changed),
)
"""The same on pictures without labels."""
COSTS = replace(
    COMPARISON,
    reference="source",
    labelled=False,
    classes=None,
    pictures=0,
    unreadable=(),
    duplicates=(),
    overlap=(),
    rows=(
        replace(
            COMPARISON.rows[0], name="source", size_bytes=None, latency_ms=None, photo_to_label_ms=None, score=None
        ),
        replace(COMPARISON.rows[1], score=None),
    ),
    recommendation=None,
    bounds=(),
    confusions=(),
    changed_count=0,
    changed=(),
    notes=(),
    boards=(),
    measured=replace(COMPARISON.measured, data=None, data_fingerprint=None),
)
"""No pictures, and the source as reference: sizes and latencies alone."""
REFUSING = replace(
    COMPARISON,
    rows=tuple(
        replace(row, score=row.score and replace(row.score, refused=refused))
        for row, refused in zip(
            COMPARISON.rows,
            (accuracy(45, 0.0338, 0.0597), accuracy(46, 0.0346, 0.0608), accuracy(87, 0.0711, 0.1061)),
            strict=True,
        )
    ),
)
"""The same with a bundle whose answer can be "none of these"."""
