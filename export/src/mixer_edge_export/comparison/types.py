"""What a comparison found; ``report.json`` is these classes, field by field (docs/report.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mixer_edge.classifier import Category
from mixer_edge.manifest import PreprocessSpec
from mixer_edge.scores import Accuracy, Score

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class VariantResult:
    """One variant; what needs a file is None for the source, what needs pictures is None without any."""

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
    """In words, compared with the reference."""


@dataclass(frozen=True, kw_only=True)
class ChangedPicture:
    """A picture whose label is not the same for all variants."""

    file: str
    """Path relative to the data folder."""
    truth: str | None
    answers: Mapping[str, tuple[Category, ...]]
    """Variant -> its three best classes, best first."""
    changes: Mapping[str, str]
    """Variant that differs from the reference -> ``lost``, ``won`` or ``changed`` (both wrong, or no label)."""


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """How often a variant says ``after`` where the reference says ``before``."""

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
    """Whether one variant's drop is shown to be within ``max_drop``, in words too."""

    variant: str
    holds: bool
    reason: str
    pictures_needed: int | None
    """About how many pictures would show it, at the measured difference; None if it holds or none would."""


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
    """The same pictures on one board; if it failed, there is its host and ``error`` and nothing else."""

    host: str
    board: str | None
    backend: str | None
    temperature_celsius: float | None
    """After the latencies were measured."""
    pictures: int
    """Pictures that both sides could read."""
    variants: tuple[BoardVariant, ...]
    """Those that run there."""
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
    """What was measured on what."""

    bundle_fingerprint: str
    source: str
    data: str | None
    """Name of the data folder."""
    data_fingerprint: str | None
    """sha256 over the pictures' pixels and classes, whatever their paths and order."""
    layout: str | None
    preprocess: PreprocessSpec
    tools: Mapping[str, str]
    """Versions that measured."""
    made_with: Mapping[str, str]
    """Versions that wrote the bundle."""
    backend: str
    machine: str


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Everything the reports show; without pictures ``pictures`` is 0 and only sizes and latencies are known."""

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
    """Groups of files whose pixels are the same at the network's size."""
    overlap: tuple[str, ...]
    """Files that the bundle was calibrated with too."""
    rows: tuple[VariantResult, ...]
    """The reference first."""
    recommendation: Recommendation | None
    max_drop: float | None
    """In points (hundredths)."""
    bounds: tuple[BoundResult, ...]
    confusions: tuple[Confusion, ...]
    changed_count: int
    """Pictures whose label is not the same for all variants."""
    changed: tuple[ChangedPicture, ...]
    """Those of them that the gallery shows: where the probabilities differ most."""
    notes: tuple[str, ...]
    boards: tuple[BoardResult, ...]
    """What the boards of ``--on`` answered, in their order."""
    measured: Measured

    @property
    def holds(self) -> bool:
        """Whether every variant keeps within the bound; true without one."""
        return all(bound.holds for bound in self.bounds)
