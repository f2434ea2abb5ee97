"""Models that are hard to quantize: with exactly transformed weights, or with heavy-tailed random weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixer_edge_export.network.mixer import STEM, MixerConfig, MixerWeights


def harden(weights: MixerWeights, images: NDArray[np.float32], seed: int = 0) -> MixerWeights:
    """Return weights of the same function in float whose activations are hard to quantize.

    The stem's bias gains 50 times the standard deviation of its output, in every channel alike: each LayerNorm takes it
    away again. Four channels of each channel-mixing LayerNorm are scaled by 30 to 100, and the next weights undo it.

    Args:
        weights: the model.
        images: ``[n, H, W, 3]`` float32 in [-1, 1] to measure the stem's output on.
        seed: of the choice of channels and factors.
    """
    rng = np.random.default_rng(seed)
    arrays = {key: array.astype(np.float64) for key, array in weights.arrays.items()}
    side, patch, hidden = weights.config.image_size, weights.config.patch_size, weights.config.hidden_dim
    count = side // patch
    patches = images.reshape(-1, count, patch, count, patch, 3).swapaxes(2, 3).reshape(-1, patch * patch * 3)
    arrays[f"{STEM}/bias"] += 50 * (patches @ weights.arrays[f"{STEM}/kernel"].reshape(-1, hidden)).std()
    for block in range(weights.config.num_blocks):
        prefix = f"MixerBlock_{block}"
        factors = np.ones(hidden)
        factors[rng.choice(hidden, 4, replace=False)] = rng.uniform(30, 100, 4)
        for leaf in ("scale", "bias"):
            arrays[f"{prefix}/LayerNorm_1/{leaf}"] *= factors
        arrays[f"{prefix}/channel_mixing/Dense_0/kernel"] /= factors[:, np.newaxis]
    return MixerWeights.from_arrays({key: array.astype(np.float32) for key, array in arrays.items()}, "hard")


def heavy_tailed(config: MixerConfig, seed: int = 0) -> MixerWeights:
    """Return random weights with the tails of trained ones: Student's t (4 degrees of freedom), uneven norms.

    Every channel-mixing layer writes ten times more to the same four channels of the residual stream.
    """
    rng = np.random.default_rng(seed)
    outliers = rng.choice(config.hidden_dim, 4, replace=False)
    arrays = {}
    for key, shape in config.shapes().items():
        drawn = rng.standard_t(4, shape) / np.sqrt(2)
        if key.endswith("/kernel"):
            arrays[key] = drawn / np.sqrt(np.prod(shape[:-1]))
            if key.endswith("channel_mixing/Dense_1/kernel"):
                arrays[key][:, outliers] *= 10
        else:
            arrays[key] = np.exp(0.4 * rng.standard_normal(shape)) if key.endswith("/scale") else 0.3 * drawn
    return MixerWeights.from_arrays({key: array.astype(np.float32) for key, array in arrays.items()}, "heavy-tailed")
