"""A source that is a Mixer: its weights, and the SavedModel they were read from, if any."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mixer_edge_export.network.convert import convert_float, reference_outputs
from mixer_edge_export.network.mixer import MixerWeights
from mixer_edge_export.sources.rebuilt import judge_rebuilt
from mixer_edge_export.sources.saved_model import load_signature
from mixer_edge_export.sources.source import Judgement, Network, Origin


@dataclass(frozen=True, kw_only=True)
class MixerSource:
    """A Mixer; see ``mixer_edge_export.sources.source.Source`` for what its members mean."""

    origin: Origin
    weights: MixerWeights
    saved_model: Path | None = None
    """The files are compared with its graph; weights alone have no graph."""
    labels: tuple[str, ...] | None = None

    lossless_input: ClassVar[bool] = True

    @property
    def architecture(self) -> dict[str, int | None]:
        """The Mixer's configuration."""
        return asdict(self.weights.config)

    @property
    def num_classes(self) -> int | None:
        """Number of classes; None for a feature extractor."""
        return self.weights.config.num_classes

    @property
    def parameter_count(self) -> int:
        """Number of parameters."""
        return self.weights.parameter_count

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) of the input."""
        return (self.weights.config.image_size, self.weights.config.image_size)

    def fingerprint(self) -> str:
        """Return the sha256 of the configuration and the weights."""
        return self.weights.fingerprint()

    def float_model(self) -> bytes:
        """Return the float32 TFLite file."""
        return convert_float(self.weights)

    def network(self) -> Network:
        """Return the SavedModel's own function, or the rebuilt graph's."""
        if self.saved_model is None:
            return partial(reference_outputs, self.weights)
        return load_signature(self.saved_model).outputs

    def judgement(self, images: NDArray[np.float32]) -> Judgement:
        """Return the outputs of the SavedModel, or of the rebuilt graph if there is none or its rounding shows."""
        if self.saved_model is None:
            return Judgement(judge="rebuilt graph", reference=reference_outputs(self.weights, images))
        return judge_rebuilt(load_signature(self.saved_model), self.weights, images, self.origin.location)
