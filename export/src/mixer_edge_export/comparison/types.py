"""The result of a comparison; ``report.json`` has the same fields as these classes (docs/report.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mixer_edge.classifier import Category
from mixer_edge.manifest import PreprocessSpec
from mixer_edge.scores import Accuracy, Score
from mixer_edge_export.training.record import Training

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class VariantResult:
    """One variant; values that need a file are None for the source, those that need pictures None without pictures."""

    name: str
    recipe: str
    size_bytes: int | None
    input_dtype: str
    output_dtype: str
    latency_ms: float | None
    """Median time of one inference on this machine, one thread, without decoding."""
    photo_to_label_ms: float | None
    """Median time from a picture's file to its label on this machine, one thread."""
    score: Score | None
    verdict: str
    """A sentence that compares it with the reference."""


@dataclass(frozen=True, kw_only=True)
class ChangedPicture:
    """A picture that does not get the same label from all variants."""

    file: str
    """Path relative to the data folder."""
    truth: str | None
    answers: Mapping[str, tuple[Category, ...]]
    """Variant -> its three best classes, best first."""
    changes: Mapping[str, str]
    """Variant that differs from the reference -> ``lost``, ``won`` or ``changed`` (neither, or no label)."""


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """How often a variant predicts ``after`` when the reference predicts ``before``."""

    variant: str
    before: str
    after: str
    count: int
    lost: int
    won: int


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """The variant to ship, and why."""

    variant: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class BoundResult:
    """Whether one variant's drop is shown to be within ``max_drop``, and why."""

    variant: str
    holds: bool
    reason: str
    pictures_needed: int | None
    """About how many pictures would show it, at the measured difference; None if it holds or no number would."""


@dataclass(frozen=True, kw_only=True)
class BoardVariant:
    """One variant on one board, compared with the same variant on this machine."""

    name: str
    changed: int
    """Predictions that differ from this machine's."""
    changed_files: tuple[str, ...]
    """The first few of them, relative to the data folder."""
    top1: Accuracy | None
    """On the board; None without labels."""
    latency_ms: float
    """Median time of one inference on the board, one thread, without decoding."""


@dataclass(frozen=True, kw_only=True)
class BoardResult:
    """The same pictures on one board; if it failed, only ``host`` and ``error`` are set."""

    host: str
    board: str | None
    backend: str | None
    temperature_celsius: float | None
    """After the latencies were measured."""
    pictures: int
    """Number of pictures that both machines could read."""
    variants: tuple[BoardVariant, ...]
    """The variants that run there."""
    notes: tuple[str, ...]
    error: str | None

    @classmethod
    def failed(cls, host: str, error: str) -> BoardResult:
        """Return the result of a board that failed."""
        return cls(
            host=host,
            board=None,
            backend=None,
            temperature_celsius=None,
            pictures=0,
            variants=(),
            notes=(),
            error=error,
        )


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The inputs and versions of the measurement."""

    bundle_fingerprint: str
    source: str
    data: str | None
    """Name of the data folder."""
    data_fingerprint: str | None
    """sha256 over the pictures' pixels and classes; paths and order do not matter."""
    layout: str | None
    preprocess: PreprocessSpec
    tools: Mapping[str, str]
    """Versions of the tools of the comparison."""
    made_with: Mapping[str, str]
    """Versions of the tools that made the bundle."""
    backend: str
    machine: str


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Everything that the reports show; without pictures ``pictures`` is 0, with only sizes and latencies."""

    schema_version: int
    model: str
    weights: str
    """``trained`` or ``random``."""
    reference: str
    labelled: bool
    classes: int | None
    pictures: int
    unreadable: tuple[str, ...]
    duplicates: tuple[tuple[str, ...], ...]
    """Groups of files with the same pixels at the network's size."""
    overlap: tuple[str, ...]
    """Files that were also used to make the bundle."""
    rows: tuple[VariantResult, ...]
    """The reference first."""
    recommendation: Recommendation | None
    max_drop: float | None
    """In percentage points."""
    bounds: tuple[BoundResult, ...]
    confusions: tuple[Confusion, ...]
    changed_count: int
    """Number of pictures that do not get the same label from all variants."""
    changed: tuple[ChangedPicture, ...]
    """The ones that the gallery shows: those with the largest difference in probabilities."""
    notes: tuple[str, ...]
    boards: tuple[BoardResult, ...]
    """The results of the boards of ``--on``, in their order."""
    training: Training | None
    """None if the model was not trained by this program."""
    measured: Measured

    @property
    def refuses(self) -> bool:
        """Whether the answer can be "none of these": the bundle has a threshold, and there are pictures."""
        return any(row.score is not None and row.score.refused is not None for row in self.rows)

    @property
    def holds(self) -> bool:
        """Whether every variant keeps the bound; true without a bound."""
        return all(bound.holds for bound in self.bounds)
