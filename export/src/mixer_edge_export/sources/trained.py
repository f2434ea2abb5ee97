"""A source that is a feature extractor with a head trained on the user's pictures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixer_edge.errors import ModelError
from mixer_edge.manifest import MANIFEST_NAME
from mixer_edge_export.network.mixer import HEAD, MixerWeights
from mixer_edge_export.sources.load import load_source
from mixer_edge_export.sources.mixer import MixerSource
from mixer_edge_export.sources.source import Judgement, Network, Origin

_EXPECTED = "train needs a feature extractor, e.g. mixer_b32_sam_fe"


@dataclass(frozen=True, kw_only=True)
class TrainedSource(MixerSource):
    """The extractor's weights and a head; what is judged is the extractor's own graph, followed by the head."""

    extractor: MixerSource

    @classmethod
    def of(
        cls, extractor: MixerSource, name: str, labels: tuple[str, ...], head: tuple[NDArray[np.float64], ...]
    ) -> TrainedSource:
        """Return the source.

        Args:
            extractor: the feature extractor.
            name: the new model's name.
            labels: one per class.
            head: kernel ``[hidden, classes]`` and bias ``[classes]``.
        """
        arrays = dict(extractor.weights.arrays)
        for leaf, array in zip(("kernel", "bias"), head, strict=True):
            arrays[f"{HEAD}/{leaf}"] = array.astype(np.float32)
        return cls(
            origin=Origin(
                name=name, kind="trained", location=extractor.origin.location, sha256=extractor.origin.sha256
            ),
            weights=MixerWeights.from_arrays(arrays, name),
            labels=labels,
            extractor=extractor,
        )

    def network(self) -> Network:
        """Return the extractor's own function, followed by the head."""
        features = self.extractor.network()
        return lambda images: self._logits(features(images))

    def judgement(self, images: NDArray[np.float32]) -> Judgement:
        """Return the extractor's judgement, with the outputs of the head."""
        judged = self.extractor.judgement(images)
        return replace(judged, reference=self._logits(judged.reference))

    def _logits(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        kernel, bias = (self.weights.arrays[f"{HEAD}/{leaf}"].astype(np.float64) for leaf in ("kernel", "bias"))
        return (features.astype(np.float64) @ kernel + bias).astype(np.float32)


def load_extractor(model: str) -> MixerSource:
    """Return a feature extractor on which a head can be trained.

    Args:
        model: a name, an address or a path, see ``mixer_edge_export.sources.load``.

    Raises:
        ModelError: the model cannot be loaded, is not a Mixer, or has a head; the message names a model to use.
    """
    if (Path(model) / MANIFEST_NAME).is_file():
        raise ModelError(f"{model}: a bundle; {_EXPECTED}")
    source = load_source(model)
    if not isinstance(source, MixerSource):
        raise ModelError(f"{model}: not a Mixer; {_EXPECTED}")
    if source.num_classes is not None:
        raise ModelError(f"{model}: a classifier of {source.num_classes} classes; {_EXPECTED}")
    return source
