"""Where a model comes from: every source ends in the same ``MixerWeights``.

``digits`` is the bundled model, ``random:<size>`` the published architecture with random weights; anything else is the
path of an ``.npz`` file in the published key layout or of a SavedModel folder in the Hub module's layout.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from mixer_edge.errors import ModelError
from mixer_edge_export.mixer import PUBLISHED_CONFIGS, MixerWeights
from mixer_edge_export.sources.npz import load_npz
from mixer_edge_export.sources.saved_model import load_saved_model

RANDOM_SEED = 0
RANDOM_MODELS = [f"random:{name}" for name in PUBLISHED_CONFIGS]


@dataclass(frozen=True, kw_only=True)
class Source:
    """A loaded model: its name, its kind, where it was found and its weights."""

    name: str
    kind: str
    """``bundled``, ``random``, ``npz`` or ``saved_model``."""
    location: str
    weights: MixerWeights
    labels: tuple[str, ...] | None

    @property
    def is_random(self) -> bool:
        """Whether the weights are random: then there is no accuracy to speak of."""
        return self.kind == "random"


def load_source(model: str) -> Source:
    """Return the model of a name or path.

    Raises:
        ModelError: no such name or path, or what is there is no Mixer; the message lists the names.
    """
    if model == "digits":
        with resources.as_file(resources.files("mixer_edge_export.digits") / "digits.npz") as path:
            weights = load_npz(path)
        labels = tuple(str(digit) for digit in range(10))
        return Source(name=model, kind="bundled", location=model, weights=weights, labels=labels)
    if model in RANDOM_MODELS:
        config = PUBLISHED_CONFIGS[model.removeprefix("random:")]
        weights = MixerWeights.random(config, RANDOM_SEED)
        return Source(name=model.replace(":", "_"), kind="random", location=model, weights=weights, labels=None)
    path = Path(model)
    if path.suffix == ".npz" and path.is_file():
        return Source(name=path.stem, kind="npz", location=path.name, weights=load_npz(path), labels=None)
    if (path / "saved_model.pb").is_file():
        name = path.resolve().name
        return Source(name=name, kind="saved_model", location=name, weights=load_saved_model(path), labels=None)
    raise ModelError(
        f"{model}: no such model; expected digits, an .npz file, a SavedModel folder or {', '.join(RANDOM_MODELS)}"
    )
