"""Weights in a NumPy archive with the published key layout, as in ``mixer_models/sam/Mixer-B_32.npz``."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from mixer_edge.errors import ModelError
from mixer_edge_export.files import replacing
from mixer_edge_export.network.mixer import HEAD, MixerWeights


def load_npz(path: Path, *, drop_head: bool = False) -> MixerWeights:
    """Return the weights in an ``.npz`` file; ``drop_head`` omits the head, for a feature extractor.

    Raises:
        ModelError: the file is damaged, or its keys or shapes do not match a Mixer.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files if not (drop_head and key.startswith(f"{HEAD}/"))}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path}: cannot be read as .npz ({error}); expected a Mixer checkpoint") from None
    return MixerWeights.from_arrays(arrays, str(path))


def save_npz(weights: MixerWeights, path: Path) -> None:
    """Write the weights to ``path`` atomically; the same weights give the same bytes."""
    with replacing(path) as partial, partial.open("wb") as file:
        np.savez(file, **weights.arrays)  # type: ignore[arg-type]
