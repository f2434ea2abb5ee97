"""The interface of a loaded model, the same for all sources."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from mixer_edge.errors import ModelError
from mixer_edge.manifest import Judge, ModelTask, PreprocessSpec, SourceKind, SourceSpec
from mixer_edge.preprocess import Preprocessing

Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""From ``[n, height, width, 3]`` float32 images to outputs ``[n, classes]``."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a model comes from."""

    name: str
    kind: SourceKind
    location: str
    sha256: str | None = None
    """Of the file, or over all files of the SavedModel; None for a model without a file."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The outputs that every file must agree with, and how far the source is from the graph rebuilt from it."""

    judge: Judge
    """``saved_model``, or ``rebuilt graph`` for weights alone and for a SavedModel whose rounding shows."""
    reference: NDArray[np.float32]
    """The judge's outputs ``[n, classes]``."""
    rebuilt_error: float = 0.0
    """Largest difference of the rebuilt graph from the SavedModel, over its largest output."""
    structure_error: float | None = None
    """The same with test weights in both graphs; None if nothing was rebuilt."""
    rounding: float | None = None
    """Standard deviation of the SavedModel's outputs by rounding, over its largest output; None if not measured."""


class Source(Protocol):
    """A loaded model.

    It is a Mixer's weights (``mixer_edge_export.sources.mixer.MixerSource``) or another network
    (``mixer_edge_export.sources.generic.GenericSource``).
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def origin(self) -> Origin:
        """Where it comes from."""

    @property
    def labels(self) -> tuple[str, ...] | None:
        """One per class; None if the source has none."""

    @property
    def architecture(self) -> dict[str, int | None]:
        """A Mixer's configuration; for another network only the number of classes."""

    @property
    def num_classes(self) -> int | None:
        """Number of classes; None for a feature extractor."""

    @property
    def parameter_count(self) -> int:
        """Number of parameters that a file must contain."""

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) of the network's input."""

    @property
    def lossless_input(self) -> bool:
        """Whether an int8 input can be shifted by half a pixel step, so that it represents every pixel exactly."""

    def fingerprint(self) -> str:
        """Return the sha256 that identifies the weights; the file format does not matter."""

    def float_model(self) -> bytes:
        """Return the float32 TFLite file."""

    def network(self) -> Network:
        """Return the source's own function in TensorFlow.

        Raises:
            ModelError: it cannot be loaded, or (when the function is called) run.
        """

    def judgement(self, images: NDArray[np.float32]) -> Judgement:
        """Return the outputs that every file must agree with, for ``[n, height, width, 3]`` images.

        Raises:
            ModelError: the SavedModel cannot be run, or the rebuilt graph is not the same function.
        """


def task(source: Source) -> ModelTask:
    """Return ``classification``, or ``embedding`` for a feature extractor."""
    return "embedding" if source.num_classes is None else "classification"


def preprocess_spec(source: Source, preprocessing: Preprocessing) -> PreprocessSpec:
    """Return how pictures become the source's input.

    Raises:
        ModelError: the pixel range is empty, or not [-1, 1] for a Mixer.
    """
    low, high = preprocessing.pixel_range
    if not low < high or (source.lossless_input and preprocessing.pixel_range != Preprocessing.pixel_range):
        raise ModelError(
            f"{source.origin.location}: the pixel range is {low:g} to {high:g}; expected -1 to 1 for a Mixer"
        )
    return preprocessing.spec(*source.input_size)


def source_spec(source: Source, judgement: Judgement) -> SourceSpec:
    """Return the facts about the source for a manifest."""
    return SourceSpec(
        kind=source.origin.kind,
        location=source.origin.location,
        weights="random" if source.origin.kind == "random" else "trained",
        fingerprint=source.fingerprint(),
        sha256=source.origin.sha256,
        judge=judgement.judge,
        rebuilt_error=judgement.rebuilt_error,
        structure_error=judgement.structure_error,
        rounding=judgement.rounding,
    )
