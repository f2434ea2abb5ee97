"""The files that other programs and later versions read, as literal values: what each class writes is pinned here.

``python -m tests.contract.formats --write`` writes ``tests/data/formats`` again; docs/formats.md says when.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tests.contract import preprocessing
from tests.contract.preprocessing import FOLDER
from tests.contract.training import TRAINING

from mixer_edge.classifier import Category
from mixer_edge.evaluate import record_dtype
from mixer_edge.journal import Journal
from mixer_edge.manifest import (
    MANIFEST_NAME,
    BoundSpec,
    CalibrationSpec,
    FileSpec,
    Manifest,
    PreprocessSpec,
    RuntimeSpec,
    SourceSpec,
    TensorSpec,
    TrainingSpec,
    UnknownSpec,
    VariantSpec,
)
from mixer_edge.scores import Accuracy, ClassScore, Difference, Score
from mixer_edge_export.calibration import CalibrationRecord
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
from mixer_edge_export.report import write_report

PREPROCESS = PreprocessSpec(
    geometry="resize-crop",
    height=56,
    width=56,
    shorter_side=64,
    resample="bilinear",
    antialias=True,
    decode="scaled",
    background=(255, 255, 255),
    scale=127.5,
    offset=-1.0,
)
RECORD = CalibrationRecord(
    calibration=("a" * 64, "b" * 64),
    selection=("c" * 64,),
    ranges={"input": (-1.0, 1.0), "head/kernel": (-0.25, 0.3333333432674408)},
)


def manifest() -> Manifest:
    """Return a manifest in which no field is empty that need not be."""
    image = {"name": "image", "shape": (1, 56, 56, 3)}
    logits = TensorSpec(name="logits", dtype="float32", shape=(1, 10), scale=None, zero_point=None)
    return Manifest(
        schema_version=4,
        name="digits",
        task="classification",
        source=SourceSpec(
            kind="bundled",
            location="digits",
            weights="trained",
            fingerprint="1" * 64,
            sha256="2" * 64,
            judge="rebuilt graph",
            rebuilt_error=0.001,
            structure_error=0.0000004,
            rounding=0.0002,
        ),
        architecture={"image_size": 56, "num_blocks": 4, "num_classes": 10, "hidden_dim": None},
        preprocess=PREPROCESS,
        calibration=CalibrationSpec(
            kind="folder",
            count=2,
            found=3,
            fingerprint="3" * 64,
            warnings=("only 2 calibration pictures, too few for steady ranges; give 100 to 200",),
            file=FileSpec(name="calibration.json", size_bytes=300, sha256="4" * 64),
        ),
        bound=BoundSpec(
            max_drop=0.5,
            measure="top-1",
            count=100,
            fingerprint="5" * 64,
            int8_drop=1.25,
            drop=0.25,
            int8_size_bytes=1000,
        ),
        training=TrainingSpec(
            extractor="mixer_b32_sam_fe",
            extractor_fingerprint="a" * 64,
            head="ridge",
            strength=0.5,
            temperature=1.25,
            pictures={"cat": 40, "none": 30},
            held_out={"cat": 10, "none": 8},
            fingerprint="b" * 64,
            held_out_fingerprint="c" * 64,
            seed=7,
            cross_validated=0.95,
            held_out_top1=0.9375,
            file=FileSpec(name="training.json", size_bytes=700, sha256="d" * 64),
        ),
        unknown=UnknownSpec(measure="energy", threshold=2.75, refused=0.05),
        labels=FileSpec(name="labels.txt", size_bytes=20, sha256="6" * 64),
        golden=FileSpec(name="golden.npz", size_bytes=5000, sha256="7" * 64),
        variants=(
            VariantSpec(
                name="float32",
                recipe="float32",
                kept_float=(),
                file=FileSpec(name="digits-float32.tflite", size_bytes=4000, sha256="8" * 64),
                offset=-1.0,
                input=TensorSpec(dtype="float32", scale=None, zero_point=None, **image),
                output=logits,
                half_precision=False,
                tolerance=0.001,
                runtimes={"ai-edge-litert": RuntimeSpec(version="2.3.0", status="ok", reason=None, max_error=0.0)},
            ),
            VariantSpec(
                name="int8",
                recipe="int8 weights per channel",
                kept_float=("MixerBlock_0/token_mixing/Dense_0",),
                file=FileSpec(name="digits-int8.tflite", size_bytes=1100, sha256="9" * 64),
                offset=-1.003921568627451,
                input=TensorSpec(dtype="int8", scale=0.007843137718737125, zero_point=0, **image),
                output=logits,
                half_precision=False,
                tolerance=0.1,
                runtimes={
                    "ai-edge-litert": RuntimeSpec(version="2.3.0", status="ok", reason=None, max_error=0.0),
                    "tflite-runtime": RuntimeSpec(
                        version="2.14.0", status="refused", reason="it knows no such operation", max_error=None
                    ),
                },
            ),
        ),
        tools={"python": "3.11.7", "tensorflow": "2.21.0"},
    )


def comparison() -> Comparison:
    """Return a comparison on labelled pictures in which every kind of entry is there once."""
    whole = Accuracy(correct=4, share=1.0, interval=(0.510109, 1.0))
    most = Accuracy(correct=3, share=0.75, interval=(0.300642, 0.954413))
    even = Difference(lost=0, won=0, share=0.0, interval=(0.0, 0.0), p_value=1.0)
    refused = Accuracy(correct=1, share=0.25, interval=(0.045587, 0.699358))
    loss = Difference(lost=1, won=0, share=-0.25, interval=(-0.75, 0.0), p_value=1.0)
    worst = ClassScore(index=7, label="7", pictures=1, correct=0, reference_correct=1)
    scores: dict[str, Any] = {"pictures": 4, "top5": whole, "refused": refused}
    return Comparison(
        schema_version=1,
        model="digits",
        weights="trained",
        reference="float32",
        labelled=True,
        classes=10,
        pictures=4,
        unreadable=("7/broken.png: is empty, expected a picture",),
        duplicates=(("1/a.png", "1/b.png"),),
        overlap=("1/a.png",),
        rows=(
            VariantResult(
                name="float32",
                recipe="float32",
                size_bytes=4000,
                input_dtype="float32",
                output_dtype="float32",
                latency_ms=0.5,
                photo_to_label_ms=1.5,
                score=Score(
                    name="float32",
                    top1=whole,
                    difference=even,
                    changed=0,
                    agreement=whole,
                    mean_kl_divergence=0.0,
                    largest_difference=0.0,
                    worst_classes=(),
                    **scores,
                ),
                verdict="float32: the reference",
            ),
            VariantResult(
                name="int8",
                recipe="int8 weights per channel",
                size_bytes=1100,
                input_dtype="int8",
                output_dtype="float32",
                latency_ms=0.25,
                photo_to_label_ms=None,
                score=Score(
                    name="int8",
                    top1=most,
                    difference=loss,
                    changed=1,
                    agreement=most,
                    mean_kl_divergence=0.0123,
                    largest_difference=1.5,
                    worst_classes=(worst,),
                    **scores,
                ),
                verdict="int8: too few pictures to tell",
            ),
        ),
        recommendation=Recommendation(variant="float32", reason="nothing smaller is shown to be as good"),
        max_drop=0.5,
        bounds=(BoundResult(variant="int8", holds=False, reason="int8 may lose 75 points", pictures_needed=None),),
        confusions=(Confusion(variant="int8", before="7", after="1", count=1, lost=1, won=0),),
        changed_count=1,
        changed=(
            ChangedPicture(
                file="7/c.png",
                truth="7",
                answers={
                    "float32": (Category(index=7, label="7", probability=0.9),),
                    "int8": (Category(index=1, label="1", probability=0.6),),
                },
                changes={"int8": "lost"},
            ),
        ),
        notes=("int8 has a layer in float",),
        boards=(
            BoardResult(
                host="pi@one",
                board="Raspberry Pi 5",
                backend="ai-edge-litert",
                temperature_celsius=51.5,
                pictures=4,
                variants=(BoardVariant(name="int8", changed=1, changed_files=("1/a.png",), top1=most, latency_ms=2.5),),
                notes=("its governor is ondemand",),
                error=None,
            ),
            BoardResult.failed("pi@two", "pi@two: no answer"),
        ),
        training=TRAINING,
        measured=Measured(
            bundle_fingerprint="1" * 64,
            source="digits",
            data="held_out",
            data_fingerprint="2" * 64,
            layout="class folders",
            preprocess=PREPROCESS,
            tools={"ai-edge-litert": "2.3.0"},
            made_with={"tensorflow": "2.21.0"},
            backend="ai-edge-litert",
            machine="a machine, 2 cores, Linux x86_64",
        ),
    )


JOURNAL_SUBJECT = {
    "journal": 2,
    "bundle": "1" * 64,
    "names": ("float32", "int8"),
    "pictures": "2" * 64,
    "tools": {"ai-edge-litert": "2.3.0", "numpy": "2.4.6", "pillow": "13.0.0"},
}


def journal_records() -> NDArray[np.void]:
    """Return one picture's record: number 3, two classes, two variants."""
    records = np.zeros(1, record_dtype(("float32", "int8"), 2))
    records["picture"], records["pixels"] = 3, bytes(range(32))
    records["float32"] = ((1, 0), (0.75, 0.25), 0.0, 0.0, False)
    records["int8"] = ((0, 1), (0.5, 0.5), 0.125, 1.5, True)
    return records


def _write_manifest(folder: Path) -> None:
    (folder / MANIFEST_NAME).write_bytes(manifest().to_bytes())


def _write_report(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as reports:
        write_report(comparison(), None, Path(reports))
        (folder / "report.json").write_bytes((Path(reports) / "report.json").read_bytes())


def _write_journal(folder: Path) -> None:
    with Journal(folder / "evaluation.journal", JOURNAL_SUBJECT, journal_records().dtype) as journal:
        journal.append(journal_records())


WRITERS: dict[str, Callable[[Path], object]] = {
    MANIFEST_NAME: _write_manifest,
    "calibration.json": RECORD.write,
    "report.json": _write_report,
    "evaluation.journal": _write_journal,
    "preprocessing.npz": preprocessing.write,
}
"""File -> what writes it into a folder."""


def main(argv: list[str]) -> int:
    """Write the files again, in place of those that are there."""
    parser = argparse.ArgumentParser(prog="python -m tests.contract.formats", description=main.__doc__)
    parser.add_argument("--write", action="store_true", required=True)
    parser.parse_args(argv)
    for name, write in WRITERS.items():
        (FOLDER / name).unlink(missing_ok=True)
        write(FOLDER)
        print(FOLDER / name)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
