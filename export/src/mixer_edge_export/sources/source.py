"""What a loaded model is to the export, wherever it was found."""

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
    """Where a model was found."""

    name: str
    kind: SourceKind
    location: str
    sha256: str | None = None
    """Of the file, or over all files of the SavedModel; None for a model made on the spot."""


class Source(Protocol):
    """A loaded model.

    It is a Mixer's weights (``mixer_edge_export.sources.mixer.MixerSource``) or another network
    (``mixer_edge_export.sources.generic.GenericSource``).
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def origin(self) -> Origin:
        """Where it was found."""

    @property
    def labels(self) -> tuple[str, ...] | None:
        """One per class; None where the source has none."""

    @property
    def judge(self) -> Judge:
        """What the files are measured against: ``saved_model``, or ``rebuilt graph`` for bare weights."""

    @property
    def architecture(self) -> dict[str, int | None]:
        """A Mixer's configuration; of another network the number of classes alone."""

    @property
    def num_classes(self) -> int | None:
        """Number of classes; None for a feature extractor."""

    @property
    def parameter_count(self) -> int:
        """Parameters that a file must hold."""

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) of the network's input."""

    @property
    def lossless_input(self) -> bool:
        """Whether an int8 input may be shifted by half a pixel step, so that it holds every pixel exactly."""

    def fingerprint(self) -> str:
        """Return the sha256 that names the weights, whatever file they came from."""

    def float_model(self) -> bytes:
        """Return the float32 TFLite file."""

    def network(self) -> Network:
        """Return the judge in TensorFlow.

        Raises:
            ModelError: it cannot be loaded, or not be run when the function is called.
        """

    def check_rebuilt(self, images: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
        """Return the error of the graph rebuilt from the weights to the judge's outputs; 0 if they are the same graph.

        Raises:
            ModelError: the rebuilt graph is not the source's.
        """


def task(source: Source) -> ModelTask:
    """Return ``classification``, or ``embedding`` for a feature extractor."""
    return "embedding" if source.num_classes is None else "classification"


def preprocess_spec(source: Source, preprocessing: Preprocessing) -> PreprocessSpec:
    """Return how pictures become the source's input.

    Raises:
        ModelError: the pixel range is empty, or another than [-1, 1] for a Mixer.
    """
    low, high = preprocessing.pixel_range
    if not low < high or (source.lossless_input and preprocessing.pixel_range != Preprocessing.pixel_range):
        raise ModelError(
            f"{source.origin.location}: pixels cannot become {low:g} to {high:g}; expected -1 to 1 for a Mixer"
        )
    return preprocessing.spec(*source.input_size)


def source_spec(source: Source, rebuilt_error: float) -> SourceSpec:
    """Return what a manifest says of the source; ``rebuilt_error`` is what ``check_rebuilt`` returned."""
    return SourceSpec(
        kind=source.origin.kind,
        location=source.origin.location,
        weights="random" if source.origin.kind == "random" else "trained",
        fingerprint=source.fingerprint(),
        sha256=source.origin.sha256,
        judge=source.judge,
        rebuilt_error=rebuilt_error,
    )
