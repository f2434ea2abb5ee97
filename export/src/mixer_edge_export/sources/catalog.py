"""The published MLP-Mixer modules by short name, and their sources.

The sources of a short name are tried in this order: TensorFlow Hub, Kaggle (where tfhub.dev's modules moved in 2023),
the published checkpoint. ``MIXER_EDGE_HUB_URL`` and ``MIXER_EDGE_NPZ_URL`` are mirrors of the first and the last. The
Kaggle handles come from third parties' code; they have not been tested.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

HUB_URL_VARIABLE, NPZ_URL_VARIABLE = "MIXER_EDGE_HUB_URL", "MIXER_EDGE_NPZ_URL"
HUB_URL = "https://tfhub.dev/sayakpaul"
NPZ_URL = "https://storage.googleapis.com/mixer_models"


@dataclass(frozen=True, kw_only=True)
class Module:
    """One published module; a feature extractor is the checkpoint without its head."""

    checkpoint: str
    """Path of the published ``.npz`` checkpoint below its base URL."""
    hub_name: str
    is_feature_extractor: bool
    has_imagenet_classes: bool
    """Whether its outputs are ImageNet-1k's 1000 classes."""

    @property
    def hub_handle(self) -> str:
        """Handle for ``tensorflow_hub``."""
        return f"{os.environ.get(HUB_URL_VARIABLE) or HUB_URL}/{self.hub_name}/1"

    @property
    def kaggle_handle(self) -> str:
        """Handle for ``kagglehub``."""
        return f"spsayakpaul/mlp-mixer/tensorFlow2/{self.hub_name.replace('_', '-')}/1"

    @property
    def npz_url(self) -> str:
        """Address of the checkpoint."""
        return f"{os.environ.get(NPZ_URL_VARIABLE) or NPZ_URL}/{self.checkpoint}"


MODULES: dict[str, Module] = {
    f"mixer_{variant}{'_fe' * fe}": Module(
        checkpoint=checkpoint,
        hub_name=f"mixer_{variant}_{'fe' if fe else 'classification'}",
        is_feature_extractor=fe,
        has_imagenet_classes=not fe and not variant.endswith("i21k"),
    )
    for variant, checkpoint in (
        ("b32_sam", "sam/Mixer-B_32.npz"),
        ("b16_sam", "sam/Mixer-B_16.npz"),
        ("b16_i1k", "imagenet1k/Mixer-B_16.npz"),
        ("l16_i1k", "imagenet1k/Mixer-L_16.npz"),
        ("b16_i21k", "imagenet21k/Mixer-B_16.npz"),
        ("l16_i21k", "imagenet21k/Mixer-L_16.npz"),
    )
    for fe in (False, True)
}
"""Short name -> module: the 12 of ``https://tfhub.dev/sayakpaul``."""
