"""``training.json`` of a bundle: everything about its training that the report shows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from mixer_edge import strict_json
from mixer_edge.bundle import Bundle
from mixer_edge.errors import BundleError
from mixer_edge.manifest import FileSpec, HeadKind, TrainingSpec, UnknownMeasure, UnknownSpec

RECORD_NAME = "training.json"
Reason = Literal["equal pixels", "nearly equal", "taken together", "group column"]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A kind of head with a strength, and its figures in cross-validation."""

    head: HeadKind
    strength: float | None
    weight: float
    """In the average of the logits that is used; the weights' sum is 1."""
    temperature: float
    """Its logits are divided by it before."""
    accuracy: float
    standard_error: float
    brier_score: float
    """Mean over the pictures of the squared error of the probabilities, after the temperature; 0 is perfect."""


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """The accuracy with fewer pictures: mean and spread over several draws, all in [0, 1]."""

    pictures_per_class: float
    """Mean number of pictures of a class that it was trained on."""
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class ClassRecord:
    """One class."""

    label: str
    pictures: int
    """Trained on."""
    correct: int
    """Of them, in cross-validation."""
    held_out: int
    held_out_correct: int


@dataclass(frozen=True, kw_only=True)
class Together:
    """Pictures that belong together, so that they are never on both sides of a split."""

    reason: Reason
    files: tuple[str, ...]
    labels: tuple[str, ...]
    """The classes that they are in."""

    @property
    def contradictory(self) -> bool:
        """Whether one picture is in several classes; photographs of one minute or group may show different things."""
        return len(self.labels) > 1 and self.reason in ("equal pixels", "nearly equal")


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """A picture whose label looks wrong: a head that did not see it gives its own class a low probability."""

    file: str
    label: str
    likely: str
    probability: float
    """Of its own class."""


@dataclass(frozen=True, kw_only=True)
class MeasureResult:
    """How well a measure tells strangers (a class left out of the training) from pictures of the classes."""

    measure: UnknownMeasure
    auroc: float
    """Probability that a stranger has a lower value than a picture of the classes."""
    strangers_refused: float
    """Share of the strangers below the threshold that refuses the wanted share of the classes' pictures."""


@dataclass(frozen=True, kw_only=True)
class ThresholdPoint:
    """One threshold of the measure in use."""

    threshold: float
    refused: float
    """Share of the classes' pictures below it."""
    strangers_refused: float


@dataclass(frozen=True, kw_only=True)
class TrainingRecord:
    """Pictures are named by their path relative to the data folder, with ``/``."""

    trained: Mapping[str, str]
    """Picture trained on -> sha256 of its pixels at the network's size."""
    held_out: Mapping[str, str]
    unreadable: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    classes: tuple[ClassRecord, ...]
    confusion: tuple[tuple[int, ...], ...]
    """``[true class][answered class]``: number of pictures trained on, in cross-validation."""
    held_out_confusion: tuple[tuple[int, ...], ...]
    curve: tuple[CurvePoint, ...]
    together: tuple[Together, ...]
    suspects: tuple[Suspect, ...]
    """Most suspicious first."""
    measures: tuple[MeasureResult, ...]
    """Best first; empty with two classes or if no threshold was wanted."""
    thresholds: tuple[ThresholdPoint, ...]
    advice: tuple[str, ...]
    """What the figures say, one sentence each."""

    def write(self, folder: Path) -> FileSpec:
        """Write the file into a bundle's folder and return its name, size and sha256."""
        (folder / RECORD_NAME).write_bytes(strict_json.dumps(asdict(self)))
        return FileSpec.of(folder / RECORD_NAME)

    @classmethod
    def read(cls, bundle: Bundle) -> TrainingRecord | None:
        """Return the record of a bundle; None if it was not trained here.

        Raises:
            BundleError: the file is missing or damaged.
        """
        training = bundle.manifest.training
        if training is None:
            return None
        path = training.file.check(bundle.folder)
        try:
            return strict_json.parse(cls, json.loads(path.read_bytes()))
        except ValueError as error:
            raise BundleError(f"{path}: not a training record ({error}); train again") from None


@dataclass(frozen=True, kw_only=True)
class Training:
    """Everything about the training of a bundle."""

    head: TrainingSpec
    """What the manifest says about it."""
    unknown: UnknownSpec | None
    """When a picture is none of the classes; None if one of them is always the answer."""
    record: TrainingRecord

    @classmethod
    def read(cls, bundle: Bundle) -> Training | None:
        """Return the training of a bundle; None if it was not trained here.

        Raises:
            BundleError: the record is missing or damaged.
        """
        head, record = bundle.manifest.training, TrainingRecord.read(bundle)
        if head is None or record is None:
            return None
        return cls(head=head, unknown=bundle.manifest.unknown, record=record)
